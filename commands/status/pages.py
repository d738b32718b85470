"""Write what `make docs` generates from status: the JSON schema, and the table of signs."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from commands.status.report import Report
from commands.status.signs.sign import COMMANDS, Sign
from commands.status.signs.table import SIGNS
from procedures.troubleshooting import ANY, topic_of_sign

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "status.schema.json"
PAGE = ROOT / "docs" / "status.md"
BEGIN, END = "<!-- make docs: begin -->\n", "<!-- make docs: end -->\n"


def schema() -> str:
    """Return the JSON schema of a report."""
    return json.dumps(Report.model_json_schema(mode="serialization"), indent=2) + "\n"


def page(text: str) -> str:
    """Return the page with the table of signs as they are in the code."""
    rows = "\n".join(map(_row, SIGNS))
    table = f"| sign | level | what it means | cause | cure |\n|---|---|---|---|---|\n{rows}\n"
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", text)


def _row(sign: Sign) -> str:
    cure = _cure(sign.cure) or "what is printed with it"
    # Of an error it is the section of its step.
    about = topic_of_sign(sign.name)
    page = "troubleshooting.md" + (f"#{about.anchor}" if about is not ANY else "")
    return f"| [`{sign.name}`]({page}) | {sign.level} | {sign.means} | {sign.cause} | {cure} |"


def _cure(lines: Sequence[str]) -> str:
    """Return the lines of a cure in one table cell; consecutive commands as ``one``, ``other``."""
    shown = ""
    for line in lines:
        is_command = line.startswith(COMMANDS)
        text = re.sub(r" STACK=\{stack\}", "", line).replace("{host}", "the host")
        space = ", " if shown.endswith("`") and is_command else " "
        shown += (". " if shown.endswith("`") and not is_command else space) if shown else ""
        shown += f"`{text}`" if is_command else text
    return shown


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
