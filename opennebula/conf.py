"""Edit oned.conf and monitord.conf without losing a comment.

``conf_grammar`` describes the format. Names may repeat (``VM_MAD``); where only one counts, in the
file or in a vector, it is the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from opennebula.conf_grammar import END_OF_READING, Attribute, ConfError, scan, skip

Scalar = str | int | bool
Vector = Mapping[str, Scalar]


@dataclass(frozen=True)
class Position:
    """An attribute of a file, or one key of a vector.

    ``which`` selects one of several attributes by its NAME or, unless it is a vector, its value.
    Without it the first one is meant.
    """

    name: str
    which: str | None = None
    key: str | None = None

    @property
    def whole(self) -> "Position":
        """The attribute that the key is in."""
        return Position(self.name, self.which)

    def __str__(self) -> str:
        which = "" if self.which is None else f"[{self.which}]"
        return f"{self.name.upper()}{which}" + (f"/{self.key.upper()}" if self.key else "")


def attributes(text: str) -> list[tuple[str, str | dict[str, str]]]:
    """Return all attributes in order: name and value, which is a dict for a vector.

    Raises ConfError where the text does not follow the grammar.
    """
    return [(attribute.name, attribute.content) for attribute in scan(text)]


def read(text: str, name: str) -> str | dict[str, str] | None:
    """Return the value of the first attribute of that name: a dict for a vector, None if not set.

    Raises ConfError where the text does not follow the grammar.
    """
    found = _first(text, Position(name))
    return None if found is None else found.content


def section(text: str, name: str) -> dict[str, str]:
    """Return the keys of the first vector of that name; empty if there is no such vector.

    Raises ConfError where the text does not follow the grammar.
    """
    found = read(text, name)
    return found if isinstance(found, dict) else {}


def source(text: str, position: Position) -> str | None:
    """Return the text of that attribute, or of that key's value; None if it is not set."""
    found = _first(text, position.whole)
    if found is None or position.key is None:
        return None if found is None else text[found.start : found.end]
    value = found.keys.get(position.key.upper())
    return None if value is None else text[value.start : value.end]


def replace(text: str, position: Position, source: str) -> str:
    """Return the text with that attribute, or key's value, replaced by ``source``.

    A comment starts a new line. A missing key is added to its vector; a missing attribute is not
    added.
    """
    found = _first(text, position.whole)
    if found is None:
        return text
    if position.key is not None:
        value = found.keys.get(position.key.upper())
        if value is not None:
            return text[: value.start] + source + text[value.end :]
        if found.value is not None:
            return text
        return _with_key(text, found, f"{position.key.upper()} = {source}")
    if source.startswith("#") and text[: found.start].rpartition("\n")[2].strip():
        source = f"\n{source}"
    return text[: found.start] + source + text[found.end :]


def write(text: str, position: str | Position, value: Scalar | Vector) -> str:
    """Return the text with that attribute set, and every other character unchanged.

    Other keys of a vector stay. Raises ConfError for a text that does not follow the grammar, and
    for a value that the grammar cannot express.
    """
    position = position if isinstance(position, Position) else Position(position)
    name = position.name.upper()
    found = _first(text, position)
    present = None if found is None else found.content
    if isinstance(value, Mapping) and isinstance(present, dict):
        for key, item in value.items():
            if present.get(key.upper()) != plain(item):
                text = replace(text, Position(name, position.which, key), _format(key, item))
        return text
    if found is not None and found.value is not None and not isinstance(value, Mapping):
        if present == plain(value):
            return text
        return text[: found.value.start] + _format(name, value) + text[found.value.end :]
    if isinstance(value, Mapping):
        body = ",\n".join(f"    {_written(key, item)}" for key, item in value.items())
        written = f"{name} = [\n{body}\n]"
    else:
        written = _written(name, value)
    if found is not None:
        return text[: found.start] + written + text[found.end :]
    separator = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{separator}{written}\n"


def remove(text: str, position: str | Position) -> str:
    """Return the text without all such attributes, or without that key of the first one."""
    position = position if isinstance(position, Position) else Position(position)
    if position.key is not None:
        found = _first(text, position.whole)
        return text if found is None else _without_key(text, found, position.key.upper())
    for attribute in reversed(_all(text, position)):
        after = text[attribute.end :].lstrip(" \t").removeprefix("\n")
        text = text[: attribute.start] + after
    return text


def plain(value: Scalar) -> str:
    """Return a value as ``read`` returns it."""
    if isinstance(value, bool):
        return "YES" if value else "NO"
    return str(value)


def expressible(value: Scalar) -> bool:
    """Return whether the grammar can express that value."""
    text = plain(value)
    return not text.endswith("\\") and END_OF_READING not in text


def _all(text: str, position: Position) -> list[Attribute]:
    """Return all such attributes. Reads the whole text, so that any fault in it is an error."""
    found = []
    for attribute in scan(text):
        content = attribute.content
        known_by = content if isinstance(content, str) else content.get("NAME")
        if attribute.name == position.name.upper() and position.which in (None, known_by):
            found.append(attribute)
    return found


def _first(text: str, position: Position) -> Attribute | None:
    return next(iter(_all(text, position)), None)


def _with_key(text: str, attribute: Attribute, pair: str) -> str:
    """Insert a pair after the last one, and after a comment on its line."""
    if not attribute.pairs:
        at = attribute.end - 1
        return f"{text[:at]} {pair} {text[at:]}"
    first, last = attribute.pairs[0], attribute.pairs[-1]
    margin = " " * (first.start - (text.rfind("\n", 0, first.start) + 1))
    at = end = last.value.end
    newline = text.find("\n", at, attribute.end)
    if newline >= 0 and text[at:newline].lstrip().startswith("#"):
        end = newline
    return f"{text[:at]},{text[at:end]}\n{margin}{pair}{text[end:]}"


def _without_key(text: str, attribute: Attribute, key: str) -> str:
    """Remove every pair of that key with one comma each, and keep comments."""
    pairs = attribute.pairs
    for index in reversed([at for at, pair in enumerate(pairs) if pair.name == key]):
        start, end = pairs[index].start, pairs[index].value.end
        if index > 0:
            comma = skip(text, pairs[index - 1].value.end)
            gap = text[comma + 1 : start].rstrip()
            # What follows on the line must not become part of a comment that ends here.
            follows = text[end:].partition("\n")[0].strip()
            text = text[:comma] + gap + ("\n" if gap and follows else "") + text[end:]
        elif len(pairs) > 1:
            comma = skip(text, end)
            after = skip(text, comma + 1)
            gap = text[end:comma] + text[comma + 1 : after]
            text = text[:start] + (gap if "#" in gap else "") + text[after:]
        else:
            text = text[:start] + text[end:]
        pairs = pairs[:index] + pairs[index + 1 :]
    return text


def _written(name: str, value: Scalar) -> str:
    return f"{name.upper()} = {_format(name, value)}"


def _format(name: str, value: Scalar) -> str:
    if not expressible(value):
        # The value may be a secret.
        raise ConfError(f"{name}: expected a value without ]]> and no backslash at its end")
    bare = plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return bare
    escaped = bare.replace('"', '\\"')
    return f'"{escaped}"'
