"""One front-end as a server of the zone: join, rejoin, leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pulumi import Output

from providers.base import ManagedResource, Outputs, Props, Provider, now
from providers.urn import FRONT_END, ZONE

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.context import Access
    from procedures.specs import MemberSpec
    from providers.run_state import RunState


class ZoneMemberProvider(Provider):
    """Makes one front-end a server of the zone."""

    spec_type = "MemberSpec"
    spread = frozenset({"zone"})
    # These concern clients, not a single server.
    unaffected_by = frozenset(
        {"zone.endpoint", "zone.has_entrance", "zone.keep_dumps", "zone.vips"}
    )

    def do_create(self, access: Access, run: RunState, spec: MemberSpec, props: Props) -> Outputs:
        """Join, unless the front-end is a server already."""
        from procedures.membership.join import join

        return _outputs(spec, join(access, spec, _peers(run, spec), run.known_zone))

    def do_create_again(
        self, access: Access, run: RunState, spec: MemberSpec, olds: Props, news: Props
    ) -> Outputs:
        """Resume the join that failed."""
        return self.do_create(access, run, spec, news)

    def do_read(self, access: Access, run: RunState, spec: MemberSpec, props: Props) -> Outputs:
        """Read the SERVER_ID, and report the server's faults."""
        from procedures.membership.member_status import member_status

        survey = run.survey(access, spec.zone.database)
        # Only a write shows a lag, and an adopted zone gets no write.
        found = member_status(access, spec, survey, writes=not self.is_adopted(run, spec))
        return _outputs(spec, found.server_id, found.faults, revision=props.get("revision"))

    def do_update(
        self, access: Access, run: RunState, spec: MemberSpec, olds: Props, news: Props
    ) -> Outputs:
        """Rejoin if the server is not in the zone, or repair it if it differs from the leader."""
        from procedures.membership.join import join
        from procedures.membership.repair import repair

        enter = repair if olds.get("drift") else join
        return _outputs(spec, enter(access, spec, _peers(run, spec)))

    def do_delete(self, access: Access, run: RunState, spec: MemberSpec, props: Props) -> None:
        """Leave the zone, unless the host is lost or stays as the only front-end: see ``Zone``."""
        from procedures.membership.leave import leave

        if spec.host.name in run.lost or spec.host.name in run.front_ends:
            return
        leave(
            access,
            run.zone or spec.zone,
            spec.host,
            _peers(run, spec),
            allow_degraded=run.allow_degraded,
            dumped=run.dumped,
        )


class ZoneMember(ManagedResource, module="opennebula", name="ZoneMember"):
    """A front-end's zone server."""

    provider_type = ZoneMemberProvider
    parents = (ZONE, FRONT_END)
    outputs = ("server_id", "revision", "endpoint", "drift")
    revision: Output[str]


def _peers(run: RunState, spec: MemberSpec) -> dict[str, Host]:
    """Return the front-ends of the config and this one, which may have left it."""
    return {**run.front_ends, spec.host.name: spec.host}


def _outputs(
    spec: MemberSpec, server_id: int, faults: Sequence[str] = (), *, revision: str | None = None
) -> Outputs:
    from opennebula.zone import endpoint

    return {
        "server_id": server_id,
        "endpoint": endpoint(spec.host.name),
        "drift": list(faults),
        "revision": revision or now(),
    }
