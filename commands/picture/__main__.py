"""`make picture STACK=…`: the zone and what happened in it, as pictures. It changes nothing.

The same observation as of `make status`, and the lines of `make logs`, in one HTML file.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from commands import files, stack
from commands.logs import add_since, merge
from commands.picture.page import page
from commands.picture.timeline import Story
from commands.status.observe import observe
from commands.times import Operation, operations
from hosts.errors import HostError
from procedures.facts.oned_log import fetch

SINCE = "1h"
AROUND = timedelta(seconds=5)
"""Time that is shown before a run."""


def main(argv: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make picture",
        description="Draw a stack's zone, and what happened in it, in one HTML file."
        " Changes nothing.",
    )
    add_since(parser, SINCE)
    parser.add_argument(
        "--times",
        type=times,
        metavar="FILE",
        help="show the time of this run, and its steps: what `make up TIMES=FILE` wrote",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the file to write (default: the stack's name)"
    )
    options = parser.parse_args(argv)
    return stack.run(lambda target: run(stack.quiet(target), options))


def run(target: stack.Target, options: argparse.Namespace) -> int:
    """Observe, draw, write."""
    stack.end_at_once()
    done: list[Operation] = options.times or []
    begin = datetime.fromtimestamp(done[0].begin, UTC) - AROUND if done else options.since
    report = observe(target)
    found = fetch(target.access, target.hosts, begin, everything=False)
    story = Story(
        report,
        merge({name: log for name, log in found.items() if not isinstance(log, HostError)}),
        {name: log.seen for name, log in found.items() if isinstance(log, HostError)},
        begin,
        done,
    )
    out: Path = options.out or Path(f"{report.stack}.html")
    try:
        files.write(out, page(story))
    except OSError as error:
        print(f"error: {out} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    stack.say(f"{out.resolve()}: {report.health}; open it in a browser")
    return 0


def times(name: str) -> list[Operation]:
    """Return the run that a file of times has."""
    try:
        with Path(name).open(encoding="utf-8") as source:
            found = operations(source)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise argparse.ArgumentTypeError(
            f"expected the file that `make up TIMES=FILE` wrote, saw {error}"
        ) from None
    if not found:
        raise argparse.ArgumentTypeError(f"expected a complete step in {name}, saw none")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
