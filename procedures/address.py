"""The VIP as an address on interfaces: who holds it, and how it gets to the leader alone."""

import time
from collections.abc import Mapping

from hosts.connection import Host
from hosts.errors import HostError
from opennebula import conf
from opennebula.api import ApiError
from opennebula.zone import State
from procedures.access import Access, on_each
from procedures.observe import Facts, all_facts
from procedures.specs import ZoneSpec

SECONDS = 30.0
"""Seconds for the Raft hooks to move the address."""
PATIENCE = 6.0
"""Of those, the seconds in which the leader's own hook has taken it, if it runs at all."""


def holders(facts: Mapping[str, Facts], address: str) -> list[str]:
    """The hosts that have that address on an interface."""
    return sorted(
        name
        for name, one in facts.items()
        if any(item.address == address for item in one.addresses)
    )


def faults(facts: Mapping[str, Facts], address: str, leader: str | None) -> list[str]:
    """Where the address is and must not be, and where it is missing."""
    found = holders(facts, address)
    wrong = [f"{address} left over on {name}" for name in found if name != leader]
    if leader is not None and leader not in found:
        wrong.append(f"{address} missing on the leader {leader}")
    return wrong


def to_leader(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    leader: str,
    seen: Mapping[str, Facts],
) -> str:
    """Have the VIP on that leader and nowhere else; its name. Raises HostError.

    What a hook left behind is removed, and where none has brought the leader the address, its
    hook's script is run once more.
    """
    if zone.vip is None:
        return ""
    address = zone.vip.address
    begun = time.monotonic()
    taken = False
    while (found := holders(seen, address)) != [leader]:
        waited = time.monotonic() - begun
        if waited > SECONDS:
            raise HostError(
                leader,
                "verify the VIP",
                expected=f"{address} on {leader} and nowhere else within {SECONDS:.0f} s",
                seen=f"it is on {', '.join(found) or 'no host'}",
                remedy="look for the hook's errors in /var/log/one/oned.log; remove a leftover"
                f" with 'ip address del {address}/{zone.vip.prefix} dev {zone.vip.interface}'",
            )
        _drop_leftovers(access, address, {n: hosts[n] for n in found if n != leader and n in hosts})
        if leader in hosts and leader not in found and waited > PATIENCE and not taken:
            _take(access, seen[leader])
            taken = True
        seen = all_facts(access, hosts, zone.database)
    return leader


def drop(access: Access, address: str, hosts: Mapping[str, Host]) -> None:
    """Remove the address from every one of these hosts that has it."""
    on_each(hosts, lambda host: access.run(host, "drop_address", variables={"address": address}))


def _drop_leftovers(access: Access, address: str, hosts: Mapping[str, Host]) -> None:
    def leads(host: Host) -> bool:
        try:
            return access.api(host).raft_status().state is State.LEADER
        except (ApiError, HostError):
            return False

    # Who leads may have changed since it was looked.
    leading = on_each(hosts, leads)
    drop(access, address, {name: host for name, host in hosts.items() if not leading[name]})


def _take(access: Access, leader: Facts) -> None:
    hook = conf.read(leader.oned_conf, "RAFT_LEADER_HOOK")
    arguments = hook.get("ARGUMENTS", "") if isinstance(hook, dict) else ""
    if arguments:
        access.run(leader.host, "take_address", variables={"arguments": arguments})
