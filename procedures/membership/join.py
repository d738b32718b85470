"""Make one front-end a server of a running zone."""

from opennebula.zone import ZoneView
from procedures.bootstrap.bootstrap import KnownZone, zone_lock
from procedures.context import Access, Hosts
from procedures.facts.observe import facts_where_possible, zone_view
from procedures.membership.join_server import Join
from procedures.membership.member_status import MemberStatus, by_status
from procedures.membership.repair import repair
from procedures.specs import MemberSpec, ZoneSpec


def join(
    access: Access, spec: MemberSpec, hosts: Hosts, known_zone: KnownZone | None = None
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
        view = zone_view(access, hosts)
        status = by_status(view, name)
        if view.entry(name) is None and _is_blocked(access, spec.zone, hosts, view):
            return repair(access, spec, hosts, seeded=name in known_zone.seeded)
    if status.server_id >= 0 and not status.faults:
        return status.server_id
    if status.server_id >= 0:
        access.report(f"{name}: repair: {'; '.join(status.faults)}")
    with zone_lock(access, hosts):
        return Join(access, spec, hosts, seeded=name in known_zone.seeded).run()


def _is_blocked(access: Access, zone: ZoneSpec, hosts: Hosts, view: ZoneView) -> bool:
    """Return whether servers that can be repaired keep a new one out.

    They run with another SERVER_ID, or are installed, on a host that answers, and stopped. Other
    faults do not keep it out, or the join itself repairs them.
    """
    if view.misnumbered() & hosts.keys():
        return True
    silent = {name: hosts[name] for name in view.silent() & hosts.keys()}
    seen = facts_where_possible(access, silent, zone.database)
    return any(front_end.package and front_end.has_ended for front_end in seen.values())
