"""The VIP: the zone's ENDPOINT, and an address that the leader holds and nobody else."""

from collections.abc import Mapping

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.api import ApiError
from procedures import gate
from procedures.access import Access
from procedures.address import to_leader
from procedures.gate import Whole
from procedures.observe import all_facts, way_in
from procedures.specs import ZoneSpec


def settle(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], whole: Whole | None = None
) -> str:
    """Set the zone's ENDPOINT to the VIP and wait until exactly the leader holds it; its name.

    ``whole`` is the zone of a moment ago, where somebody has seen it.
    """
    view = gate.wait_for_leader(access, hosts)
    leader = view.leader() or ""
    api = access.api(way_in(view, hosts), timeout=30)
    try:
        if api.zone()[1] != zone.endpoint:
            api.set_endpoint(zone.endpoint)
    except ApiError as error:
        raise HostError(
            leader,
            "set the zone's ENDPOINT",
            expected=zone.endpoint,
            seen=str(error),
            remedy="look at /var/log/one/oned.log on the leader, then run again",
        ) from None
    access.report(f"wait until {leader} alone holds the VIP")
    if whole is not None and whole.leader == leader and hosts.keys() <= whole.facts.keys():
        seen = {name: whole.facts[name] for name in hosts}
    else:
        seen = all_facts(access, hosts, zone.database)
    return to_leader(access, zone, hosts, leader, seen)
