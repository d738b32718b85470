"""The part of YAML in the configuration files of OpenNebula's services.

Mappings and lists by indentation, plain and quoted scalars, comments. Ruby's symbols keep their
colon: `:host` is another key than `host`, as it is for the services.
"""

import re
from dataclasses import dataclass
from typing import Any

from .conf import SyntaxFault

_ENTRY = re.compile(r"""("[^"]*"|'[^']*'|:?[^\s:#'"&*!|>\[\]{},-][^:#]*?)\s*:(?:\s+(.*))?$""")
_CODE = re.compile(r"""(?:"[^"]*"|'[^']*'|(?<=\S)#|[^#])*""")
"""A line without its comment, which begins at the start or after a blank."""
_NUMBER = re.compile(r"[-+]?[0-9][0-9_]*")
_WORDS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
    "[]": [],
    "{}": {},
}
_BEYOND = "&*!|>[{%@`"
"""First characters of YAML constructs that are in none of these files."""


@dataclass
class _Line:
    number: int
    indent: int
    text: str


def parse(text: str) -> dict[str, Any]:
    """Parse a file as a mapping. Raises SyntaxFault, which names the line."""
    lines = [
        _Line(number, len(line) - len(line.lstrip(" ")), line.strip(" "))
        for number, line in enumerate(map(_uncommented, text.splitlines()), 1)
        if line.strip() not in ("", "---")
    ]
    if not lines:
        return {}
    found = _block(lines, lines[0].indent)
    if lines:
        raise _fault(lines[0], "its indentation fits nothing above")
    if not isinstance(found, dict):
        raise SyntaxFault("the file is a list, not a mapping")
    return found


def _uncommented(line: str) -> str:
    found = _CODE.match(line)
    return found[0].rstrip() if found else ""


def _block(lines: list[_Line], indent: int) -> Any:
    """Remove the block at that indentation from the lines; return its value."""
    if _is_item(lines[0]):
        return _list(lines, indent)
    found: dict[str, Any] = {}
    while lines and lines[0].indent == indent:
        line = lines.pop(0)
        entry = _ENTRY.match(line.text)
        if not entry:
            raise _fault(line, f"expected KEY: VALUE, found {line.text!r}")
        key = entry[1].strip("'\"")
        found[key] = _value(lines, line, entry[2] or "")
    return found


def _is_item(line: _Line) -> bool:
    return f"{line.text} ".startswith("- ")


def _list(lines: list[_Line], indent: int) -> list[Any]:
    found = []
    while lines and lines[0].indent == indent and _is_item(lines[0]):
        line = lines[0]
        rest = line.text[1:].lstrip()
        if _ENTRY.match(rest):
            # A mapping that begins on the dash's own line.
            lines[0] = _Line(line.number, indent + len(line.text) - len(rest), rest)
            found.append(_block(lines, lines[0].indent))
        else:
            lines.pop(0)
            found.append(_value(lines, line, rest))
    return found


def _value(lines: list[_Line], line: _Line, text: str) -> Any:
    """Return the value of a key or a dash, on its line or below it."""
    if text:
        return _scalar(line, text)
    if lines and lines[0].indent > line.indent:
        return _block(lines, lines[0].indent)
    # A list may have the indentation of its key.
    beside = lines and lines[0].indent == line.indent
    if beside and _is_item(lines[0]) and not _is_item(line):
        return _list(lines, line.indent)
    return None


def _scalar(line: _Line, text: str) -> Any:
    if text[0] in "'\"":
        if len(text) < 2 or text[-1] != text[0]:
            raise _fault(line, f"no end of {text}")
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1].replace('\\"', '"')
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return int(text.replace("_", ""))
    if text[0] in _BEYOND or ": " in text:
        raise _fault(line, f"cannot read {text!r}")
    return text


def _fault(line: _Line, what: str) -> SyntaxFault:
    return SyntaxFault(f"line {line.number}: {what}")
