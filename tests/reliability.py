"""Write the generated part of docs/reliability.md: the deliberate mistakes, and what finds each.

Run by ``make docs``.
"""

import re
from pathlib import Path

from tests.mutants import MUTANTS, ROOT
from tests.simulation import test_mutants as simulated

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- make docs: begin -->\n", "<!-- make docs: end -->\n"


def table() -> str:
    """Return the mistakes as a table in Markdown."""
    here = Path(simulated.__file__).relative_to(ROOT)
    found = [
        (name, f"the simulator: {one[0]}", str(here)) for name, one in simulated.MUTANTS.items()
    ]
    found += [
        (
            f"a sign of another OpenNebula is ignored: {sign.replace('_', ' ')}",
            "the simulator",
            str(here),
        )
        for sign in simulated.SIGNS
    ]
    found.append(
        (
            "a new server does not get the newest list of servers",
            "the simulator: grow from one",
            str(here),
        )
    )
    found += [(one.what, f"`{one.file}`", one.test) for one in MUTANTS]
    lines = ["| mistake | where | found by |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| {what} | {where} | `{test}` |" for what, where, test in found), ""]
    )


def page(text: str) -> str:
    """Return the page with the table in its place."""
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table()}\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
