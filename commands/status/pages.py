"""What `make docs` writes of status and doctor: the JSON schema, and the table of signs."""

import json
from pathlib import Path

from commands.status.report import Report
from commands.status.signs import SIGNS, Sign

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "status.schema.json"
PAGE = ROOT / "docs" / "status.md"
BEGIN, END = "<!-- make docs: begin -->", "<!-- make docs: end -->"


def schema() -> str:
    """Return the JSON schema of a report."""
    return json.dumps(Report.model_json_schema(mode="serialization"), indent=2) + "\n"


def page(text: str) -> str:
    """Return the page with the table of signs as they are in the code."""
    before, _, rest = text.partition(f"{BEGIN}\n")
    _, _, after = rest.partition(f"{END}\n")
    rows = "\n".join(map(_row, SIGNS))
    table = f"| sign | level | what it means | cause | cure |\n|---|---|---|---|---|\n{rows}"
    return f"{before}{BEGIN}\n\n{table}\n\n{END}\n{after}"


def _row(sign: Sign) -> str:
    lines = [
        _shown(line.replace("{stack}", "…").replace("{host}", "the host")) for line in sign.cure
    ]
    cure = " ".join(lines) or "as it says"
    return f"| `{sign.name}` | {sign.level} | {sign.means} | {sign.cause} | {cure} |"


def _shown(line: str) -> str:
    return f"`{line}`;" if line.startswith(("make ", "systemctl ")) else line


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
