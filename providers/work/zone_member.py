"""One host's place in the zone: join, re-join, leave."""

from collections.abc import Mapping, Sequence
from typing import Any

from hosts.models import Host
from opennebula.zone import endpoint
from procedures.context import Access
from procedures.membership.join import join, place
from procedures.membership.leave import leave
from procedures.membership.repair import repair
from procedures.specs import MemberSpec
from providers import stack
from providers.work import base
from providers.work.base import Outputs, now


class Work(base.Work[MemberSpec]):
    """Of ZoneMember."""

    spec_type = MemberSpec

    def identifier(self, spec: MemberSpec) -> str:
        """Return the name of the host."""
        return spec.host.name

    def is_adopted(self, spec: MemberSpec) -> bool:
        """Return whether this server ran before the stack, and stays as it is."""
        here = stack.current()
        return here.observes or spec.host.name in here.adopted

    def make(self, access: Access, spec: MemberSpec, props: Mapping[str, Any]) -> Outputs:
        """Find itself a server already, or join."""
        founded = stack.current().founded
        return _outputs(spec, join(access, spec, _peers(spec), founded))

    def make_again(
        self,
        access: Access,
        spec: MemberSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Join, from wherever the join before it ended."""
        return self.make(access, spec, news)

    def look(self, access: Access, spec: MemberSpec, props: Mapping[str, Any]) -> Outputs:
        """Its SERVER_ID, and what is wrong with it."""
        survey = stack.current().survey(access, spec.zone.database)
        # What lags shows only when somebody writes: no write of ours in a zone that is adopted.
        found = place(access, spec, survey, writes=not self.is_adopted(spec))
        return _outputs(spec, found.server_id, found.faults, revision=props.get("revision"))

    def change(
        self,
        access: Access,
        spec: MemberSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Join again where it fell out, or differs from the others."""
        enter = repair if olds.get("drift") else join
        return _outputs(spec, enter(access, spec, _peers(spec)))

    def unmake(self, access: Access, spec: MemberSpec, props: Mapping[str, Any]) -> None:
        """Leave, unless the zone itself has seen to that: it is lost, or back to solo."""
        here = stack.current()
        if spec.host.name in here.lost or spec.host.name in here.front_ends:
            return
        leave(
            access,
            spec.zone,
            spec.host,
            _peers(spec),
            allow_degraded=here.allow_degraded,
            dumped=here.dumped,
            in_hosts_file=here.names_hosts,
        )


def _peers(spec: MemberSpec) -> dict[str, Host]:
    """Everybody that the config lists now, and this one, which may have left the list."""
    return {**stack.current().front_ends, spec.host.name: spec.host}


def _outputs(
    spec: MemberSpec, server_id: int, faults: Sequence[str] = (), *, revision: str | None = None
) -> Outputs:
    return {
        "server_id": server_id,
        "endpoint": endpoint(spec.host.name),
        "drift": list(faults),
        "revision": revision or now(),
    }
