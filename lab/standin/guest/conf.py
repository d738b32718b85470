"""The grammar of oned.conf and of OpenNebula's templates.

NAME = value, NAME = "value", NAME = [ A = value, B = "value" ] over any number of lines,
# comments, and names that occur more than once.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

Vector = dict[str, str]
Value = str | Vector

_BLANK = re.compile(r"(?:\s|#.*)*")
_ANY = re.compile(r".")
_NAME = re.compile(r"[\w.:/-]+")
_EQUALS, _OPEN, _CLOSE, _COMMA, _QUOTE = map(re.compile, ("=", r"\[", "]", ",", '"'))
_QUOTED = re.compile(r'"(?:\\"|[^"\\]|\\(?!"))*"')
_PLAIN = re.compile(r"[^\n#]+")
_PLAIN_IN_VECTOR = re.compile(r"[^,\]\n#]+")


class SyntaxFault(ValueError):
    """The text does not follow the grammar; the message names the line."""


@dataclass(frozen=True)
class Attribute:
    """One NAME = value."""

    name: str
    value: Value


class Template:
    """Attributes in the order in which they were written."""

    def __init__(self, attributes: Iterable[Attribute] = ()) -> None:
        self.attributes = list(attributes)

    def text(self, name: str, default: str = "") -> str:
        """Return the last plain value of that name."""
        values = [a.value for a in self.attributes if a.name == name and isinstance(a.value, str)]
        return values[-1] if values else default

    def vector(self, name: str) -> Vector | None:
        """Return the last vector of that name."""
        vectors = self.vectors(name)
        return vectors[-1] if vectors else None

    def vectors(self, name: str) -> list[Vector]:
        """Return all vectors of that name."""
        return [a.value for a in self.attributes if a.name == name and isinstance(a.value, dict)]

    def put(self, name: str, value: Value) -> None:
        """Set a name to this value only."""
        self.remove(name)
        self.attributes.append(Attribute(name, value))

    def remove(self, name: str) -> None:
        """Remove a name."""
        self.attributes = [a for a in self.attributes if a.name != name]

    def to_xml(self, root: str) -> str:
        """Return the template in OpenNebula's XML."""
        return f"<{root}>{''.join(_attribute_xml(a) for a in self.attributes)}</{root}>"

    def to_lines(self) -> str:
        """Return the form in which oned logs its configuration: NAME=value, vectors with commas."""
        return "".join(f"{a.name}={_flat(a.value)}\n" for a in self.attributes)


def number(vector: Vector, name: str, default: int) -> int:
    """Return a number in a vector; the default if it is missing or not a number."""
    try:
        return int(vector.get(name, ""))
    except ValueError:
        return default


def cdata(text: str) -> str:
    """Return text as an XML CDATA section."""
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def parse(text: str) -> Template:
    """Read a template, in OpenNebula's grammar or in XML."""
    if text.lstrip().startswith("<"):
        return template_from_xml(read_document(text))
    return Template(_Reader(text).attributes())


def read_document(text: str) -> ElementTree.Element:
    """Parse an XML document of OpenNebula."""
    return ElementTree.fromstring(text)  # noqa: S314 - the lab's own daemons wrote it


def template_from_xml(element: ElementTree.Element) -> Template:
    """Return the template in an XML element."""
    found = []
    for child in element:
        value: Value = {leaf.tag: leaf.text or "" for leaf in child} if len(child) else ""
        found.append(Attribute(child.tag, value or (child.text or "")))
    return Template(found)


def _attribute_xml(attribute: Attribute) -> str:
    if isinstance(attribute.value, str):
        inner = cdata(attribute.value)
    else:
        inner = "".join(f"<{k}>{cdata(v)}</{k}>" for k, v in sorted(attribute.value.items()))
    return f"<{attribute.name}>{inner}</{attribute.name}>"


def _flat(value: Value) -> str:
    if isinstance(value, str):
        return value
    return ",".join(f"{k}={v}" for k, v in sorted(value.items()))


class _Reader:
    """A reader of the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def attributes(self) -> Iterator[Attribute]:
        while self._sees(_ANY):
            name = self._take(_NAME, "the name of an attribute").upper()
            self._take(_EQUALS, "'='")
            yield Attribute(name, self._vector() if self._sees(_OPEN) else self._value(_PLAIN))

    def _vector(self) -> Vector:
        self._take(_OPEN, "'['")
        vector: Vector = {}
        while not self._sees(_CLOSE):
            name = self._take(_NAME, "the name of an attribute").upper()
            self._take(_EQUALS, "'='")
            vector[name] = self._value(_PLAIN_IN_VECTOR)
            if not self._sees(_CLOSE):
                self._take(_COMMA, "',' or ']'")
        self._take(_CLOSE, "']'")
        return vector

    def _value(self, plain: re.Pattern[str]) -> str:
        if self._sees(_QUOTE):
            return self._take(_QUOTED, "an end of the quotes")[1:-1].replace('\\"', '"')
        return self._take(plain, "a value").strip()

    def _sees(self, what: re.Pattern[str]) -> bool:
        """Skip blanks and comments; return whether that comes next."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return what.match(self._text, self._at) is not None

    def _take(self, what: re.Pattern[str], expected: str) -> str:
        """Skip blanks and comments; return what comes next. Raises SyntaxFault."""
        self._sees(what)
        found = what.match(self._text, self._at)
        if not found:
            line = self._text.count("\n", 0, self._at) + 1
            seen = self._text[self._at : self._at + 1] or "the end of the file"
            raise SyntaxFault(f"syntax error at line {line}: expected {expected}, found {seen!r}")
        self._at = found.end()
        return found[0]
