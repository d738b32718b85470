"""Draw the structure of the program in CONTRIBUTING.md, from its imports: `make docs`.

The picture is a Mermaid graph, which code hosts show as a drawing.
"""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- make docs: begin -->\n", "<!-- make docs: end -->\n"
PROGRAM = "__main__"

PURPOSES = {
    PROGRAM: "the program",
    "opennebula_ha": "what programs of your own import",
    "settings": "the config, validated, as specs",
    "commands": "commands by hand, such as make switchover",
    "components": "the graph of resources",
    "providers": "one kind of resource a file",
    "procedures": "observe, plan, act, verify",
    "opennebula": "OpenNebula's rules: oned.conf, Raft, plans, API",
    "hosts": "one host over SSH",
}
"""The packages of the program, in the order of the picture."""


def imports() -> dict[str, set[str]]:
    """Return the packages that each package imports."""
    found: dict[str, set[str]] = {name: set() for name in PURPOSES}
    for name in PURPOSES:
        for file in [ROOT / f"{name}.py", *(ROOT / name).rglob("*.py")]:
            if file.exists():
                found[name] |= _imported(file) & (PURPOSES.keys() - {name})
    return found


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return a graph without cycles without the arrows that follow from others."""
    return {
        name: {to for to in targets if not any(_leads(graph, via, to) for via in targets - {to})}
        for name, targets in graph.items()
    }


def drawing() -> str:
    """Return the picture as Markdown."""
    lines = ["```mermaid", "graph TD"]
    lines += [f'    {_id(name)}["<b>{name}</b><br>{PURPOSES[name]}"]' for name in PURPOSES]
    for name, targets in reduced(imports()).items():
        lines += [f"    {_id(name)} --> {_id(to)}" for to in sorted(targets)]
    return "\n".join([*lines, "```", ""])


def phases() -> str:
    """Return a table of the folders of procedures, with the docstring of each, as Markdown."""
    lines = ["| folder | what is in it |", "|---|---|"]
    for file in sorted((ROOT / "procedures").glob("*/__init__.py")):
        what = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        lines.append(f"| `procedures/{file.parent.name}/` | {what.splitlines()[0]} |")
    return "\n".join([*lines, ""])


def page(text: str) -> str:
    """Return the page with the picture and the table in their place."""
    drawn = f"{BEGIN}\n{drawing()}\n{phases()}\n{END}"
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: drawn, text)


def _imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _leads(graph: Mapping[str, set[str]], name: str, to: str) -> bool:
    return to in graph[name] or any(_leads(graph, via, to) for via in graph[name])


def _id(name: str) -> str:
    return name.strip("_")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
