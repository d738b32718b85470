"""`make logs STACK=…`: the logs of all front-ends' oneds, merged by time. It changes nothing.

Elections and errors alone, unless --all is set. A front-end that cannot be reached is named on
standard error; the exit status is then 1.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TextIO

from rich.console import Console
from rich.text import Text

from commands import stack
from commands.status.tables import console
from hosts.errors import HostError, printable
from opennebula.oned_log import LogLine
from procedures.facts.oned_log import MOST, fetch
from procedures.troubleshooting import explained

SINCE = "24h"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
STYLES = {"E": "red", "W": "yellow"}


def merge(logs: Mapping[str, Iterable[LogLine]]) -> list[tuple[str, LogLine]]:
    """Return the lines of all by time; those of one second stay in the order of their own log."""
    rows = [(name, line) for name, lines in sorted(logs.items()) for line in lines]
    return sorted(rows, key=lambda row: row[1].at)


def show(rows: Iterable[tuple[str, LogLine]], out: Console) -> None:
    """Print each line with its time in UTC and its front-end."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    for name, line in rows:
        head = f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} {name:<{width}} "
        text = printable(line.text).replace("\n", f"\n{' ' * len(head)}")
        out.print(
            Text.assemble(head, (f"[{line.module}][{line.level}] {text}", style(line))),
            soft_wrap=True,
        )


def style(line: LogLine) -> str:
    """Return the colour of errors, warnings and the start of a leader's term."""
    if "is now the leader" in line.text or "Becoming leader" in line.text:
        return "bold green"
    return STYLES.get(line.level, "")


def moment(text: str, now: datetime) -> datetime:
    """Return the time that ``--since`` names. Raises ValueError."""
    if span := re.fullmatch(r"(\d{1,9}) ?([smhd])", text, re.ASCII):
        try:
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        except OverflowError:
            raise ValueError("before the calendar begins") from None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def run(target: stack.Target, options: argparse.Namespace, out: TextIO) -> int:
    """Fetch, merge and show the logs."""
    stack.end_at_once()
    found = fetch(stack.quiet(target).access, target.hosts, options.since, everything=options.all)
    logs = {name: lines for name, lines in found.items() if not isinstance(lines, HostError)}
    rows = merge(logs)
    show(rows, console(out))
    if not rows and logs:
        since = f"{options.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        print(
            f"no line since {since} on {', '.join(sorted(logs))}"
            if options.all
            else f"no election and no error since {since} on {', '.join(sorted(logs))}; --all shows"
            " every line",
            file=sys.stderr,
        )
    for name, lines in sorted(logs.items()):
        if len(lines) >= MOST:
            print(f"{name}: only the last {MOST} lines; name a later --since", file=sys.stderr)
    failed = [error for error in found.values() if isinstance(error, HostError)]
    for error in failed:
        print(f"error: {explained(error)}", file=sys.stderr)
    return int(bool(failed))


def main(argv: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make logs", description="Show the logs of a stack's oneds, merged by time (UTC)."
    )
    add_since(parser, SINCE)
    parser.add_argument(
        "--all", action="store_true", help="every line, not only elections and errors"
    )
    options = parser.parse_args(argv)
    return stack.run(lambda target: run(target, options, sys.stdout))


def add_since(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the option ``--since``, a time."""
    parser.add_argument(
        "--since",
        type=_since,
        default=default,
        metavar="TIME",
        help=f"30m, 2h, 1d, or a time in UTC such as 2026-11-29T10:00 (default: {default})",
    )


def _since(text: str) -> datetime:
    try:
        return moment(text, datetime.now(UTC))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected 30m, 2h, 1d or a time such as 2026-11-29T10:00, saw {text}"
        ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
