"""`make up TIMES=1`: show which steps of a run took how long."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHORTEST = 0.1
"""Seconds: shorter steps are left out."""
WIDTH = 30
"""Characters of the drawing for the duration of the run."""


@dataclass(frozen=True)
class Span:
    """A time span: start and end in seconds since the epoch."""

    what: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """Return the duration."""
        return self.end - self.begin


@dataclass(frozen=True)
class Operation(Span):
    """A resource's create, read, update or delete, with the steps that it reported."""

    steps: tuple[Span, ...] = ()


def operations(lines: Iterable[str]) -> list[Operation]:
    """Return the finished operations of a run, by their start."""
    running: dict[str, list[tuple[float, str]]] = {}
    found: list[Operation] = []
    for line in lines:
        entry = json.loads(line)
        resource, at, what = entry["resource"], float(entry["at"]), entry["what"]
        if entry["kind"] == "begin":
            running[resource] = [(at, f"{resource} {what}")]
        elif entry["kind"] == "end":
            (begin, title), *steps = running.pop(resource)
            found.append(Operation(title, begin, at, tuple(_spans(steps, at))))
        elif resource in running:
            running[resource].append((at, what))
    return sorted(found, key=lambda span: span.begin)


def _spans(steps: Sequence[tuple[float, str]], end: float) -> Iterator[Span]:
    # Hosts work in parallel: a step ends when the next one of the same host begins.
    for number, (begin, what) in enumerate(steps):
        later = (at for at, other in steps[number + 1 :] if _host(other) in (_host(what), ""))
        yield Span(what, begin, next(later, end))


def table(found: list[Operation]) -> Iterator[str]:
    """Yield a table of the operations and their steps, with seconds and a drawing."""
    if not found:
        return
    begin, end = found[0].begin, max(outer.end for outer in found)
    yield f"{'seconds':>7}  {'when':<{WIDTH}}  what"
    for outer in found:
        for indent, span in ((0, outer), *((1, step) for step in outer.steps)):
            if span.seconds >= SHORTEST:
                drawn = _bar(span, begin, end)
                yield f"{span.seconds:>7.1f}  {drawn:<{WIDTH}}  {'  ' * indent}{span.what}"
    yield f"{end - begin:>7.1f}  {'-' * WIDTH}  from the first to the last"


def _bar(span: Span, begin: float, end: float) -> str:
    scale = WIDTH / max(end - begin, SHORTEST)
    before = min(int((span.begin - begin) * scale), WIDTH - 1)
    return " " * before + "=" * max(1, round(span.seconds * scale))


def _host(what: str) -> str:
    name, colon, _ = what.partition(": ")
    return name if colon and " " not in name else ""


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as source:
        print("\n".join(table(operations(source))))
