"""`make status STACK=…`: the state of the zone on one screen. It changes nothing.

The exit status is made for monitoring: 0 healthy, 1 degraded, 2 down, 3 unknown, because the stack
or its config cannot be read.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from rich.live import Live

from commands import stack
from commands.status import prometheus, tables
from commands.status.observe import observe
from commands.status.report import Report

UNKNOWN = 3
"""Exit status if the zone could not be observed."""
INTERVAL = 2.0
"""Default number of seconds between two observations of --watch."""


def main(argv: Sequence[str]) -> int:
    """Return the exit status."""
    options = _parser().parse_args(argv)
    return stack.run(lambda target: run(target, options), failed=UNKNOWN)


def run(target: stack.Target, options: argparse.Namespace) -> int:
    """Observe and show the zone, once or repeatedly."""

    def look() -> Report:
        found = observe(stack.quiet(target), compare=options.data, note=note)
        if options.prometheus:
            prometheus.write(options.prometheus, found)
        return found

    # A note would be written into the screen that is watched.
    note = stack.note if options.watch is None else lambda _: None
    stack.end_at_once()
    return _watch(look, options) if options.watch is not None else _show(look(), options)


def _show(found: Report, options: argparse.Namespace) -> int:
    """Print a report where it is not only written; return the exit status."""
    if options.json:
        print(found.model_dump_json(indent=None if options.watch is not None else 2), flush=True)
    elif not options.prometheus:
        tables.show(tables.status(found), sys.stdout)
        if options.watch is not None:
            print(flush=True)
    return found.health.exit_status


def _watch(look: Callable[[], Report], options: argparse.Namespace) -> NoReturn:
    console = tables.console(sys.stdout)
    live = Live(console=console, screen=True, auto_refresh=False)
    status = UNKNOWN
    is_printed = console.is_dumb_terminal or not console.is_terminal
    on_screen = not (is_printed or options.json or options.prometheus)

    def leave() -> int:
        live.stop()
        return status

    stack.end_at_once(leave)
    if on_screen:
        live.start()
    try:
        while True:
            found = look()
            status = found.health.exit_status
            if on_screen:
                live.update(tables.status(found), refresh=True)
            else:
                _show(found, options)
            time.sleep(options.watch)
    finally:
        live.stop()


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
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"expected seconds from 0.5 to 86400, saw {text}")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
