"""Set keys of a YAML file, and take that back when they are no longer wanted. Pure.

PyYAML says where each value stands; the text changes there and nowhere else, so that comments and
forms of writing stay. As in ``attributes``, what was there before stands in the file itself, in a
comment above the key. Keys and values of OpenNebula's Ruby parts begin with a colon: what PyYAML
takes for text is a symbol to them, and it writes them as they are.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from opennebula.conf import ConfError
from opennebula.markup import compose, read_yaml

KeyPath = tuple[str, ...]
"""Keys from the top of the file down."""

_NOTE = re.compile(r"^[ \t]*# opennebula-ha (added|changed|removed): (\{.*\})\n", re.MULTILINE)
_AFTER = re.compile(r"(?:\n[ \t]*(?:#[^\n]*)?)*\Z")
"""Comments and empty lines after a value: PyYAML takes them for a part of it."""
_NOTHING = object()


@dataclass(frozen=True)
class _Place:
    """Where a key stands in the text: its line, its column, and what follows its colon."""

    line: int
    column: int
    colon: int
    start: int
    end: int
    node: yaml.Node

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.start < self.end


def apply(text: str, wanted: Mapping[KeyPath, Any]) -> str:
    """The text with those keys as wanted, and all others as they were before any setting.

    A key of which None is wanted is not to be there. The same text where that is so already; else
    one that ends in a newline. Raises ConfError for a text that is no YAML.
    """
    applied = _taken_back(text if text.endswith("\n") or not text else f"{text}\n")
    for path, setting in sorted(wanted.items()):
        applied = _applied(applied, path, setting)
    return applied if differences(text, applied) else text


def differences(before: str, after: str) -> tuple[str, ...]:
    """The keys in which two texts differ, and no value of theirs."""
    one, other = dict(_leaves(_loaded(before))), dict(_leaves(_loaded(after)))
    found = {path for path in {*one, *other} if one.get(path) != other.get(path)}
    if not found:
        found = {path for _, path in _noted_keys(before) ^ _noted_keys(after)}
    return tuple("/".join(path) for path in sorted(found))


def _applied(text: str, path: KeyPath, setting: Any) -> str:
    seen = _at(_loaded(text), path)
    if _same(seen, setting) or (seen is _NOTHING and setting is None):
        return text
    place = _find(text, path)
    if place is not None and setting is None:
        line, end = text[place.line : place.end], text[place.end :]
        beside, newline, after = end.partition("\n")
        gone = {"key": path, "was": line + beside + newline}
        return text[: place.line] + _note("removed", place.column, gone) + after
    if place is not None:
        said = {"key": path, "was": text[place.colon : place.end]}
        written = _written(text, place, setting)
        note = _note("changed", place.column, said)
        return written[: place.line] + note + written[place.line :]
    above = _at(_loaded(text), path[:-1])
    parent = _parent(text, path[:-1])
    if parent is None:
        if len(path) == 1:
            raise ConfError("line 1: expected keys, each on a line of its own")
        below = dict(above) if isinstance(above, Mapping) else {}
        below[path[-1]] = setting
        below = {key: item for key, item in below.items() if item is not None}
        return _applied(text, path[:-1], below)
    at, column = parent
    key = f"{' ' * column}{_key(path[-1])}:{_value(setting, column)}\n"
    return text[:at] + _note("added", column, {"key": path}) + key + text[at:]


def _taken_back(text: str) -> str:
    """The last first: what is put back may be around what the next note is about."""
    while notes := list(_NOTE.finditer(text)):
        note = notes[-1]
        before, after = text[: note.start()], text[note.end() :]
        text = before + after
        path, was = _said(note)
        place = _find(text, path)
        if note[1] == "removed":
            text = before + was + after
        elif place is not None and note[1] == "added":
            text = text[: place.line] + text[place.end :].partition("\n")[2]
        elif place is not None:
            text = text[: place.colon] + was + text[place.end :]
    return text


def _noted_keys(text: str) -> set[tuple[str, KeyPath]]:
    return {(note[1], _said(note)[0]) for note in _NOTE.finditer(text)}


def _said(note: re.Match[str]) -> tuple[KeyPath, str]:
    """The key that a note is about, and what was there; no key if the note was damaged."""
    try:
        said = json.loads(note[2])
        return tuple(said["key"]), str(said.get("was", ""))
    except (ValueError, KeyError, TypeError):
        return (), ""


def _note(verb: str, column: int, said: Mapping[str, Any]) -> str:
    return f"{' ' * column}# opennebula-ha {verb}: {json.dumps(said, ensure_ascii=False)}\n"


def _written(text: str, place: _Place, value: Any) -> str:
    """With that value there; a comment next to a scalar that stays one stays, too."""
    written = _value(value, place.column)
    if place.is_scalar and not written.startswith("\n"):
        return text[: place.start] + written.lstrip() + text[place.end :]
    return text[: place.colon] + written + text[place.end :]


def _value(value: Any, column: int) -> str:
    """What follows a key's colon."""
    if isinstance(value, Mapping | list | tuple) and value:
        block = _dump(value, default_flow_style=False)
        return "\n" + textwrap.indent(block, " " * (column + 2)).rstrip("\n")
    quoted = isinstance(value, str) and "\n" in value
    return " " + _dump(value, default_style='"' if quoted else None).removesuffix("...\n").strip()


