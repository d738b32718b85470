"""The VIPs as addresses on interfaces: find them, and move them to the leader."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, raft_hook
from opennebula.api import ApiError
from opennebula.zone import State
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, zone_view
from procedures.install.configuration import LEADER_HOOK
from procedures.install.files.leader import program
from procedures.parallel import on_each
from procedures.specs import Vip, ZoneSpec

SECONDS = 30.0
"""Seconds for the Raft hooks to move the addresses."""
PATIENCE = 6.0
"""Seconds for the leader's own hook to take them; after that, run its program again."""
SECOND_LOOK = 5.0
"""Seconds after a removal in which another program may add the address again."""
RETURNS = 2
"""Largest number of removals on one host: another program adds the address again."""


def holders(facts: Mapping[str, Facts], address: str) -> list[str]:
    """Return the hosts that have that address on an interface."""
    return sorted(
        name
        for name, front_end in facts.items()
        if any(item.address == address for item in front_end.addresses)
    )


def faults(facts: Mapping[str, Facts], vips: Sequence[Vip], leader: str | None) -> list[str]:
    """Return the VIPs that the leader lacks, or that other hosts hold.

    A leader without facts may have them: it is about to leave.
    """
    wrong = []
    for vip in vips:
        holding = holders(facts, vip.address)
        wrong += [f"{vip.address} left over on {name}" for name in holding if name != leader]
        if leader in facts and leader not in holding:
            wrong.append(f"{vip.address} missing on the leader {leader}")
    return wrong


class LeaderChanged(Exception):
    """The leader changed while the VIPs were moved to it."""


def to_leader(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    leader: str,
    seen: Mapping[str, Facts],
) -> Mapping[str, Facts]:
    """Ensure that the leader holds all VIPs, and no other host any; return the facts then.

    Leftover addresses are removed, and if the leader lacks one, its hook's program runs once more.
    After a removal, check again seconds later that no other program has added the address again.
    Raises HostError, or LeaderChanged.
    """
    begun = time.monotonic()
    taken = False
    removed: Counter[str] = Counter()
    last_removal = 0.0
    while True:
        wrong = faults(seen, zone.vips, leader)
        if not wrong and time.monotonic() - last_removal > SECOND_LOOK:
            return seen
        if not wrong:
            access.report("look again whether the VIP stays away from the other hosts")
            time.sleep(SECOND_LOOK)
            seen = all_facts(access, hosts, zone.database)
            last_removal = 0.0
            continue
        if zone_view(access, hosts).leader() not in (leader, None):
            raise LeaderChanged
        waited = time.monotonic() - begun
        if waited > SECONDS or max(removed.values(), default=0) > RETURNS:
            raise _misplaced(access, zone, hosts, leader, seen)
        left_over = {
            name: hosts[name]
            for vip in zone.vips
            for name in holders(seen, vip.address)
            if name != leader and name in hosts
        }
        dropped = _drop_leftovers(access, zone.vips, left_over)
        if dropped:
            removed.update(dropped)
            last_removal = time.monotonic()
            if leader in hosts:
                announce(access, zone.vips, hosts[leader])
        missing = any(leader not in holders(seen, vip.address) for vip in zone.vips)
        if leader in hosts and missing and waited > PATIENCE and not taken:
            _take(access, seen[leader])
            taken = True
        seen = all_facts(access, hosts, zone.database)


def _misplaced(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    leader: str,
    seen: Mapping[str, Facts],
) -> HostError:
    addresses = " and ".join(vip.address for vip in zone.vips)
    holding = sorted({name for vip in zone.vips for name in holders(seen, vip.address)} - {leader})
    managed = {name: _managers(access, zone.vips, hosts[name]) for name in holding if name in hosts}
    known = "; ".join(f"on {name}: {text}" for name, text in managed.items() if text)
    lines = [f"'ip address del {x.address}/{x.prefix} dev {x.interface}'" for x in zone.vips]
    remedy = (
        f"remove {addresses} from what gives it to {', '.join(holding)}: only Raft's hooks move it;"
        f" then remove a leftover with {' or '.join(lines)}, and run again"
        if holding
        else "look for the hook's errors in /var/log/one/oned.log on the leader, then run again"
    )
    return HostError(
        leader,
        "verify the VIP",
        expected=f"{addresses} on {leader} and nowhere else within {SECONDS:.0f} s",
        seen="; ".join(faults(seen, zone.vips, leader))
        + (f"; what may hold it {known}" if known else ""),
        remedy=remedy,
    )


def _managers(access: Access, vips: Sequence[Vip], host: Host) -> str:
    """What on that host may give it these addresses."""
    addresses = " ".join(vip.address for vip in vips)
    output = access.run(
        host, "address_managers", variables={"addresses": addresses}, exclusive=False
    )
    return "; ".join(output.values["managers"].splitlines())


def announce(access: Access, vips: Sequence[Vip], leader: Host) -> None:
    """Announce on the link those of the addresses that the leader holds.

    Otherwise neighbours may use the former holder for a minute or more.
    """
    access.run(
        leader,
        "announce",
        variables={
            "places": " ".join(f"{vip.interface} {vip.address}" for vip in vips),
            "program": program("announce.py"),
        },
        exclusive=False,
    )


def drop(access: Access, vips: Sequence[Vip], hosts: Mapping[str, Host]) -> None:
    """Remove these addresses from those hosts."""
    if not vips:
        return
    addresses = " ".join(vip.address for vip in vips)
    on_each(
        hosts, lambda host: access.run(host, "drop_addresses", variables={"addresses": addresses})
    )


def _drop_leftovers(access: Access, vips: Sequence[Vip], hosts: Mapping[str, Host]) -> list[str]:
    """Remove the VIPs from those hosts, except from a new leader; return the hosts."""

    def leads(host: Host) -> bool:
        try:
            return access.api(host).raft_status().state is State.LEADER
        except (ApiError, HostError):
            return False

    # The leader may have changed since the facts were observed.
    leading = on_each(hosts, leads)
    rest = {name: host for name, host in hosts.items() if not leading[name]}
    drop(access, vips, rest)
    return sorted(rest) if vips else []


def _take(access: Access, leader: Facts) -> None:
    hook = conf.section(leader.oned_conf, LEADER_HOOK)
    if hook.get("COMMAND"):
        access.run(
            leader.host,
            "take_addresses",
            variables={
                "program": raft_hook.path(hook["COMMAND"]),
                "arguments": hook.get("ARGUMENTS", ""),
            },
        )
