"""Set keys of a YAML file, and restore the original values of settings that are removed. Pure.

PyYAML finds the position of each value. Only that part of the text changes, so that comments and
formatting stay. As in ``managed_settings``, a comment above the key has the original value. Keys
and values of OpenNebula's Ruby programs begin with a colon: PyYAML reads and writes these symbols
as text.
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from opennebula.conf_grammar import ConfError
from opennebula.markup import compose, read_yaml
from opennebula.original_value import COMMENT, comment

T = TypeVar("T")
KeyPath = tuple[str, ...]
"""Keys from the top of the file down."""

_AFTER = re.compile(r"(?:\n[ \t]*(?:#[^\n]*)?)*\Z")
"""Comments and empty lines after a value, which PyYAML includes in it."""


@dataclass(frozen=True)
class _Position:
    """The position of a key in the text: its line, its column, and its value after the colon."""

    line: int
    column: int
    colon: int
    start: int
    end: int
    node: yaml.Node


def apply(text: str, wanted: Mapping[KeyPath, Any]) -> str:
    """Return the text with those settings, and the original values of all other keys.

    None removes a key. The text is unchanged if nothing differs; otherwise it ends with a newline.
    Raises ConfError for a text that is not YAML.
    """
    applied = _restored(text if text.endswith("\n") or not text else f"{text}\n")
    for path, setting in sorted(wanted.items()):
        applied = _applied(applied, path, setting)
    return applied if differences(text, applied) else text


def differences(before: str, after: str) -> tuple[str, ...]:
    """Return the keys in which two texts differ, without values."""
    one, other = (dict(_leaves(_parsed(read_yaml, text))) for text in (before, after))
    found = {path for path in {*one, *other} if one.get(path) != other.get(path)}
    if not found:
        found = {path for _, path in _noted_keys(before) ^ _noted_keys(after)}
    return tuple("/".join(path) for path in sorted(found))


def _applied(text: str, path: KeyPath, setting: Any) -> str:
    content = _parsed(read_yaml, text)
    if _canonical(_at(content, path)) == _canonical(setting):
        return text
    position = _find(text, path)
    if position is not None and setting is None:
        ending, newline, after = text[position.end :].partition("\n")
        was = text[position.line : position.end] + ending + newline
        note = comment("removed", {"key": path, "was": was}, position.column)
        return text[: position.line] + note + after
    if position is not None:
        written = _written(text, position, setting)
        was = text[position.colon : position.end]
        note = comment("changed", {"key": path, "was": was}, position.column)
        return written[: position.line] + note + written[position.line :]
    parent = _end_of_mapping(text, path[:-1])
    if parent is None:
        if len(path) == 1:
            raise ConfError("line 1: expected keys, each on a line of its own")
        above = _at(content, path[:-1])
        below = {**(above if isinstance(above, Mapping) else {}), path[-1]: setting}
        below = {key: item for key, item in below.items() if item is not None}
        return _applied(text, path[:-1], below)
    at, column = parent
    key = f"{' ' * column}{_value(path[-1], column).strip()}:{_value(setting, column)}\n"
    return text[:at] + comment("added", {"key": path}, column) + key + text[at:]


def _restored(text: str) -> str:
    """Restore all original values, the last one first: its text may contain other notes' keys."""
    while notes := list(COMMENT.finditer(text)):
        note = notes[-1]
        before, after = text[: note.start()], text[note.end() :]
        text = before + after
        path, was = _read_note(note)
        position = _find(text, path)
        if note["verb"] == "removed":
            text = before + was + after
        elif position is not None and note["verb"] == "added":
            text = text[: position.line] + text[position.end :].partition("\n")[2]
        elif position is not None:
            text = text[: position.colon] + was + text[position.end :]
    return text


def _noted_keys(text: str) -> set[tuple[str, KeyPath]]:
    return {(note["verb"], _read_note(note)[0]) for note in COMMENT.finditer(text)}


def _read_note(note: re.Match[str]) -> tuple[KeyPath, str]:
    """Return the key and the original value of a note; no key if the note is damaged."""
    try:
        content = json.loads(note["content"])
        return tuple(content["key"]), str(content.get("was", ""))
    except (ValueError, KeyError, TypeError):
        return (), ""


def _written(text: str, position: _Position, value: Any) -> str:
    """Return the text with that value. A comment after a scalar stays if the value is a scalar."""
    written = _value(value, position.column)
    is_scalar = isinstance(position.node, yaml.ScalarNode) and position.start < position.end
    if is_scalar and not written.startswith("\n"):
        return text[: position.start] + written.lstrip() + text[position.end :]
    return text[: position.colon] + written + text[position.end :]


def _value(value: Any, column: int) -> str:
    """Return the text after a key's colon."""
    if isinstance(value, Mapping | list | tuple) and value:
        block = _dump(value, default_flow_style=False)
        return "\n" + textwrap.indent(block, " " * (column + 2)).rstrip("\n")
    quoted = isinstance(value, str) and "\n" in value
    return " " + _dump(value, default_style='"' if quoted else None).removesuffix("...\n").strip()


def _dump(value: Any, **options: Any) -> str:
    return str(yaml.safe_dump(_as_yaml(value), allow_unicode=True, width=10**6, **options))


def _as_yaml(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_yaml(item) for key, item in value.items()}
    return [_as_yaml(item) for item in value] if isinstance(value, list | tuple) else value


def _canonical(value: Any) -> str:
    return json.dumps(_as_yaml(value), sort_keys=True, default=str)


def _at(content: Any, path: KeyPath) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _leaves(content: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(content, Mapping) and content:
        for key, item in content.items():
            yield from _leaves(item, (*path, str(key)))
    elif path:
        yield path, _canonical(content)


def _parsed(read: Callable[[str], T], text: str) -> T:
    """Return what that reader of YAML makes of a text. Raises ConfError."""
    try:
        return read(text)
    except yaml.YAMLError as error:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
            raise ConfError(f"line {error.problem_mark.line + 1}: {error.problem}") from None
        raise ConfError(str(error) or "not YAML") from None


def _find(text: str, path: KeyPath) -> _Position | None:
    """Return the position of a key, or of the whole file if ``path`` is empty.

    None without the key, or in a mapping in flow style.
    """
    root = _parsed(compose, text) or yaml.MappingNode("", [])
    position = _Position(line=0, column=0, colon=0, start=0, end=len(text), node=root)
    for key in path:
        named = [pair for pair in _pairs(position.node) or () if pair[0].value == key]
        if not named:
            return None
        # YAML uses the last one of several.
        position = _position(text, *named[-1])
    return position


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]] | None:
    """Return the keys and values of a mapping in block style; None of any other node."""
    is_block = isinstance(node, yaml.MappingNode) and not node.flow_style
    return node.value if is_block else None


def _position(text: str, name: yaml.Node, node: yaml.Node) -> _Position:
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        value = _AFTER.sub("", text[start:end], count=1)
    else:
        value = text[start:end].rstrip("\n")
    return _Position(
        line=name.start_mark.index - name.start_mark.column,
        column=name.start_mark.column,
        colon=text.index(":", name.end_mark.index) + 1,
        start=start,
        end=start + len(value),
        node=node,
    )


def _end_of_mapping(text: str, path: KeyPath) -> tuple[int, int] | None:
    """Return where to insert a key into that mapping: the start of a line, and the column."""
    position = _find(text, path)
    pairs = _pairs(position.node) if position else None
    if position is None or pairs is None:
        return None
    newline = text.find("\n", position.end)
    column = pairs[0][0].start_mark.column if pairs else 0
    return (len(text) if newline < 0 else newline + 1), column
