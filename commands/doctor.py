"""`make doctor STACK=…`: explain each abnormal state of the zone, and how to cure it.

It changes nothing. The same observation as of `make status`, and in addition a comparison of the
data: equal indexes do not prove equal data. The exit status is the same, too.
"""

import argparse
import sys
from collections.abc import Sequence

from commands import stack
from commands.status import tables
from commands.status.__main__ import UNKNOWN
from commands.status.observe import observe


def main(argv: Sequence[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make doctor",
        description="Explain each abnormal state of a stack's zone, and how to cure it."
        " Changes nothing.",
        epilog="Exit status: 0 healthy, 1 degraded, 2 down, 3 unknown.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: docs/status.schema.json")
    parser.add_argument(
        "--no-data",
        action="store_true",
        help="do not compare the data, for which each database is read in whole",
    )
    options = parser.parse_args(argv)

    def diagnose(target: stack.Target) -> int:
        stack.end_at_once()
        found = observe(stack.quiet(target), compare=not options.no_data)
        if options.json:
            print(found.model_dump_json(indent=2))
        else:
            tables.show(tables.diagnosis(found), sys.stdout)
        return found.health.exit_status

    return stack.run(diagnose, failed=UNKNOWN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
