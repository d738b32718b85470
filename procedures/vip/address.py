"""The VIPs as addresses on interfaces: find them, and move them to the leader."""

import ipaddress
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, raft_hook
from opennebula.zone import State, ZoneView
from procedures import zone_leader
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, facts_where_possible, raft_status, zone_view
from procedures.install.configuration import LEADER_HOOK
from procedures.install.files.leader import program
from procedures.parallel import on_each
from procedures.specs import Vip, ZoneSpec

SECONDS = 30.0
"""Seconds for the Raft hooks to move the addresses."""
HOOKS = 60.0
"""Seconds for hooks that may still move or announce an address: they wait for each other."""
BEGIN = 2.0
"""Seconds for a new leader's hook to start; if none runs after that, run its program again."""
PATIENCE = 6.0
"""Seconds for the leader's own hook to add the addresses; after that, run its program again."""
SECOND_LOOK = 5.0
"""Seconds after a removal in which another program may add the address again."""
LEADERS = 3
"""Number of attempts; a change of the leader ends an attempt."""
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

    A leader without facts is about to leave, and may have them.
    """
    wrong = []
    for vip in vips:
        holding = holders(facts, vip.address)
        wrong += [f"{vip.address} left over on {name}" for name in holding if name != leader]
        if leader in facts and leader not in holding:
            wrong.append(f"{vip.address} missing on the leader {leader}")
    return wrong


def late_hooks(facts: Mapping[str, Facts], leader: str) -> list[str]:
    """Return the hosts with a running hook that may still take an address from the leader.

    On the leader, a follower's hook would remove the address: hooks run in any order. On another
    host, a leader's hook would announce it there, and a follower's hook would remove it later, when
    that host leads.
    """
    return sorted(
        name
        for name, front_end in facts.items()
        if front_end.hooks - (frozenset({"leader"}) if name == leader else frozenset())
    )


def in_effect(leader: Facts) -> tuple[Vip, ...]:
    """Return the VIPs that the leader's own hook moves, before the stack changes them. Pure.

    Empty if oned.conf may have been changed by hand since oned started.
    """
    words = conf.section(leader.oned_conf, LEADER_HOOK).get("ARGUMENTS", "").split()[1:]
    if leader.is_behind and not leader.next_conf:
        return ()
    try:
        pairs = zip(words[::2], words[1::2], strict=True)
        places = [(interface, ipaddress.ip_interface(place)) for interface, place in pairs]
    except ValueError:
        # Arguments of a custom hook.
        return ()
    return tuple(
        Vip(address=str(place.ip), prefix=place.network.prefixlen, interface=interface)
        for interface, place in places
    )


class LeaderChanged(Exception):
    """The leader changed while the VIPs were moved to it."""


def to_leader(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    leader: str,
    seen: Mapping[str, Facts],
    *,
    elected: bool = True,
) -> Mapping[str, Facts]:
    """Ensure that only the leader holds the VIPs, and all of them; return the facts after that.

    Wait for hooks that may still change that, and remove leftover addresses. If the leader lacks
    one, run its hook's program once more. Some seconds after a removal, check that no other program
    has added the address again. Raises HostError, or LeaderChanged.

    ``elected``: there may have been an election since the leader announced the addresses. A server
    that led only for a moment may have announced them last: seen when two were candidates.
    """
    begun = time.monotonic()
    is_due = elected and bool(zone.vips)
    taken = False
    waits_for: list[str] = []
    removed: Counter[str] = Counter()
    last_removal = 0.0
    while True:
        wrong = faults(seen, zone.vips, leader)
        late = late_hooks(seen, leader) if zone.vips else []
        waited = time.monotonic() - begun
        is_stuck = waited > HOOKS
        if not wrong and (not late or is_stuck):
            if (is_due or waits_for) and leader in hosts:
                # Another host may have announced it last.
                announce(access, zone.vips, hosts[leader])
                is_due, waits_for = False, []
            if time.monotonic() - last_removal > SECOND_LOOK:
                return seen
            access.report("look again whether the VIP stays away from the other hosts")
            time.sleep(SECOND_LOOK)
            seen = all_facts(access, hosts, zone.database)
            last_removal = 0.0
            continue
        if late and late != waits_for:
            access.report(f"wait for the end of Raft's hook on {', '.join(late)}")
            waits_for = late
        if zone_view(access, hosts).leader() not in (leader, None):
            raise LeaderChanged
        missing = any(leader not in holders(seen, vip.address) for vip in zone.vips)
        is_free = leader in hosts and not late and not seen[leader].hooks
        is_hopeless = missing and is_free and taken
        returns = max(removed.values(), default=0)
        if wrong and (waited > SECONDS or is_hopeless or returns > RETURNS):
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
                is_due = False
        is_lost = waited > PATIENCE or (is_free and waited > BEGIN)
        if leader in hosts and missing and is_lost and not taken:
            _take(access, seen[leader])
            is_due = False
            # A late hook may remove it again.
            taken = not late
        seen = all_facts(access, hosts, zone.database)


def keep(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    leader: str,
    seen: Mapping[str, Facts],
    *,
    elected: bool = True,
) -> Mapping[str, Facts]:
    """Do as ``to_leader`` between two steps, for the VIPs of the leader's own hook; ignore errors.

    A later step may change these VIPs, or remove what keeps the leader from holding them. Raises
    LeaderChanged.
    """
    vips = in_effect(seen[leader]) if leader in seen else ()
    own = zone.model_copy(update={"vips": vips})
    with suppress(HostError):
        return to_leader(access, own, hosts, leader, seen, elected=elected)
    return seen


def leading_with_vips(access: Access, zone: ZoneSpec, hosts: Hosts) -> ZoneView:
    """Wait for a leader, and for its VIPs as far as possible; return the zone.

    Called before a step that may change the leader. Raises HostError if there is no leader.
    """
    for _ in range(LEADERS):
        view = zone_leader.wait_for_leader(access, hosts)
        seen = facts_where_possible(access, hosts, zone.database)
        with suppress(LeaderChanged):
            keep(access, zone, {name: hosts[name] for name in seen}, view.leader() or "", seen)
            return view
    return zone_leader.wait_for_leader(access, hosts)


def _misplaced(
    access: Access, zone: ZoneSpec, hosts: Hosts, leader: str, seen: Mapping[str, Facts]
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
    """Return what may add these addresses to that host, such as a network configuration."""
    addresses = " ".join(vip.address for vip in vips)
    output = access.run(
        host, "address_managers", variables={"addresses": addresses}, exclusive=False
    )
    return "; ".join(output.values["managers"].splitlines())


def announce(access: Access, vips: Sequence[Vip], leader: Host) -> None:
    """Announce the addresses that the leader holds to its neighbours.

    Otherwise they may send to the former holder for a minute or more.
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


def drop(access: Access, vips: Sequence[Vip], hosts: Hosts) -> None:
    """Remove these addresses from those hosts."""
    if not vips:
        return
    addresses = " ".join(vip.address for vip in vips)
    on_each(
        hosts, lambda host: access.run(host, "drop_addresses", variables={"addresses": addresses})
    )


def _drop_leftovers(access: Access, vips: Sequence[Vip], hosts: Hosts) -> list[str]:
    """Remove the VIPs from those hosts, except from a new leader; return the hosts."""

    def leads(host: Host) -> bool:
        status = raft_status(access, host)
        return status is not None and status.state is State.LEADER

    # The leader may have changed since the facts were observed.
    leading = on_each(hosts, leads)
    rest = {name: host for name, host in hosts.items() if not leading[name]}
    drop(access, vips, rest)
    return sorted(rest)


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
