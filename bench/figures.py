"""Measured values and their limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One point of a chart: seconds of the program and of a plain script, both of one run."""

    by: str
    """What grows: the axis of the chart."""
    at: float
    program: float
    plain: float


@dataclass(frozen=True)
class Figure:
    """A measured value and its limit, both of one run."""

    what: str
    measured: float
    required: float
    of: str
    """What the limit is derived from."""
    unit: str = "s"
    points: tuple[Point, ...] = ()
    """Its points in the charts."""

    @property
    def ratio(self) -> float:
        """The measured value as a share of its limit: 1 or less is good."""
        if self.required:
            return self.measured / self.required
        return 1.0 if not self.measured else float("inf")

    @property
    def is_met(self) -> bool:
        """Whether the value is in its limit."""
        return self.measured <= self.required

    def cells(self) -> tuple[str, ...]:
        """The cells of its row in the table."""
        places = 0 if self.unit != "s" else 2 if self.required < 2 else 1
        return (
            self.what,
            f"{self.measured:.{places}f} {self.unit}",
            f"{self.required:.{places}f} {self.unit}",
            f"{self.ratio:.2f}{'' if self.is_met else ' MISSED'}",
            self.of,
        )


HEAD = ("what", "measured", "required", "ratio", "required is")


def table(figures: Iterable[Figure]) -> Iterator[str]:
    """Return a table in Markdown, with aligned columns."""
    rows = [HEAD, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
