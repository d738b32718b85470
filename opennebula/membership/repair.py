"""Plan the order in which servers of a zone are repaired, so that it keeps its quorum. Pure.

A server is down during its repair. So those that do not follow the leader come first:
their repair takes nothing from the quorum, and each adds one server to it. Of those that follow,
one that runs with another server's SERVER_ID comes first: in an election its vote may count twice.
The leader comes last: the next leader has the zone's data then.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import IntEnum

from opennebula.membership.observed import Refusal
from opennebula.zone import quorum


class Need(IntEnum):
    """What a server needs, the cheapest first."""

    NOTHING = 0
    START = 1
    RESYNC = 2
    """A fresh copy of the leader's data and keys."""


@dataclass(frozen=True)
class Condition:
    """One server of the zone's pool."""

    name: str
    need: Need = Need.NOTHING
    follows: bool = True
    """It is the leader or follows it, and so counts for the quorum."""
    leads: bool = False
    misnumbered: bool = False
    """Its oned runs with another SERVER_ID than in the pool."""


@dataclass(frozen=True)
class RepairPlan:
    """Names in the order of repair, and why the others cannot be repaired."""

    order: tuple[str, ...] = ()
    refusal: Refusal | None = None


def plan_repairs(servers: Collection[Condition]) -> RepairPlan:
    """Return the order in which the servers of the pool are repaired without losing quorum.

    For a server that cannot be reached, pass the need NOTHING and ``follows=False``.
    """
    now = {server.name: server for server in servers}
    order: list[str] = []
    due = sorted((server for server in servers if server.need), key=_turn)
    for server in due:
        if server.follows and (refusal := _loses_quorum(now, server)):
            return RepairPlan(tuple(order), refusal)
        order.append(server.name)
        now[server.name] = replace(
            server, need=Need.NOTHING, follows=True, misnumbered=False, leads=False
        )
    return RepairPlan(tuple(order))


def _turn(server: Condition) -> tuple[bool, bool, int, bool, str]:
    return (server.leads, server.follows, server.need, not server.misnumbered, server.name)


def _loses_quorum(now: dict[str, Condition], server: Condition) -> Refusal | None:
    up = sorted(name for name, item in now.items() if item.follows and name != server.name)
    needed = quorum(len(now))
    if len(up) >= needed:
        return None
    down = ", ".join(sorted(name for name, item in now.items() if not item.follows))
    return Refusal(
        expected=f"{needed} of {len(now)} zone servers up while {server.name} is repaired",
        seen=f"{len(up)} ({', '.join(up) or 'none'})",
        remedy=f"bring {down} back first; or, if it is permanently lost, list it under"
        " opennebula-ha:lost; then run again"
        if down
        else "add a front-end to the stack first: a zone of this size loses its quorum with any"
        " server",
        host=server.name,
    )
