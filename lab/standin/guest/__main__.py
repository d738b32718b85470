"""Run one of the programs by name: `python -m PACKAGE oned -f`."""

import importlib
import sys

_PROGRAMS = {
    "oned": ("daemon", "main"),
    "onezone": ("onezone", "main"),
    "onedb": ("onedb", "main"),
    "oneuser": ("oneobjects", "oneuser"),
    "onegroup": ("oneobjects", "onegroup"),
    "oneacl": ("oneobjects", "oneacl"),
    "service": ("service", "main"),
}


def main(arguments: list[str]) -> int:
    """Run the program that the first argument names; return its exit status."""
    # Imported on demand: a daemon on a small host loads no command-line tools.
    module, function = _PROGRAMS[arguments[0]]
    run = getattr(importlib.import_module(f".{module}", __package__), function)
    return int(run(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
