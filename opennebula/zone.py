"""A zone: its servers, their Raft state, and what a healthy one looks like."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Protocol

STANDALONE_ID = -1
"""SERVER_ID of a front-end that is no zone server."""


class State(IntEnum):
    """Raft states as ``one.zone.raftstatus`` reports them (upstream include/RaftManager.h)."""

    SOLO = 0
    CANDIDATE = 1
    FOLLOWER = 2
    LEADER = 3


@dataclass(frozen=True)
class ServerEntry:
    """A server in the zone's pool."""

    id: int
    name: str
    """The front-end's, where it is known to be one's: see ``named``."""
    endpoint: str
    grpc: str = field(default="", compare=False)
    """Where it speaks gRPC, from OpenNebula 7.2 on. A follower hands on what the leader alone can
    do by gRPC only where the leader's entry has it."""
    registered: str = field(default="", compare=False)
    """Its NAME in OpenNebula, where it is known to be a front-end's."""


class Place(Protocol):
    """A front-end, and how another program may have registered it."""

    @property
    def name(self) -> str:
        """Its name in the stack."""

    @property
    def address(self) -> str:
        """Its address."""

    @property
    def zone_server(self) -> str | None:
        """The NAME of its entry, where the operator says it."""


@dataclass(frozen=True)
class RaftStatus:
    """What one oned says of itself."""

    server_id: int
    state: State
    term: int
    index: int
    commit: int
    voted_for: int = -1


@dataclass(frozen=True)
class ZoneView:
    """The zone as its endpoints see it: the leader's pool, and each server's own status.

    A server that did not answer has no status.
    """

    pool: tuple[ServerEntry, ...]
    statuses: Mapping[str, RaftStatus]

    def leader(self) -> str | None:
        """The one leader's name; None without a leader, or if two claim the same term.

        A deposed leader that has not noticed yet has a lower term and does not count.
        """
        leaders = [
            (status.term, name)
            for name, status in self.statuses.items()
            if status.state is State.LEADER
        ]
        top = max((term for term, _ in leaders), default=0)
        names = [name for term, name in leaders if term == top]
        return names[0] if len(names) == 1 else None


def endpoint(host: str) -> str:
    """The address of a front-end's XML-RPC API."""
    return f"http://{in_url(host)}:2633/RPC2"


def grpc_endpoint(host: str) -> str:
    """The address of a front-end's gRPC API."""
    return f"{in_url(host)}:2634"


def in_url(host: str) -> str:
    """A name or an address as a URL has it."""
    return f"[{host}]" if ":" in host else host


def host_in(endpoint: str) -> str:
    """The host of an XML-RPC endpoint at oned's own port; nothing of any other endpoint."""
    found = re.fullmatch(r"http://(\[[0-9A-Fa-f:.]+\]|[^/:\[\]]+):2633/RPC2/?", endpoint)
    return found[1].strip("[]").lower() if found else ""


def named(pool: Collection[ServerEntry], front_ends: Iterable[Place]) -> tuple[ServerEntry, ...]:
    """Name each entry after its front-end, however another program registered it.

    An entry belongs to the front-end that the stack names for it, or else to the one whose address
    or name is in its endpoint; a domain does not matter. Any other entry keeps its own name.
    """
    short = Counter(_short(host_in(entry.endpoint)) for entry in pool)
    places = list(front_ends)
    found: dict[int, str] = {}

    def is_said(entry: ServerEntry, place: Place) -> bool:
        return place.zone_server == entry.name

    def leads_there(entry: ServerEntry, place: Place) -> bool:
        return host_in(entry.endpoint) in (place.name, place.address)

    def is_alike(entry: ServerEntry, place: Place) -> bool:
        label = _short(host_in(entry.endpoint))
        return short[label] == 1 and label == _short(place.name)

    for fits in (is_said, leads_there, is_alike):
        for entry in pool:
            for place in places:
                if (
                    entry.id not in found
                    and place.name not in found.values()
                    and host_in(entry.endpoint)
                    and fits(entry, place)
                ):
                    found[entry.id] = place.name
    return tuple(
        replace(entry, name=found[entry.id], registered=entry.name) if entry.id in found else entry
        for entry in pool
    )


def is_address(host: str) -> bool:
    """Whether that is an address and no name."""
    return bool(re.fullmatch(r"[0-9.]+|.*:.*", host))


def _short(host: str) -> str:
    """A name without its domain; an address as it is."""
    return host if is_address(host) else host.partition(".")[0]


def quorum(servers: int) -> int:
    """How many of that many servers must be up: n/2 others plus oneself."""
    return servers // 2 + 1


def following(view: ZoneView) -> set[str]:
    """The servers that take what the leader writes, itself included; empty without a leader."""
    leader = view.leader()
    if leader is None:
        return set()
    term = view.statuses[leader].term
    return {
        entry.name
        for entry in view.pool
        if (status := view.statuses.get(entry.name))
        and status.term == term
        and status.state in (State.FOLLOWER, State.LEADER)
    }


def behind(view: ZoneView, record: int) -> dict[str, int]:
    """The followers that lack that record of the leader, each with the index of its last one."""
    return {
        name: view.statuses[name].index
        for name in sorted(following(view) - {view.leader()})
        if view.statuses[name].index < record
    }


def faults(
    view: ZoneView,
    *,
    without: AbstractSet[str] = frozenset(),
    record: int | None = None,
) -> list[str]:
    """What keeps the zone from being whole; empty where nothing does.

    Whole: exactly one leader, every server of the pool its follower in the same term, each with
    the SERVER_ID of its entry and the leader's index and commit. Servers ``without`` which it is
    taken on are left out of account. While clients write all the time, the leader is ahead at any
    moment: with ``record``, the index of one of its records, to have that one is enough.
    """
    found: list[str] = []
    leader = view.leader()
    if leader is None:
        found.append("there is not exactly one leader")
    for entry in view.pool:
        if entry.name in without:
            continue
        status = view.statuses.get(entry.name)
        if status is None:
            found.append(f"{entry.name} does not answer")
            continue
        if status.server_id != entry.id:
            found.append(
                f"{entry.name} runs with SERVER_ID {status.server_id}, the pool says {entry.id}"
            )
        if leader is None or entry.name == leader:
            continue
        head = view.statuses[leader]
        if status.state is not State.FOLLOWER:
            found.append(f"{entry.name} is {status.state.name.lower()}, not follower")
        if status.term != head.term:
            found.append(f"{entry.name} is in term {status.term}, the leader in {head.term}")
        if record is None:
            behind = (status.index, status.commit) != (head.index, head.commit)
        else:
            behind = min(status.index, status.commit) < record
        if behind:
            found.append(
                f"{entry.name} has index {status.index} and commit {status.commit},"
                f" the leader {head.index} and {head.commit}"
            )
    return found
