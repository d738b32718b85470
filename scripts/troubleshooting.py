"""Write the messages of the program into docs/troubleshooting.md: `make docs`.

They are read from the source: what is assembled when the program runs is shown as ….
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from procedures.script_text import scripts
from procedures.troubleshooting import TOPICS, Topic, topic
from settings.faults import EXPECTED
from settings.forms import WORDS
from settings.model import PROJECT

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"
CONFIG = "Config faults"
PACKAGES = ("hosts", "opennebula", "procedures", "providers", "commands")
REST = "…"
_QUOTED = r'"(?:\\.|[^"\\])*"?|\\.'
"""A quoted part of a word of a shell command."""
STEPS_OF = {
    "convert_database": "convert the database",
    "join": "join the zone",
    "join_server": "join the zone",
    "leave": "leave the zone",
    "repair": "join the zone",
    "signs": "identify the OpenNebula on the host",
    "zone": "bootstrap the zone",
    "zone_preflight": "change oneadmin's password",
}
"""By module, the step of messages that are given theirs by who calls."""


@dataclass(frozen=True)
class Message:
    """What a message says, in the words of the source."""

    step: str
    expected: str
    seen: str
    remedy: str

    @property
    def row(self) -> str:
        """Return a row of a Markdown table."""
        said = f"expected {self.expected}, saw {self.seen}"
        remedy = self.remedy.strip(f"{REST} ") and self.remedy
        return f"| {_cell(said)} | {_cell(remedy or 'see the message')} |"

    @property
    def says_something(self) -> bool:
        """Return whether the source has enough of its words to recognise it."""
        return len(re.findall(r"[a-z]{2,}", f"{self.expected} {self.seen} {self.remedy}", re.I)) > 2


def page(text: str) -> str:
    """Return the page with steps, signs and messages as they are in the code.

    The texts of the page stay. Raises KeyError if a section and a topic do not match.
    """
    rows: dict[str, dict[str, None]] = defaultdict(dict)
    for message in sorted(messages(), key=lambda found: (found.step, found.expected)):
        if message.says_something:
            rows[topic(message.step).title][message.row] = None
    rows[CONFIG] = dict.fromkeys(config_faults())
    topics = {CONFIG: Topic(CONFIG), **{each.title: each for each in TOPICS}}
    parts = [
        _section(part, topics.pop(part.splitlines()[0][4:]), rows)
        if part.startswith("### ")
        else part
        for part in re.split(r"^(?=##+ )", text, flags=re.MULTILINE)
    ]
    if topics:
        raise KeyError(f"no section in {PAGE.name}: {', '.join(topics)}")
    return "".join(parts).rstrip("\n") + "\n"


def _section(text: str, each: Topic, rows: Mapping[str, Iterable[str]]) -> str:
    """Return a section of the page: its own texts, with what is in the code."""
    head, *rest = text.strip().split("\n\n")
    texts = [part for part in rest if not part.startswith(("Steps: ", "[Signs]", "| "))]
    # A script's own name stands for what it does before its first step.
    shown = ", ".join(f"*{step}*" for step in each.steps if step not in _titles())
    signs = ", ".join(f"*{sign.replace('_', ' ')}*" for sign in each.signs)
    columns = "| key | message |" if each.title == CONFIG else "| message | what to do |"
    table = "\n".join([columns, "|---|---|", *rows[each.title]]) if rows[each.title] else ""
    parts = [
        head,
        shown and f"Steps: {shown}",
        signs and f"[Signs](status.md#doctor): {signs}",
        *texts,
        table,
    ]
    return "\n\n".join(filter(None, parts)) + "\n\n"


def messages() -> Iterator[Message]:
    """Yield every message of the program, in no particular order."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield from _Module(file).messages()
    for file in sorted((ROOT / "procedures").rglob("*.sh")):
        if "programs" not in file.parts:
            yield from _of_script(file)


def steps() -> set[str]:
    """Return every step that a message can name: of Python, of scripts, and scripts themselves."""
    found = {message.step for message in messages()} | _titles()
    for file in (ROOT / "procedures").rglob("*.sh"):
        found |= {_words(line)[0] for line in re.findall(r"\bstep (\".*)", file.read_text("utf-8"))}
    return found - {""}


