"""`make status STACK=…`: the state of the zone on one screen. It changes nothing.

The exit status is made for monitoring: 0 healthy, 1 degraded, 2 down, 3 unknown, because the stack
or its config cannot be read.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.live import Live

from commands import stack
from commands.status import prometheus, tables
from commands.status.observe import observe
from commands.status.report import Report

UNKNOWN = 3
"""Exit status where the zone could not be looked at."""
INTERVAL = 2.0
"""Seconds between two looks of --watch, unless it says another number."""


def main(argv: Sequence[str]) -> int:
    """Return the exit status."""
    options = _parser().parse_args(argv)
    return stack.run(lambda target: run(target, options), failed=UNKNOWN)


def run(target: stack.Target, options: argparse.Namespace) -> int:
    """Observe and show, once or again and again."""

    def look() -> Report:
        found = observe(stack.quiet(target), compare=options.data)
        if options.prometheus:
            prometheus.write(options.prometheus, found)
        return found

    if options.watch is None:
        found = look()
        _show(found, options)
        return found.health.exit_status
    return _watch(look, options)


def _show(found: Report, options: argparse.Namespace) -> None:
    if options.json:
        print(found.model_dump_json(indent=None if options.watch is not None else 2), flush=True)
    elif not options.prometheus:
        tables.show(tables.status(found), sys.stdout)


def _watch(look: Callable[[], Report], options: argparse.Namespace) -> int:
    found = None
    try:
        if options.json or options.prometheus or not sys.stdout.isatty():
            while True:
                found = look()
                _show(found, options)
                sys.stdout.flush()
                time.sleep(options.watch)
        with Live(console=tables.console(sys.stdout), screen=True, auto_refresh=False) as live:
            while True:
                found = look()
                live.update(tables.status(found), refresh=True)
                time.sleep(options.watch)
    except KeyboardInterrupt:
        return found.health.exit_status if found else UNKNOWN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make status",
        description="Show the state of a stack's zone. Changes nothing.",
        epilog="Exit status: 0 healthy, 1 degraded, 2 down, 3 unknown.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: docs/status.schema.json")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=INTERVAL,
        metavar="SECONDS",
        help=f"look again and again, every {INTERVAL:.0f} s unless set, until Ctrl-C",
    )
    parser.add_argument(
        "--prometheus",
        type=Path,
        metavar="FILE",
        help="write a textfile for node exporter, and print no table",
    )
    parser.add_argument(
        "--data",
        action="store_true",
        help="also compare every replicated table with the leader's; reads each database in whole",
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if value < 0.5:
        raise argparse.ArgumentTypeError("expected at least 0.5 seconds")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
