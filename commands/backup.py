"""`make backup STACK=…`: dump the database now; `make backups`: list what is kept."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from commands import stack
from commands.status import tables
from hosts.errors import printable
from procedures import backup


def main(argv: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make backup",
        description="Dump the database of a stack's zone, with the keys that belong to it.",
    )
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="copy both to this machine")
    parser.add_argument("--list", action="store_true", help="only list what is kept on the hosts")
    options = parser.parse_args(argv)
    return stack.run(
        _list if options.list else lambda target: _back_up(target, options.to),
    )


def _back_up(target: stack.Target, folder: Path | None) -> None:
    host, path = backup.back_up(target.access, target.zone, target.hosts)
    stack.say(f"{host.name} keeps {path}, and its keys")
    if folder is not None:
        copy = backup.fetch(target.access, host, path, folder)
        stack.say(f"copied to {copy}: make restore STACK={stack.name()} FROM={copy}")


def _list(target: stack.Target) -> None:
    target = stack.quiet(target)
    found = backup.kept(target.access, target.zone, target.hosts)
    table = tables.make_table("HOST", "BYTES", "PATH")
    for name, dumps in found.items():
        for dump in dumps:
            table.add_row(name, str(dump.size), printable(dump.path))
    tables.show(table, sys.stdout)
    for name in sorted(target.hosts.keys() - found.keys()):
        stack.say(f"{name} does not answer")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
