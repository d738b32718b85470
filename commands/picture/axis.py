"""A time axis that leaves out the time in which nothing happened. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import accumulate, pairwise
from math import ceil, floor

BREAK = 80.0
"""Width of a gap, for its label."""
LEAST = 72.0
"""Width of the shortest part, for the label of its time."""
QUIET = 20.0
"""Seconds without an event from which on they are left out."""
AROUND = 2.0
"""Seconds that are shown before and after events."""
MOST = 6
"""Parts of the axis: as many as have room."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
APART = 80.0
"""Pixels from one label of a time to the next, at the least."""


@dataclass(frozen=True)
class Part:
    """Some time without a gap, and its place."""

    begin: float
    end: float
    left: float
    right: float

    def place(self, at: float) -> float:
        """Return the x of a moment inside."""
        share = (at - self.begin) / (self.end - self.begin)
        return self.left + share * (self.right - self.left)

    def ticks(self) -> Iterator[float]:
        """Yield round times inside, or else the first one."""
        per_second = (self.right - self.left) / (self.end - self.begin)
        step = next((each for each in _STEPS if each * per_second >= APART), _STEPS[-1])
        # A label is centred, and must not reach into a gap's.
        half = APART / 2 / per_second
        first, last = ceil((self.begin + half) / step), floor((self.end - half) / step)
        inside: list[float] = [step * number for number in range(first, last + 1)]
        yield from inside or [(self.begin + self.end) / 2]


class Axis:
    """Places of moments, in seconds since the epoch."""

    def __init__(self, spans: Iterable[tuple[float, float]], left: float, right: float) -> None:
        """``spans``: the times in which something happened; a moment is a span of no length."""
        begins, ends = zip(*sorted((one - AROUND, two + AROUND) for one, two in spans), strict=True)
        ends = tuple(accumulate(ends, max))
        gaps = [(begins[place] - ends[place - 1], place) for place in range(1, len(begins))]
        cuts = sorted(place for gap, place in nlargest(MOST - 1, gaps) if gap > QUIET)
        times = [(begins[one], ends[two - 1]) for one, two in pairwise([0, *cuts, len(begins)])]
        free = right - left - BREAK * len(cuts) - LEAST * len(times)
        total = sum(end - begin for begin, end in times)
        self.parts: list[Part] = []
        for begin, end in times:
            x = self.parts[-1].right + BREAK if self.parts else left
            width = LEAST + free * (end - begin) / total
            self.parts.append(Part(begin, end, x, x + width))

    def place(self, at: float) -> float:
        """Return the x of a moment; of one in a gap the end of the gap."""
        for part in self.parts:
            if at <= part.end:
                return part.place(max(at, part.begin))
        return self.parts[-1].right
