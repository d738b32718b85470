"""Hand the leader's part over to another server on purpose."""

from collections.abc import Collection, Mapping

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.zone import State, ZoneView, quorum
from procedures import gate
from procedures.access import Access, on_each
from procedures.observe import zone_view
from procedures.oned import restart
from procedures.wait import until


def switch_over(access: Access, hosts: Mapping[str, Host], to: Collection[str]) -> None:
    """Have one of those servers lead. Raises HostError.

    A server that restarts is no candidate for its first 15 s, in which one of the others is
    elected. So the leader restarts right after as many as can be spared of those that are not to
    lead: of three servers that is all there are, and the first election decides. With more it may
    take a few turns, each with an election's pause.
    """
    turns = 4 * len(hosts)
    for _ in range(turns):
        view = gate.wait_for_leader(access, hosts)
        leader = view.leader() or ""
        if leader in to:
            gate.write(access, hosts[leader])
            return
        _hold_back(access, hosts, rivals(view, to))
        access.report(f"{leader}: restart, so that another one leads")
        restart(access, hosts[leader])
    raise HostError(
        ", ".join(sorted(to)),
        "switch over",
        expected=f"its election within {turns} turns",
        seen=f"{gate.wait_for_leader(access, hosts).leader()} as the leader",
        remedy="look at /var/log/one/oned.log there: does it lag, or is it cut off?",
    )


def rivals(view: ZoneView, to: Collection[str]) -> list[str]:
    """The followers that are not to lead and can restart at once, the zone's quorum kept."""
    up = [
        name
        for name, status in view.statuses.items()
        if status.state in (State.FOLLOWER, State.LEADER)
    ]
    spare = len(up) - quorum(len(view.pool))
    others = sorted(name for name in up if name not in to and name != view.leader())
    return others[: max(spare, 0)]


def _hold_back(access: Access, hosts: Mapping[str, Host], names: Collection[str]) -> None:
    if not names:
        return
    access.report(f"{', '.join(names)}: restart first, so that another one is elected")
    on_each({name: hosts[name] for name in names}, lambda host: restart(access, host))
    until(
        lambda: True if _follow(zone_view(access, hosts), names) else None,
        host=", ".join(names),
        step="switch over",
        expected="a follower of the leader again",
        seconds=gate.CONVERGENCE,
        seen=lambda: "none",
        remedy="look at /var/log/one/oned.log there",
    )


def _follow(view: ZoneView, names: Collection[str]) -> bool:
    leader = view.leader()
    return leader is not None and all(
        (status := view.statuses.get(name)) is not None
        and status.state is State.FOLLOWER
        and status.term == view.statuses[leader].term
        for name in names
    )
