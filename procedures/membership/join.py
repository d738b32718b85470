"""Make one front-end a server of a running zone."""

from collections.abc import Mapping

from hosts.models import Host
from procedures.bootstrap.bootstrap import KnownZone
from procedures.context import Access
from procedures.facts.observe import zone_view
from procedures.membership.member_status import MemberStatus, by_status
from procedures.membership.repair import repair
from procedures.specs import MemberSpec


def join(
    access: Access, spec: MemberSpec, hosts: Mapping[str, Host], known_zone: KnownZone | None = None
) -> int:
    """Make the host a server of the zone, or repair it; return its SERVER_ID.

    Resumes an interrupted join. ``hosts``: all hosts that the zone may have, including this one and
    those about to leave. ``known_zone``: what this run knows of the zone. Raises HostError.
    """
    known_zone = known_zone or KnownZone()
    name = spec.host.name
    # A server that this run has seen healthy is not observed again: the rollout checks the zone.
    status = by_status(known_zone.view, name) if known_zone.view else MemberStatus(-1)
    if status.server_id < 0 or status.faults:
        status = by_status(zone_view(access, hosts), name)
    if status.server_id >= 0 and not status.faults:
        return status.server_id
    return repair(access, spec, hosts, seeded=name in known_zone.seeded)
