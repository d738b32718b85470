"""Edit oned.conf and monitord.conf without losing a comment.

The grammar is that of OpenNebula's template parser (upstream src/parsers/template_parser.l):
``NAME = value``, ``NAME = "quoted"`` or a vector ``NAME = [ KEY = value, ... ]`` over any number
of lines, with ``#`` comments between the parts. Names may repeat (``VM_MAD``).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Scalar = str | int | bool
Vector = Mapping[str, Scalar]

_NAME = re.compile(r"[A-Za-z0-9_]+")
_NUMBER = re.compile(r"-?\d+")


class ConfError(ValueError):
    """A configuration file that does not follow the grammar."""


@dataclass(frozen=True)
class _Value:
    """Where a value stands in the text: ``text[start:end]``, quotes included."""

    start: int
    end: int


@dataclass(frozen=True)
class _Pair:
    name: str
    value: _Value


@dataclass(frozen=True)
class _Attribute:
    name: str
    start: int
    end: int
    value: _Value | None
    pairs: tuple[_Pair, ...] = ()


def read(text: str, name: str) -> str | dict[str, str] | None:
    """The last attribute of that name: its value, a vector as a dict, or None where it is not set.

    OpenNebula takes the last of several single attributes.
    Raises ConfError where the text does not follow the grammar.
    """
    found = [attribute for attribute in _attributes(text) if attribute.name == name.upper()]
    if not found:
        return None
    last = found[-1]
    if last.value is not None:
        return _plain(text, last.value)
    return {pair.name: _plain(text, pair.value) for pair in last.pairs}


def write(text: str, name: str, value: Scalar | Vector) -> str:
    """The text with that attribute set; every other character stays as it was.

    Of a vector only the given keys change. Raises ConfError for a text outside the grammar.
    """
    name = name.upper()
    found = [attribute for attribute in _attributes(text) if attribute.name == name]
    if isinstance(value, Mapping):
        if found and found[-1].value is None:
            return _merge(text, found[-1], value)
        body = ",\n".join(f"    {key.upper()} = {_format(item)}" for key, item in value.items())
        written = f"{name} = [\n{body}\n]"
    else:
        current = found[-1].value if found else None
        if current is not None:
            if _plain(text, current) == _bare(value):
                return text
            return text[: current.start] + _format(value) + text[current.end :]
        written = f"{name} = {_format(value)}"
    if found:
        return text[: found[-1].start] + written + text[found[-1].end :]
    separator = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{separator}{written}\n"


def remove(text: str, name: str) -> str:
    """The text without any attribute of that name."""
    for attribute in reversed(list(_attributes(text))):
        if attribute.name == name.upper():
            end = attribute.end
            while end < len(text) and text[end] in " \t":
                end += 1
            end += text.startswith("\n", end)
            text = text[: attribute.start] + text[end:]
    return text


def _merge(text: str, attribute: _Attribute, vector: Vector) -> str:
    last_of = {pair.name: pair.value for pair in attribute.pairs}
    edits: list[tuple[int, int, str]] = []
    added: list[str] = []
    for key, item in vector.items():
        place = last_of.get(key.upper())
        if place is None:
            added.append(f"{key.upper()} = {_format(item)}")
        elif _plain(text, place) != _bare(item):
            edits.append((place.start, place.end, _format(item)))
    if added:
        if attribute.pairs:
            at = attribute.pairs[-1].value.end
            edits.append((at, at, "".join(f",\n    {line}" for line in added)))
        else:
            at = attribute.end - 1
            edits.append((at, at, ",\n    ".join(added) + " "))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _bare(value: Scalar) -> str:
    if isinstance(value, bool):
        return "YES" if value else "NO"
    return str(value)


def _format(value: Scalar) -> str:
    bare = _bare(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return bare
    escaped = bare.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(text: str, value: _Value) -> str:
    raw = text[value.start : value.end]
    if raw.startswith('"'):
        return re.sub(r"\\(.)", r"\1", raw[1:-1], flags=re.DOTALL)
    return raw


def _attributes(text: str) -> Iterator[_Attribute]:
    at = 0
    while (at := _skip(text, at)) < len(text):
        name, start = _name(text, at), at
        at = _equals(text, at + len(name))
        if text.startswith("[", at):
            pairs, at = _pairs(text, at + 1)
            yield _Attribute(name.upper(), start, at, None, pairs)
        else:
            value = _value(text, at, "#\n")
            at = value.end
            yield _Attribute(name.upper(), start, at, value)


def _pairs(text: str, at: int) -> tuple[tuple[_Pair, ...], int]:
    pairs: list[_Pair] = []
    while True:
        at = _skip(text, at, ",")
        if at >= len(text):
            raise ConfError("a vector is not closed with ]")
        if text[at] == "]":
            return tuple(pairs), at + 1
        name = _name(text, at)
        value = _value(text, _equals(text, at + len(name)), ",]#\n")
        pairs.append(_Pair(name.upper(), value))
        at = value.end


def _skip(text: str, at: int, also: str = "") -> int:
    while at < len(text):
        if text[at] == "#":
            newline = text.find("\n", at)
            at = len(text) if newline < 0 else newline
        elif text[at].isspace() or text[at] in also:
            at += 1
        else:
            break
    return at


def _name(text: str, at: int) -> str:
    found = _NAME.match(text, at)
    if not found:
        line = text.count("\n", 0, at) + 1
        raise ConfError(f"line {line}: expected an attribute's name, saw {text[at : at + 20]!r}")
    return found.group()


def _equals(text: str, at: int) -> int:
    found = re.compile(r"[ \t]*=[ \t]*").match(text, at)
    if not found:
        line = text.count("\n", 0, at) + 1
        raise ConfError(f"line {line}: expected '=', saw {text[at : at + 20]!r}")
    return found.end()


def _value(text: str, at: int, stops: str) -> _Value:
    if text.startswith('"', at):
        end = at + 1
        while end < len(text) and text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        if end >= len(text):
            line = text.count("\n", 0, at) + 1
            raise ConfError(f"line {line}: a quoted value is not closed")
        return _Value(at, end + 1)
    end = at
    while end < len(text) and text[end] not in stops:
        end += 1
    return _Value(at, at + len(text[at:end].rstrip()))