def _key(key: str) -> str:
    return _dump(key).removesuffix("...\n").strip()


def _dump(value: Any, **options: Any) -> str:
    return str(yaml.safe_dump(_as_yaml(value), allow_unicode=True, width=10**6, **options))


def _as_yaml(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_yaml(item) for key, item in value.items()}
    return [_as_yaml(item) for item in value] if isinstance(value, list | tuple) else value


def _same(value: Any, other: Any) -> bool:
    return value is not _NOTHING and _canonical(value) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(_as_yaml(value), sort_keys=True, default=str)


def _at(content: Any, path: KeyPath) -> Any:
    for key in path:
        if not isinstance(content, Mapping) or key not in content:
            return _NOTHING
        content = content[key]
    return content


def _leaves(content: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(content, Mapping) and content:
        for key, item in content.items():
            yield from _leaves(item, (*path, str(key)))
    elif path:
        yield path, _canonical(content)


def _loaded(text: str) -> Any:
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise _fault(error) from None


def _root(text: str) -> yaml.Node | None:
    try:
        return compose(text)
    except yaml.YAMLError as error:
        raise _fault(error) from None


def _fault(error: yaml.YAMLError) -> ConfError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return ConfError(f"line {error.problem_mark.line + 1}: {error.problem}")
    return ConfError(str(error) or "no YAML")


def _find(text: str, path: KeyPath) -> _Place | None:
    """Where that key is, if every mapping on the way has its keys on lines of their own."""
    node, place = _root(text), None
    for key in path:
        if not isinstance(node, yaml.MappingNode) or node.flow_style:
            return None
        named = [pair for pair in node.value if pair[0].value == key]
        if not named:
            return None
        # Of several the last one counts.
        place = _place(text, *named[-1])
        node = place.node
    return place


def _place(text: str, name: yaml.Node, node: yaml.Node) -> _Place:
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        end -= len(_after(text[start:end]))
    elif end > start and text[end - 1] == "\n":
        end = start + len(text[start:end].rstrip("\n"))
    return _Place(
        line=name.start_mark.index - name.start_mark.column,
        column=name.start_mark.column,
        colon=text.index(":", name.end_mark.index) + 1,
        start=start,
        end=end,
        node=node,
    )


def _after(text: str) -> str:
    found = _AFTER.search(text)
    return found.group() if found else ""


def _parent(text: str, path: KeyPath) -> tuple[int, int] | None:
    """Where one more key of that mapping goes: the start of a line, and the column."""
    if not path:
        root = _root(text)
        if root is None or (isinstance(root, yaml.MappingNode) and not root.flow_style):
            return len(text), root.start_mark.column if root else 0
        return None
    place = _find(text, path)
    if place is None or not isinstance(place.node, yaml.MappingNode) or place.node.flow_style:
        return None
    newline = text.find("\n", place.end)
    return (len(text) if newline < 0 else newline + 1), place.node.start_mark.column
