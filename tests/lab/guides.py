"""Guides of the documentation as programs: their edits of the stack's file, and their commands."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.operators import SERIES

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "guides"
_BLOCK = re.compile(r'^( *)```(\w+)(?: title="[^"]*")?\n(.*?)^\1```$', re.M | re.S)

_OUTAGE = re.compile(r"no answer for at most (\d+) seconds")


@dataclass(frozen=True)
class NewFile:
    """The whole text of the stack's file."""

    text: str


@dataclass(frozen=True)
class Edit:
    """A change of the stack's file: consecutive lines, before and after it."""

    before: str
    after: str

    def applied_to(self, text: str) -> str:
        """Return the text with the change.

        Raises:
            ValueError: the lines are not in the text exactly once.
        """
        if text.count(self.before) != 1:
            raise ValueError(f"not once in the stack's file:\n{self.before}\n---\n{text}")
        return text.replace(self.before, self.after)


@dataclass(frozen=True)
class Command:
    """A command line, and lines that its output has in this order; numbers may differ."""

    line: str
    shown: tuple[str, ...]

    def misses(self, output: str) -> list[str]:
        """Return the shown lines that the output lacks, in order."""
        there = iter([_plain(line) for line in output.splitlines()])
        return [line for line in self.shown if not any(_plain(line) in other for other in there)]


@dataclass(frozen=True)
class Outage:
    """How long clients have no answer at most, in seconds, during the commands that follow."""

    seconds: float


Step = NewFile | Edit | Command | Outage


def steps(name: str) -> list[Step]:
    """Return the steps of a guide in order, for the version of OpenNebula under test."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    text = text.replace('one_version: "7.2"', f'one_version: "{SERIES}"')
    return [step for kind, body in _blocks(text) for step in _steps(kind, body)]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for found in _BLOCK.finditer(text):
        yield "text", text[end : found.start()]
        end = found.end()
        yield (
            found[2],
            textwrap.indent(found[3], "").replace(f"\n{found[1]}", "\n").removeprefix(found[1]),
        )


def _steps(kind: str, body: str) -> Iterator[Step]:
    if kind == "text":
        for found in _OUTAGE.finditer(" ".join(body.split())):
            yield Outage(float(found[1]))
    elif kind == "yaml":
        yield NewFile(body)
    elif kind == "diff":
        lines = body.splitlines(keepends=True)
        yield Edit(
            "".join(line[1:] for line in lines if line[0] in " -"),
            "".join(line[1:] for line in lines if line[0] in " +"),
        )
    elif kind == "console":
        for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
            line, *shown = part.splitlines()
            yield Command(line, tuple(shown))
    else:
        raise ValueError(f"a block of {kind}: expected yaml, diff or console")


def _plain(line: str) -> str:
    """Replace each number in the line by 0, and each run of blanks by one."""
    return " ".join(re.sub(r"\d+", "0", line).split())
