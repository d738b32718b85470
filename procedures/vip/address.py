"""The VIPs as addresses on interfaces: who holds them, and how they get to the leader alone."""

import time
from collections.abc import Mapping, Sequence

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, raft_hook
from opennebula.api import ApiError
from opennebula.zone import State
from procedures.context import Access
from procedures.facts.observe import Facts, all_facts
from procedures.install.configuration import LEADER_HOOK
from procedures.parallel import on_each
from procedures.specs import Vip, ZoneSpec

SECONDS = 30.0
"""Seconds for the Raft hooks to move the addresses."""
PATIENCE = 6.0
"""Of those, the seconds in which the leader's own hook has taken them, if it runs at all."""


def holders(facts: Mapping[str, Facts], address: str) -> list[str]:
    """The hosts that have that address on an interface."""
    return sorted(
        name
        for name, one in facts.items()
        if any(item.address == address for item in one.addresses)
    )


def faults(facts: Mapping[str, Facts], vips: Sequence[Vip], leader: str | None) -> list[str]:
    """Where addresses are and must not be, and where they are missing.

    A leader that is none of the hosts that were looked at may have them: it is about to leave.
    """
    wrong = []
    for vip in vips:
        found = holders(facts, vip.address)
        wrong += [f"{vip.address} left over on {name}" for name in found if name != leader]
        if leader in facts and leader not in found:
            wrong.append(f"{vip.address} missing on the leader {leader}")
    return wrong


def to_leader(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    leader: str,
    seen: Mapping[str, Facts],
) -> Mapping[str, Facts]:
    """Have all VIPs on that leader and nowhere else; the facts by which it is so.

    Raises HostError.

    What a hook left behind is removed, and where none has brought the leader an address, its
    hook's program is run once more.
    """
    begun = time.monotonic()
    taken = False
    while wrong := faults(seen, zone.vips, leader):
        waited = time.monotonic() - begun
        if waited > SECONDS:
            lines = [
                f"'ip address del {x.address}/{x.prefix} dev {x.interface}'" for x in zone.vips
            ]
            addresses = " and ".join(vip.address for vip in zone.vips)
            raise HostError(
                leader,
                "verify the VIP",
                expected=f"{addresses} on {leader} and nowhere else within {SECONDS:.0f} s",
                seen="; ".join(wrong),
                remedy="look for the hook's errors in /var/log/one/oned.log; remove a leftover"
                f" with {' or '.join(lines)}",
            )
        found = {name for vip in zone.vips for name in holders(seen, vip.address)}
        _drop_leftovers(
            access, zone.vips, {n: hosts[n] for n in found if n != leader and n in hosts}
        )
        missing = any(leader not in holders(seen, vip.address) for vip in zone.vips)
        if leader in hosts and missing and waited > PATIENCE and not taken:
            _take(access, seen[leader])
            taken = True
        seen = all_facts(access, hosts, zone.database)
    return seen


def drop(access: Access, vips: Sequence[Vip], hosts: Mapping[str, Host]) -> None:
    """Remove these addresses from every one of those hosts that has any."""
    if not vips:
        return
    addresses = " ".join(vip.address for vip in vips)
    on_each(
        hosts, lambda host: access.run(host, "drop_addresses", variables={"addresses": addresses})
    )


def _drop_leftovers(access: Access, vips: Sequence[Vip], hosts: Mapping[str, Host]) -> None:
    def leads(host: Host) -> bool:
        try:
            return access.api(host).raft_status().state is State.LEADER
        except (ApiError, HostError):
            return False

    # Who leads may have changed since it was looked.
    leading = on_each(hosts, leads)
    drop(access, vips, {name: host for name, host in hosts.items() if not leading[name]})


def _take(access: Access, leader: Facts) -> None:
    hook = conf.read(leader.oned_conf, LEADER_HOOK)
    if isinstance(hook, dict) and hook.get("COMMAND"):
        access.run(
            leader.host,
            "take_addresses",
            variables={
                "program": raft_hook.path(hook["COMMAND"]),
                "arguments": hook.get("ARGUMENTS", ""),
            },
        )
