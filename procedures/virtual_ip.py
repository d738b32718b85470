"""The VIP: the zone's ENDPOINT, and an address that the leader holds and nobody else."""

from collections.abc import Mapping

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.api import ApiError
from procedures import gate
from procedures.access import Access, on_each
from procedures.observe import all_facts, way_in
from procedures.specs import ZoneSpec
from procedures.wait import until


def settle(access: Access, zone: ZoneSpec, hosts: Mapping[str, Host]) -> str:
    """Set the zone's ENDPOINT to the VIP and wait until exactly the leader holds it; its name."""
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
    last: list[str] = []

    def look() -> str | None:
        nonlocal last
        last = where(access, zone, hosts)
        return leader if last == [leader] else None

    address = zone.vip.address if zone.vip else ""
    return until(
        look,
        host=leader,
        step="settle the VIP",
        expected=f"{address} on the leader {leader} and nowhere else",
        seconds=gate.VIP,
        seen=lambda: f"it is on {', '.join(last) or 'no host'}",
        remedy="look for the hook's errors in /var/log/one/oned.log on the leader",
    )


def drop(access: Access, address: str, hosts: Mapping[str, Host]) -> None:
    """Remove an address that is no VIP any more from every host that still has it."""
    on_each(hosts, lambda host: access.run(host, "drop_address", variables={"address": address}))


def where(access: Access, zone: ZoneSpec, hosts: Mapping[str, Host]) -> list[str]:
    """The hosts that hold the VIP now."""
    if zone.vip is None:
        return []
    return gate.holders(all_facts(access, hosts, zone.database), zone.vip.address)
