"""`make bench`: the program's times and their limits, measured in one run."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import bulk, cold, living, start
from bench.chart import chart
from bench.figures import Figure, table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
CHART = PAGE.with_name("pictures") / "growth.svg"
BEGIN, END = "<!-- make bench: begin -->\n", "<!-- make bench: end -->\n"

PARTS: dict[str, Callable[[int], Iterator[Figure]]] = {
    "start": lambda _: start.figures(),
    "cold": cold.figures,
    "living": lambda _: living.figures(),
    "one-to-three": lambda _: living.from_one_to_three(),
    "bulk": bulk.figures,
}


def main(arguments: list[str]) -> int:
    """Measure and print. Return the exit status: 1 if a value is over its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often what begins blank is done")
    parser.add_argument(
        "--write", action="store_true", help=f"put the table into {PAGE.name}, and the chart"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="leave what was measured there")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all unless named")
    options = parser.parse_args(arguments)
    # An operator's Python caches compiled modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: list[Figure] = []
    for part in options.parts or PARTS:
        for figure in PARTS[part](options.rounds):
            print(f"bench: {' | '.join(figure.cells())}", flush=True)
            found.append(figure)
    text = "\n".join(table(found))
    print(f"\n{text}")
    if options.json:
        measured = {figure.what: figure.measured for figure in found}
        options.json.write_text(json.dumps(measured), encoding="utf-8")
    if options.write:
        write(text)
        CHART.write_text(chart(point for figure in found for point in figure.points), "utf-8")
    return int(not all(figure.is_met for figure in found))


def write(text: str) -> None:
    """Write the table into the documents, with the machine on which it was measured."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    machine = (
        f"On {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({processor()}),"
        f" Python {platform.python_version()}.\n"
    )
    PAGE.write_text(f"{before}{BEGIN}\n{machine}\n{text}\n\n{END}{after}", encoding="utf-8")


def processor() -> str:
    """Return the name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
