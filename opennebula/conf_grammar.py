"""Parse oned.conf and monitord.conf: the positions of their attributes.

The grammar is that of OpenNebula's template parser (upstream src/parsers/template_parser.l and
template_syntax.y): ``NAME = value``, ``NAME = "quoted"``, ``NAME =`` or a vector
``NAME = [ KEY = value, ... ]`` over any number of lines, with ``#`` comments between the parts.

- A bare value ends at a blank, a newline or any of ``= # , [ ]``.
- In a quoted value ``\\"`` stands for a quote, and every other backslash for itself. A value that
  ends in a backslash would therefore continue after its closing quote.
- OpenNebula stops reading the file at a line with ``]]>``, without an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

END_OF_READING = "]]>"
"""OpenNebula ignores the rest of a file from here."""

_BLANKS = r"(?:[ \t\n]|#.*)*+"
_SKIPPED = re.compile(_BLANKS)
_NAME = re.compile(r"[A-Za-z0-9_]+")
_EQUALS = re.compile(rf"{_BLANKS}=[ \t]*")
_BARE = re.compile(r"[^=# \t\n,\[\]]+")
_QUOTED = re.compile(r'"(?:\\"|[^"])*"')


class ConfError(ValueError):
    """A configuration file that does not follow the grammar, or a value that it cannot hold."""


@dataclass(frozen=True)
class Value:
    """A value, which is at ``text[start:end]``, quotes included."""

    start: int
    end: int
    plain: str
    """The value without quotes."""


@dataclass(frozen=True)
class Pair:
    """A key of a vector, and its value."""

    name: str
    start: int
    value: Value


@dataclass(frozen=True)
class Attribute:
    """An attribute: ``text[start:end]``."""

    name: str
    start: int
    end: int
    value: Value | None
    """None for a vector."""
    pairs: tuple[Pair, ...] = ()

    @property
    def keys(self) -> dict[str, Value]:
        """The values of a vector by key. Of several pairs with one key, the first counts."""
        return {pair.name: pair.value for pair in reversed(self.pairs)}

    @property
    def content(self) -> str | dict[str, str]:
        """The value, or those of a vector by key."""
        if self.value is not None:
            return self.value.plain
        return {name: value.plain for name, value in self.keys.items()}


def scan(text: str) -> Iterator[Attribute]:
    """Yield all attributes in order. Raises ConfError if the text does not follow the grammar."""
    at = 0
    while (at := skip(text, at)) < len(text):
        name, start = _name(text, at), at
        at = _equals(text, at + len(name))
        if text.startswith("[", at):
            pairs, at = _pairs(text, at)
            yield Attribute(name.upper(), start, at, None, pairs)
        else:
            value = _value(text, at)
            at = value.end
            yield Attribute(name.upper(), start, at, value)


def _pairs(text: str, opened: int) -> tuple[tuple[Pair, ...], int]:
    pairs: list[Pair] = []
    at = skip(text, opened + 1)
    while not text.startswith("]", at):
        if pairs:
            if at >= len(text):
                raise _fault(text, opened, "a vector that is closed with ]")
            if text[at] != ",":
                raise _fault(text, at, "',' or ']'")
            at = skip(text, at + 1)
        name, start = _name(text, at), at
        value = _value(text, _equals(text, at + len(name)))
        if value.start == value.end:
            raise _fault(text, value.start, "a value")
        pairs.append(Pair(name.upper(), start, value))
        at = skip(text, value.end)
    return tuple(pairs), at + 1


def skip(text: str, at: int) -> int:
    """Return the position after blanks and comments."""
    return _match(_SKIPPED, text, at, "").end()


def _name(text: str, at: int) -> str:
    return _match(_NAME, text, at, "an attribute's name").group()


def _equals(text: str, at: int) -> int:
    return _match(_EQUALS, text, at, "'='").end()


def _match(pattern: re.Pattern[str], text: str, at: int, expected: str) -> re.Match[str]:
    found = pattern.match(text, at)
    if not found:
        raise _fault(text, at, expected)
    return found


def _value(text: str, at: int) -> Value:
    line = text[at:].partition("\n")[0]
    if END_OF_READING in line:
        raise _fault(text, at, f"a line without {END_OF_READING}")
    # Like the lexer, take the longer match: a quoted text directly followed by more is not quoted.
    quoted, bare = _QUOTED.match(text, at), _BARE.match(text, at)
    if quoted and (bare is None or quoted.end() >= bare.end()):
        return Value(at, quoted.end(), quoted.group()[1:-1].replace('\\"', '"'))
    if text.startswith('"', at):
        raise _fault(text, at, "a value that ends with its closing quote")
    if bare:
        return Value(at, bare.end(), bare.group().replace('\\"', '"'))
    if line:
        raise _fault(text, at, "a value")
    return Value(at, at, "")


def _fault(text: str, at: int, expected: str) -> ConfError:
    seen = text[at : at + 1] or "the end of the file"
    return ConfError(f"line {text.count(chr(10), 0, at) + 1}: expected {expected}, saw {seen!r}")
