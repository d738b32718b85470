"""Make a zone server standalone, or the last surviving server the leader of its own zone."""

from collections.abc import Callable

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError
from opennebula.zone import STANDALONE_ID
from procedures import zone_leader
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import facts
from procedures.oned_service import answering, assign_server_id, start, stop
from procedures.specs import ZoneSpec
from procedures.transfer.seed import dump


def retire(access: Access, zone: ZoneSpec, host: Host) -> None:
    """Make the last server of a zone standalone, after a dump."""
    _alone(access, zone, host, lambda name: True, "before-solo")


def survive(access: Access, zone: ZoneSpec, host: Host) -> None:
    """Remove all other servers from a zone without quorum, so that the last one leads alone.

    Without quorum oned accepts no calls; standalone it does. The others must never come back: the
    caller ensures that. A dump is made first.
    """
    seen = _alone(access, zone, host, lambda name: name != host.name, "before-survival")
    (entry,) = (item for item in facts(access, host, zone.database).pool if item.name == host.name)
    stop(access, host)
    assign_server_id(access, zone, seen, entry.id)
    start(access, host, entry.id)
    zone_leader.wait_for_leader(access, {host.name: host})


def _alone(
    access: Access, zone: ZoneSpec, host: Host, leaves: Callable[[str], bool], reason: str
) -> Facts:
    seen = facts(access, host, zone.database)
    if seen.server_id != STANDALONE_ID:
        dump(access, host, zone, reason=reason, stop=True)
        seen = assign_server_id(access, zone, seen, STANDALONE_ID)
    start(access, host, None)
    api = answering(access, host)
    try:
        if api.zone()[1] != zone.endpoint:
            api.set_endpoint(zone.endpoint, zone.grpc)
        for entry in access.named(api.servers()):
            if leaves(entry.name):
                api.delete_server(entry.id)
    except ApiError as error:
        raise HostError(
            host.name,
            "remove servers from the pool",
            expected="a standalone oned",
            seen=str(error),
            remedy="look at /var/log/one/oned.log there, then run again",
        ) from None
    return seen