def config_faults() -> list[str]:
    """Return a row for each form of a value, and for each rule between keys."""
    forms = sorted({*WORDS.values(), *EXPECTED.values()} - {"{expected}"})
    rows = [f"| any | expected {_cell(re.sub(r'{.*?}', REST, words))} |" for words in forms]
    for file in sorted((ROOT / "settings").glob("*.py")):
        module = _Module(file)
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "of" and len(call.args) == 2:
                key, said = map(module.text, call.args)
                if said != REST:
                    rows.append(f"| `{PROJECT}:{key}` | {_cell(said)} |")
    return sorted(set(rows))


class _Module:
    """One file: its constants, and those that it imports."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.tree = ast.parse(file.read_text(encoding="utf-8"))
        self._constants: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self._take(node)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name.isupper() or name == "step":
                    self._constants[name] = self.text(node.value)

    def _take(self, node: ast.ImportFrom) -> None:
        folder = ROOT / str(node.module).replace(".", "/")
        for alias in node.names:
            name = alias.asname or alias.name
            if folder.with_suffix(".py").exists() and alias.name.isupper():
                self._constants[name] = _constant(folder.with_suffix(".py"), alias.name)
            elif (folder / f"{alias.name}.py").exists():
                self._constants[f"{name}.STEP"] = _constant(folder / f"{alias.name}.py", "STEP")

    def messages(self) -> Iterator[Message]:
        for call in (node for node in ast.walk(self.tree) if isinstance(node, ast.Call)):
            given = {word.arg: word.value for word in call.keywords}
            step = given.get("step") or (call.args[1] if len(call.args) > 1 else None)
            if ast.unparse(call.func) == "Refusal" and len(call.args) == 3:
                given = dict(zip(("expected", "seen", "remedy"), call.args, strict=True))
                step = None
            if "expected" in given:
                name = self.text(step)
                parts = (self.text(given.get(part)) for part in ("expected", "seen", "remedy"))
                yield Message(STEPS_OF.get(self.file.stem, "") if name == REST else name, *parts)

    def text(self, node: ast.AST | None) -> str:
        """Return a text as the source has it, with … for what is only known at run time."""
        match node:
            case ast.Constant(value=str() | int() as value):
                text = str(value)
            case ast.JoinedStr(values=parts):
                text = "".join(map(self.text, parts))
            case ast.FormattedValue(value=value):
                text = self.text(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                text = self.text(left) + self.text(right)
            case ast.IfExp(body=body, orelse=other):
                either = map(self.text, (body, other))
                text = " / ".join(each for each in either if each.strip(f"{REST} ")) or REST
            case ast.Name() | ast.Attribute():
                text = self._constants.get(ast.unparse(node), REST)
            case _:
                text = REST
        return text


def _constant(file: Path, name: str) -> str:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return str(getattr(node.value, "value", REST))
    return REST


def _of_script(file: Path) -> Iterator[Message]:
    step = file.stem.replace("_", " ") if file.stem in scripts() else ""
    for line in file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if found := re.search(r"\bstep (\".*)", line):
            step = _words(found[1])[0]
        if (found := re.search(r"\brefuse ([\"$].*)", line)) and len(words := _words(found[1])) > 2:
            yield Message(step, *words[:3])


def _words(text: str) -> list[str]:
    """Return the words of the shell command at the beginning, with … for every expansion."""
    # From the inside to the outside: an expansion may have others in it.
    while (plain := re.sub(r"\$\([^()]*(\)|$)|\$\{[^{}]*(\}|$)|\$\w+", REST, text)) != text:
        text = plain
    command = re.sub(rf"((?:{_QUOTED}|[^;|&)])*).*", r"\1", text)
    words = re.findall(rf"(?:{_QUOTED}|[^ ])+", command)
    return [re.sub(f"{REST}+", REST, re.sub(r'\\(.)|"', r"\1", word)) for word in words]


def _titles() -> set[str]:
    return {name.replace("_", " ") for name in scripts()}


def _cell(text: str) -> str:
    """Return the text for a cell of a table: nothing of it is markup."""
    text = re.sub(r"\s+", " ", re.sub(f"{REST}+", REST, text)).strip()
    return re.sub(r"([|*_<>\[\]`\\])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
