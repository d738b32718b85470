"""The VIPs as addresses on interfaces: who holds them, and how they get to the leader alone."""

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
"""Of those, the seconds in which the leader's own hook has taken them, if it runs at all."""
SECOND_LOOK = 5.0
"""Seconds after a removal in which another program would have given the address back."""
RETURNS = 2
"""Removals on one host after which it is not tried again: something there gives it back."""


def holders(facts: Mapping[str, Facts], address: str) -> list[str]:
    """The hosts that have that address on an interface."""
    return sorted(
        name
        for name, front_end in facts.items()
        if any(item.address == address for item in front_end.addresses)
    )


def faults(facts: Mapping[str, Facts], vips: Sequence[Vip], leader: str | None) -> list[str]:
    """Where addresses are and must not be, and where they are missing.

    A leader that is not one of the hosts that were looked at may have them: it is about to leave.
    """
    wrong = []
    for vip in vips:
        found = holders(facts, vip.address)
        wrong += [f"{vip.address} left over on {name}" for name in found if name != leader]
        if leader in facts and leader not in found:
            wrong.append(f"{vip.address} missing on the leader {leader}")
    return wrong


class LeaderChanged(Exception):
    """Another server leads than the one that was to hold the VIPs."""


def to_leader(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    leader: str,
    seen: Mapping[str, Facts],
) -> Mapping[str, Facts]:
    """Have all VIPs on that leader and nowhere else; the facts by which it is so.

    What a hook left behind is removed, and where none has brought the leader an address, its
    hook's program is run once more. Where something was removed, another look seconds later sees
    whether another program gives it back. Raises HostError, or LeaderChanged.
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
        f"take {addresses} out of what gives it to {', '.join(holding)}: only Raft's hooks move it;"
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
    """Tell the leader's neighbours at once that these addresses are with it, as far as they are.

    Those who knew them at another host would still send to that one, for a minute or more.
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
    """Remove these addresses from every one of those hosts that has any."""
    if not vips:
        return
    addresses = " ".join(vip.address for vip in vips)
    on_each(
        hosts, lambda host: access.run(host, "drop_addresses", variables={"addresses": addresses})
    )


def _drop_leftovers(access: Access, vips: Sequence[Vip], hosts: Mapping[str, Host]) -> list[str]:
    """Remove them there, unless one leads by now; from whom."""

    def leads(host: Host) -> bool:
        try:
            return access.api(host).raft_status().state is State.LEADER
        except (ApiError, HostError):
            return False

    # Who leads may have changed since it was looked.
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
