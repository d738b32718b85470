"""The grammar of oned.conf and of OpenNebula's templates.

NAME = value, NAME = "value", NAME = [ A = value, B = "value" ] over any number of lines,
# comments, and names that occur more than once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

Vector = dict[str, str]
Value = str | Vector


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
        while self._next():
            name = self._name()
            self._expect("=")
            yield Attribute(name, self._vector() if self._next() == "[" else self._value("\n#"))

    def _next(self) -> str:
        """Skip blanks and comments; return the next character, or nothing at the end."""
        while self._at < len(self._text):
            if self._text[self._at].isspace():
                self._at += 1
            elif self._text[self._at] == "#":
                self._at = self._line_end()
            else:
                return self._text[self._at]
        return ""

    def _line_end(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _name(self) -> str:
        start = self._at
        while self._at < len(self._text) and (
            self._text[self._at].isalnum() or self._text[self._at] in "_-.:/"
        ):
            self._at += 1
        if start == self._at:
            raise self._fault("the name of an attribute")
        return self._text[start : self._at].upper()

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise self._fault(f"'{sign}'")
        self._at += 1

    def _vector(self) -> Vector:
        self._expect("[")
        vector: Vector = {}
        while self._next() != "]":
            name = self._name()
            self._expect("=")
            self._next()
            vector[name] = self._value(",]\n#")
            if self._next() == ",":
                self._at += 1
            elif self._next() != "]":
                raise self._fault("',' or ']'")
        self._at += 1
        return vector

    def _value(self, ends: str) -> str:
        if self._at < len(self._text) and self._text[self._at] == '"':
            return self._quoted()
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in ends:
            self._at += 1
        value = self._text[start : self._at].strip()
        if not value:
            raise self._fault("a value")
        return value

    def _quoted(self) -> str:
        self._at += 1
        value = []
        while self._at < len(self._text) and self._text[self._at] != '"':
            if self._text.startswith('\\"', self._at):
                self._at += 1
            value.append(self._text[self._at])
            self._at += 1
        if self._at >= len(self._text):
            raise self._fault("'\"'")
        self._at += 1
        return "".join(value)

    def _fault(self, expected: str) -> SyntaxFault:
        line = self._text.count("\n", 0, self._at) + 1
        seen = self._text[self._at : self._at + 1] or "the end of the file"
        return SyntaxFault(f"syntax error at line {line}: expected {expected}, found {seen!r}")
