"""The requirements list exactly the packages that the program imports."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (
    *("settings", "commands", "components", "providers", "procedures", "opennebula", "hosts"),
    "opennebula_ha",
)
ELSEWHERE = {"ansible"}
"""Imported only in an environment of its own: that of ``make convert``."""


def imported() -> Iterator[str]:
    """Return the first part of each module that the program imports."""
    for file in (file for folder in (*PROGRAM, "lab") for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def test_each_imported_package_is_listed() -> None:
    named = set(re.findall(r"^[a-z][\w-]*", (ROOT / "requirements.in").read_text(), re.MULTILINE))
    foreign = set(imported()) - sys.stdlib_module_names - {*PROGRAM, "lab"} - ELSEWHERE
    bringers = packages_distributions()
    unnamed = {
        module
        for module in foreign
        if not {name.lower().replace("_", "-") for name in bringers[module]} & named
    }
    assert not unnamed
