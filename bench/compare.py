"""`make bench-compare BASE=REV`: compare this version with another one, in turn, in one run.

A line is slower if its median exceeds the other's by more than the rounds of either version differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median

from bench.zones import say

ROOT = Path(__file__).resolve().parents[1]
LEAST_NOISE = 0.05
"""A lower limit: rounds may agree by chance."""


@dataclass(frozen=True)
class Line:
    """One line of the table, as both versions measured it in each round."""

    what: str
    base: tuple[float, ...]
    this: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The ratio of the medians."""
        if not median(self.base):
            return inf if median(self.this) else 1.0
        return median(self.this) / median(self.base)

    @property
    def noise(self) -> float:
        """The largest difference between rounds of one version, as a share of their median."""
        spreads = [
            (max(side) - min(side)) / median(side)
            for side in (self.base, self.this)
            if median(side)
        ]
        return max([LEAST_NOISE, *spreads])

    @property
    def is_slower(self) -> bool:
        """Whether this version is slower by more than the noise."""
        return self.ratio > 1 + self.noise

    def __str__(self) -> str:
        return (
            f"{self.what:<52}{median(self.base):>8.1f}{median(self.this):>8.1f}"
            f"{self.ratio:>7.2f}{1 + self.noise:>8.2f}{'  SLOWER' if self.is_slower else ''}"
        )


def lines(base: Sequence[Mapping[str, float]], this: Sequence[Mapping[str, float]]) -> list[Line]:
    """Return the lines that both versions measure, in the order of this one."""
    return [
        Line(
            what, tuple(figures[what] for figures in base), tuple(figures[what] for figures in this)
        )
        for what in this[0]
        if all(what in figures for figures in (*base, *this))
    ]


def main(arguments: list[str]) -> int:
    """Measure and print. Return the exit status: 1 if this version is slower."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("base", metavar="REV", help="the version to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("parts", nargs="*", help="as in `make bench`; all unless named")
    options = parser.parse_args(arguments)
    base: list[dict[str, float]] = []
    this: list[dict[str, float]] = []
    with checkout(options.base) as other:
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}: {options.base}")
            base.append(measured(other, options.parts))
            say(f"round {number + 1} of {options.rounds}: this version")
            this.append(measured(ROOT, options.parts))
    found = lines(base, this)
    print(f"{'':<52}{'base':>8}{'this':>8}{'ratio':>7}{'allowed':>8}")
    print("\n".join(map(str, found)))
    return int(any(line.is_slower for line in found))


def measured(tree: Path, parts: Sequence[str]) -> dict[str, float]:
    """Return what a version's `make bench` measures."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        argv = [".venv/bin/python", "-m", "bench", "--json", file.name, *parts]
        # Its exit status says whether all values are in their limits, which does not matter here.
        subprocess.run(argv, cwd=tree, check=False)
        found: dict[str, float] = json.loads(Path(file.name).read_text(encoding="utf-8"))
    return found


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Check out that version in its own folder, and set it up."""
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            subprocess.run(["scripts/setup", "lab"], cwd=tree, check=True)
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
