"""Describe what a change of the stack does to its zone, for a preview. Pure.

The texts are based on the zone after the last run. Only the `up` sees the present leader.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from opennebula.zone import quorum

LEADER = "the leader at the last run"
_RESTARTING = frozenset(
    {"database", "entrance", "gate_endpoint", "hooks", "one_version", "one_vip", "oned"}
)
"""Settings of a front-end that take effect when its oned restarts."""


@dataclass(frozen=True)
class Before:
    """The zone after the last run."""

    front_ends: frozenset[str]
    leader: str
    highly_available: bool


@dataclass(frozen=True)
class After:
    """The zone that the stack wants."""

    front_ends: frozenset[str]
    lost: frozenset[str]
    highly_available: bool


def restarts(changed: Collection[str]) -> bool:
    """Return whether oned restarts if those inputs of its installation change."""
    return any(key.partition(".")[0] in _RESTARTING or key == "ldap.is_default" for key in changed)


def machines(names: Collection[str], size: int) -> str:
    """Describe front-ends of a zone of that size whose addresses the `up` will learn."""
    who = f"{_names(names)} {_verb(names, 'gets an address', 'get addresses')} not known yet"
    if size - len(names) >= quorum(size):
        return f"{who}: a new machine has no data, and gets the leader's"
    return (
        f"{who}: new machines have no data, so the zone would lose its quorum and its data; keep"
        f" the machines, and replace one front-end at a time"
    )


def membership(before: Before, after: After) -> Iterator[str]:
    """Describe joins and leaves, in the order of the `up`."""
    lost = before.front_ends & after.lost
    joining = after.front_ends - before.front_ends
    leaving = before.front_ends - after.front_ends - lost
    present = before.front_ends - lost
    if lost:
        yield (
            f"{_names(lost)} {_verb(lost, 'is', 'are')} lost: taken out of the zone without being"
            f" reached, after one dump; {_size(len(present))}"
        )
    if after.highly_available and not before.highly_available:
        yield (
            f"{before.leader} becomes the first server of a zone: one dump, and its oned restarts,"
            " which interrupts OpenNebula for some seconds"
        )
    if joining:
        present |= joining
        they = _verb(joining, "it", "them")
        how = "" if len(joining) == 1 else ", one at a time"
        yield (
            f"{_names(joining)} {_verb(joining, 'joins', 'join')}{how}: one dump on the leader,"
            f" which is copied to {they}; {_size(len(present))}"
        )
    if leaving:
        present -= leaving
        names = [f"{n} ({LEADER})" if n == before.leader else n for n in sorted(leaving)]
        how = "another leader is elected first, " if before.leader in leaving else ""
        remain = _size(len(present), "remain", "remains")
        yield f"{_listed(names)} {_verb(leaving, 'leaves', 'leave')}: {how}one dump, {remain}"
    if before.highly_available and not after.highly_available:
        yield (
            f"{_names(after.front_ends)} continues outside any zone: one dump, and its oned"
            " restarts, which interrupts OpenNebula for some seconds"
        )


def rollout(
    before: Before,
    after: After,
    restarting: Collection[str],
    *,
    version: str = "",
    stops_all: bool = False,
    secrets: bool = False,
) -> Iterator[str]:
    """Describe which servers restart.

    ``version``: their new version, if it changes. ``stops_all``: the database may be upgraded, with
    all oneds stopped. ``secrets``: some of them change, and db_password would restart oned.
    """
    due = sorted({*restarting} & before.front_ends & after.front_ends)
    to = f" with OpenNebula {version}" if version else ""
    if stops_all:
        yield (
            f"if OpenNebula {version} needs another version of the database: all oneds down for"
            " about 2 minutes, longer with a large database; otherwise one server at a time"
        )
    if secrets and not due:
        yield "if db_password changes: each server restarts, one at a time, the leader last"
    if not due:
        if before.highly_available and after.front_ends - before.front_ends:
            yield (
                "then each follower that does not know the new list of servers restarts, one at a"
                " time; the leader stays"
            )
        return
    if after.highly_available and not before.highly_available:
        # It restarts as the first server of its zone.
        return
    if not before.highly_available:
        yield (f"oned on {_names(due)} restarts{to}, which interrupts OpenNebula for some seconds")
        return
    last = [before.leader] if before.leader in due else []
    first = [name for name in due if name not in last]
    order = ", ".join(first) + (", then " if first and last else "")
    order += f"{before.leader} ({LEADER})" if last else ""
    change = "one change of the leader" if last else "the leader stays"
    if last and not first:
        yield f"oned on {order} restarts{to}: one change of the leader"
    else:
        yield f"rolling restart of {len(due)}{to}: {order}; {change}"


def addresses(removed: Sequence[str], new: Sequence[str], endpoint: str) -> Iterator[str]:
    """Describe removed and new VIPs. ``endpoint``: the zone's new ENDPOINT, if it changes."""
    if removed:
        yield f"VIP {', '.join(removed)} is removed: clients that use it lose OpenNebula"
    if new:
        yield f"VIP {', '.join(new)} comes to the leader"
    if endpoint:
        yield f"the zone's ENDPOINT becomes {endpoint}"


def _size(servers: int, many: str = "", one: str = "") -> str:
    noun = "server" if servers == 1 else "servers"
    verb = f" {one if servers == 1 else many}" if many else ""
    rest = "" if servers > 2 else ": no failure is tolerated"
    return f"{servers} {noun}{verb}, quorum {quorum(servers)}{rest}"


def _names(names: Collection[str]) -> str:
    return _listed(sorted(names))


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _verb(names: Collection[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many
