"""One front-end as a server of the zone: join, rejoin, leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pulumi import Output

from providers.base import ManagedResource, Outputs, Provider, now
from providers.state import FRONT_END, ZONE

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.specs import MemberSpec
    from providers.run_state import Operation


class ZoneMemberProvider(Provider):
    """Makes one front-end a server of the zone."""

    spec_type = "MemberSpec"
    spread = frozenset({"zone"})
    # These concern clients, not a single server.
    unaffected_by = frozenset(
        {"zone.endpoint", "zone.has_entrance", "zone.keep_dumps", "zone.vips"}
    )

    def do_create(self, op: Operation[MemberSpec]) -> Outputs:
        """Join, unless the front-end is a server already."""
        from procedures.membership.join import join

        return _outputs(op.spec, join(op.access, op.spec, _peers(op), op.run.known_zone))

    def do_read(self, op: Operation[MemberSpec]) -> Outputs:
        """Read the SERVER_ID, and report the server's faults."""
        from procedures.membership.member_status import member_status

        survey = op.run.survey(op.access, op.spec.zone.database)
        # Only a write shows a lag, and an adopted zone gets no write.
        found = member_status(op.access, op.spec, survey, writes=not self.is_adopted(op))
        return _outputs(op.spec, found.server_id, found.faults, revision=op.props.get("revision"))

    def do_update(self, op: Operation[MemberSpec]) -> Outputs:
        """Rejoin if the server is not in the zone, or repair it if it differs from the leader."""
        from procedures.membership.join import join
        from procedures.membership.repair import repair

        enter = repair if op.olds.get("drift") else join
        return _outputs(op.spec, enter(op.access, op.spec, _peers(op)))

    def do_delete(self, op: Operation[MemberSpec]) -> None:
        """Leave the zone, unless the host is lost or stays as the only front-end: see ``Zone``."""
        from procedures.membership.leave import leave

        if op.spec.host.name in op.run.lost or op.spec.host.name in op.run.front_ends:
            return
        leave(
            op.access,
            op.run.zone or op.spec.zone,
            op.spec.host,
            _peers(op),
            allow_degraded=op.run.allow_degraded,
            dumped=op.run.dumped,
        )


class ZoneMember(ManagedResource, module="opennebula", name="ZoneMember"):
    """A front-end's zone server."""

    provider_type = ZoneMemberProvider
    parents = (ZONE, FRONT_END)
    outputs = ("server_id", "revision", "endpoint", "drift")
    revision: Output[str]


def _peers(op: Operation[MemberSpec]) -> dict[str, Host]:
    """Return the front-ends of the config and this one, which may have left it."""
    return {**op.run.front_ends, op.spec.host.name: op.spec.host}


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
