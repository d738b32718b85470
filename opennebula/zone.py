"""A zone: its servers, their Raft states, and the faults of an unhealthy one."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Protocol

STANDALONE_ID = -1
"""SERVER_ID of a front-end that is not a zone server."""


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
    """Name of its front-end, if that is known (see ``named``), otherwise its NAME."""
    endpoint: str
    grpc: str = field(default="", compare=False)
    """ENDPOINT_GRPC, from OpenNebula 7.2 on. A follower passes a gRPC call on to the leader only if
    the leader's entry has it."""
    registered: str = field(default="", compare=False)
    """Its NAME in OpenNebula, if ``name`` is the name of its front-end."""


class NamedFrontEnd(Protocol):
    """A front-end, and the server that another program may have registered for it."""

    @property
    def name(self) -> str:
        """Name in the stack."""

    @property
    def address(self) -> str:
        """Address in the stack."""

    @property
    def zone_server(self) -> str | None:
        """NAME of its entry, if the operator sets it."""


@dataclass(frozen=True)
class RaftStatus:
    """The Raft status of one oned."""

    server_id: int
    state: State
    term: int
    index: int
    commit: int
    voted_for: int = -1


@dataclass(frozen=True)
class ZoneView:
    """The leader's pool, and the status of each server that answered."""

    pool: tuple[ServerEntry, ...]
    statuses: Mapping[str, RaftStatus]

    def entry(self, name: str) -> ServerEntry | None:
        """Return the pool's entry of that name, or None."""
        return next((entry for entry in self.pool if entry.name == name), None)

    def silent(self) -> set[str]:
        """Return the names of the pool's servers that did not answer."""
        return {entry.name for entry in self.pool} - self.statuses.keys()

    def misnumbered(self) -> set[str]:
        """Return the names of the servers that run with another SERVER_ID than in the pool."""
        return {
            entry.name
            for entry in self.pool
            if (status := self.statuses.get(entry.name)) and status.server_id != entry.id
        }

    def up(self) -> set[str]:
        """Return the names of the servers that are leader or follower."""
        return {
            name
            for name, status in self.statuses.items()
            if status.state in (State.FOLLOWER, State.LEADER)
        }

    def leader(self) -> str | None:
        """Return the leader's name; None without a leader, or if two have the same term.

        A deposed leader that has not noticed it has a lower term, and does not count.
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
    """Return the URL of a front-end's XML-RPC API."""
    return f"http://{in_url(host)}:2633/RPC2"


def grpc_endpoint(host: str) -> str:
    """Return the address of a front-end's gRPC API."""
    return f"{in_url(host)}:2634"


def in_url(host: str) -> str:
    """Return a name or an address in the form for URLs."""
    return f"[{host}]" if ":" in host else host


def host_in(endpoint: str) -> str:
    """Return the host of an XML-RPC endpoint at oned's port; empty for any other endpoint."""
    found = re.fullmatch(r"http://(\[[0-9A-Fa-f:.]+\]|[^/:\[\]]+):2633/RPC2/?", endpoint)
    return found[1].strip("[]").lower() if found else ""


def named(
    pool: Collection[ServerEntry], front_ends: Iterable[NamedFrontEnd]
) -> tuple[ServerEntry, ...]:
    """Return the entries under the names of their front-ends, however they were registered.

    An entry belongs to the front-end with its NAME as ``zone_server``, otherwise to the one whose
    name or address is in its endpoint, with or without a domain. Other entries keep their names.
    """
    short = Counter(_short(host_in(entry.endpoint)) for entry in pool)
    candidates = list(front_ends)
    names: dict[int, str] = {}

    def by_name(entry: ServerEntry, front_end: NamedFrontEnd) -> bool:
        return front_end.zone_server == entry.name

    def by_endpoint(entry: ServerEntry, front_end: NamedFrontEnd) -> bool:
        return host_in(entry.endpoint) in (front_end.name, front_end.address)

    def by_short_name(entry: ServerEntry, front_end: NamedFrontEnd) -> bool:
        label = _short(host_in(entry.endpoint))
        return short[label] == 1 and label == _short(front_end.name)

    for matches in (by_name, by_endpoint, by_short_name):
        for entry in pool:
            for front_end in candidates:
                if (
                    entry.id not in names
                    and front_end.name not in names.values()
                    and host_in(entry.endpoint)
                    and matches(entry, front_end)
                ):
                    names[entry.id] = front_end.name
    return tuple(
        replace(entry, name=names[entry.id], registered=entry.name) if entry.id in names else entry
        for entry in pool
    )


def is_address(host: str) -> bool:
    """Return whether that is an address, not a name."""
    return bool(re.fullmatch(r"[0-9.]+|.*:.*", host))


def _short(host: str) -> str:
    """Return a name without its domain; an address unchanged."""
    return host if is_address(host) else host.partition(".")[0]


def quorum(servers: int) -> int:
    """Return the majority of that many servers."""
    return servers // 2 + 1


def following(view: ZoneView) -> set[str]:
    """Return the servers in the leader's term, itself included; empty without a leader."""
    leader = view.leader()
    if leader is None:
        return set()
    term = view.statuses[leader].term
    up = view.up()
    return {
        entry.name
        for entry in view.pool
        if entry.name in up and view.statuses[entry.name].term == term
    }


def behind(view: ZoneView, record: int | None = None) -> dict[str, int]:
    """Return the servers that lack a record of the leader, each with the index of its last one.

    ``record``: the index of that record, instead of the leader's last one. Empty without a leader.
    """
    leader = view.leader()
    if leader is None:
        return {}
    wanted = view.statuses[leader].index if record is None else record
    return {n: status.index for n, status in sorted(view.statuses.items()) if status.index < wanted}


def faults(
    view: ZoneView,
    *,
    without: AbstractSet[str] = frozenset(),
    record: int | None = None,
) -> list[str]:
    """Return what is wrong with the zone; empty if it is healthy.

    A healthy zone has exactly one leader, and all other servers of the pool are its followers in
    the same term, each with the SERVER_ID of its entry and the leader's index and commit. Servers
    in ``without`` are ignored. While clients write, the leader is always ahead: with ``record``,
    the index of one of its records, it is enough that the others have that record.
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
