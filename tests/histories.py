"""Check what clients of a zone saw: a history of writes to, and reads from, registers.

Each write of a register has a value of its own. So a history is linearizable if its values can be
put in one order: a value comes before another one if it was seen, or its write was acknowledged,
before an operation on the other one began (Gibbons and Korach, "Testing Shared Memories", 1997:
with unique values this decides the same as the search of Wing and Gong). The values then have no
cycle.

Reads through a server that may lag behind are held to less:

- A current read is one that must see the last acknowledged write.
- Another read shows some value that was written before the read ended, and those of one server
  never go back in the order of the writes.
- A write without an answer may happen at any later time, or never. If no current read has seen its
  value, a single server may have shown it without the zone: it is counted, and orders nothing.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal

INITIAL = ""
"""The value of a register before its first write."""


@dataclass(frozen=True)
class Operation:
    """A write or a read of a register, as its client saw it."""

    kind: Literal["write", "read"]
    register: str
    value: str
    invoked: float
    returned: float = math.inf
    """Infinite if there was no answer that tells the outcome."""
    server: str = ""
    """The server that answered a read, if it is known."""
    current: bool = False
    """Whether a read must see the last acknowledged write."""
    refused: bool = False
    """Whether a write was refused without any effect."""

    def __str__(self) -> str:
        """Tell what happened when."""
        outcome = " refused" if self.refused else ""
        at = f" at {self.server}" if self.server else ""
        how = "current " if self.current else ""
        times = f"{self.invoked:.3f}-{self.returned:.3f}"
        return f"{how}{self.kind} of {self.value or 'nothing'}{at} {times}{outcome}"


@dataclass
class _Value:
    """What happened to one value: when it was there, and when it was still the last one."""

    operations: list[Operation] = field(default_factory=list)
    written: float = math.inf
    refused: bool = False
    seen: float = math.inf
    """When the first operation ended that shows that it was written."""
    needed: float = -math.inf
    """When the last operation began that needs it to be the last one."""
    first: dict[str, float] = field(default_factory=dict)
    """When the first read of it ended, by server."""
    last: dict[str, float] = field(default_factory=dict)
    """When the last read of it began, by server."""

    def add(self, operation: Operation) -> None:
        self.operations.append(operation)
        invoked, returned = operation.invoked, operation.returned
        if operation.kind == "write":
            self.written, self.refused = invoked, operation.refused
        if operation.kind == "write" or operation.current:
            self.needed = max(self.needed, invoked)
        if not operation.refused:
            self.seen = min(self.seen, returned)
        if operation.kind == "read" and operation.server:
            server = operation.server
            self.first[server] = min(self.first.get(server, math.inf), returned)
            self.last[server] = max(self.last.get(server, -math.inf), invoked)

    @property
    def is_shared(self) -> bool:
        """Tell whether the zone had it: its write was acknowledged, or a current read saw it."""
        return any(
            one.current or (one.kind == "write" and one.returned < math.inf and not one.refused)
            for one in self.operations
        )

    def precedes(self, other: "_Value") -> bool:
        """Tell whether the other one was, or was read, after this one was there."""
        return self.seen < other.needed or any(
            first < other.last.get(server, -math.inf) for server, first in self.first.items()
        )


def problems(history: Iterable[Operation]) -> list[str]:
    """Return what no sequence of the operations explains; nothing if all is well."""
    found = []
    for register, values in sorted(_registers(history).items()):
        wrong = [one for value in values.values() for one in _impossible(value)]
        found += [f"{register}: {one}" for one in wrong or _cycle(values)]
    return found


def leaders_of_one_term(statuses: Iterable[tuple[int, str]]) -> list[str]:
    """Return the terms with several leaders, given the term and the name of each leader seen."""
    leaders: defaultdict[int, set[str]] = defaultdict(set)
    for term, name in statuses:
        leaders[term].add(name)
    return [
        f"term {term} has the leaders {', '.join(sorted(names))}"
        for term, names in sorted(leaders.items())
        if len(names) > 1
    ]


def unshared(history: Iterable[Operation]) -> list[Operation]:
    """Return the reads that show the value of a write that the zone may not have."""
    return [
        operation
        for values in _registers(history).values()
        for value in values.values()
        if not value.is_shared
        for operation in value.operations
        if operation.kind == "read"
    ]


def lags(history: Iterable[Operation]) -> Mapping[str, list[float]]:
    """Return for how long each old read's value had been replaced when it began, by server."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for values in _registers(history).values():
        shared = [value for value in values.values() if value.is_shared]
        for value in shared:
            replaced = min(
                (one.seen for one in shared if value.seen < one.written), default=math.inf
            )
            for one in value.operations:
                if one.kind == "read" and replaced < one.invoked:
                    found[one.server].append(one.invoked - replaced)
    return found


def _registers(history: Iterable[Operation]) -> Mapping[str, dict[str, _Value]]:
    registers: defaultdict[str, dict[str, _Value]] = defaultdict(dict)
    for one in history:
        values = registers[one.register]
        if not values:
            start = Operation("write", one.register, INITIAL, -math.inf, -math.inf)
            values.setdefault(INITIAL, _Value()).add(start)
        values.setdefault(one.value, _Value()).add(one)
    return registers


def _impossible(value: _Value) -> Iterator[str]:
    for one in value.operations:
        if one.kind == "read" and one.returned < value.written:
            yield f"a value from nowhere: {one}"
        elif one.kind == "read" and value.refused:
            yield f"a refused write took effect: {one}"


def _cycle(values: Mapping[str, _Value]) -> Iterator[str]:
    shared: Collection[_Value] = [value for value in values.values() if value.is_shared]
    graph = {
        id(later): [id(one) for one in shared if one is not later and one.precedes(later)]
        for later in shared
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        named = {id(value): value for value in shared}
        circle = [named[number].operations for number in error.args[1][:-1]]
        said = "; ".join(str(one) for operations in circle for one in operations)
        yield f"no order of the writes explains {said}"
