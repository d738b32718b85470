"""SVG: shapes and text whose size is known without a browser. For dark mode and print, too.

All text is of a monospaced font, so that its width follows from its characters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement, tostring

from hosts.errors import one_line

WIDTH = 1200.0
MARGIN = 24.0
SIZE = 13.0
"""Size of the font, in pixels. Labels are smaller by one."""

_CELL = 0.61
"""Width of a character as a share of the font's size."""
STYLE = """
svg { --bg: #ffffff; --panel: #f6f8fa; --line: #848d97; --ink: #1f2328; --dim: #59636e;
  --ok: #1a7f37; --ok-bg: #dafbe1; --warning: #8a5a00; --warning-bg: #fff3bf;
  --critical: #c11c28; --critical-bg: #ffe3e0; --on: #ffffff; }
@media (prefers-color-scheme: dark) {
  svg { --bg: #0d1117; --panel: #161b22; --line: #6e7681; --ink: #e6edf3; --dim: #9da5af;
    --ok: #4cc38a; --ok-bg: #12301f; --warning: #e3b341; --warning-bg: #352a0c;
    --critical: #ff7b72; --critical-bg: #431a1a; --on: #0d1117; }
}
svg text { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  fill: var(--ink); white-space: pre; }
.dim { fill: var(--dim) } .bold { font-weight: 700 }
.bg { fill: var(--bg) } .panel { fill: var(--panel); stroke: var(--line) }
.line { stroke: var(--line); fill: none } .grid { stroke: var(--line); opacity: .35 }
.gap { fill: var(--panel) }
.dashed { stroke-dasharray: 5 4 }
text.ok { fill: var(--ok) } text.warning { fill: var(--warning) }
text.critical { fill: var(--critical) } text.on { fill: var(--on) }
.shape.ok { fill: var(--ok) } .shape.warning { fill: var(--warning) }
.shape.critical { fill: var(--critical) } .shape.dim { fill: var(--line) }
.pale { stroke-width: 1.5 }
.pale.ok { fill: var(--ok-bg); stroke: var(--ok) }
.pale.dim { fill: var(--bg); stroke: var(--line) }
.pale.warning { fill: var(--warning-bg); stroke: var(--warning) }
.pale.critical { fill: var(--critical-bg); stroke: var(--critical) }
.stroke { fill: none; stroke-width: 2 } .stroke.ok { stroke: var(--ok) }
.stroke.dim { stroke: var(--line) } .stroke.warning { stroke: var(--warning) }
.stroke.critical { stroke: var(--critical); stroke-width: 3 }
"""


@dataclass(frozen=True)
class Box:
    """The place of an element."""

    x: float
    y: float
    width: float
    height: float
    what: str = ""


class Drawing:
    """An SVG that is drawn from the top to the bottom."""

    def __init__(self, name: str, title: str, description: str) -> None:
        self._root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "role": "img",
                "aria-labelledby": f"{name}-title {name}-description",
            },
        )
        SubElement(self._root, "title", id=f"{name}-title").text = one_line(title)
        SubElement(self._root, "desc", id=f"{name}-description").text = one_line(description)
        SubElement(self._root, "style").text = STYLE
        self._ground = self.rectangle(Box(0, 0, WIDTH, 0), "bg")
        self.texts: list[Box] = []
        """The place of each text."""

    def svg(self, height: float) -> str:
        """Return the text of the SVG with that height."""
        self._root.set("viewBox", f"0 0 {WIDTH:.0f} {height:.0f}")
        self._ground.set("height", f"{height:.0f}")
        return tostring(self._root, encoding="unicode")

    def text(
        self,
        x: float,
        y: float,
        words: str,
        style: str = "",
        *,
        size: float = SIZE,
        cells: int = 1000,
        end: bool = False,
    ) -> Box:
        """Write a line whose baseline is at ``y``, and return its place.

        ``cells``: where it is cut; the whole is then its tooltip. ``end``: ``x`` is its end.
        """
        whole = one_line(words)
        shown = shortened(whole, cells)
        width = cells_of(shown) * size * _CELL
        item = self._item("text", style, x=x, y=y)
        item.set("font-size", f"{size:g}")
        if end:
            item.set("text-anchor", "end")
        item.text = shown
        if shown != whole:
            self.tooltip(item, whole)
            # The tooltip is an element inside: the text follows it.
            item.text, item[0].tail = None, shown
        box = Box(x - width if end else x, y - size, width, size * 1.25, shown)
        self.texts.append(box)
        return box

    def rectangle(self, box: Box, style: str, tip: str = "", *, round_by: float = 0) -> Element:
        """Draw a rectangle."""
        item = self._item("rect", style, x=box.x, y=box.y, width=box.width, height=box.height)
        if round_by:
            item.set("rx", f"{round_by:g}")
        self.tooltip(item, tip)
        return item

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a line."""
        self._item("line", style, x1=x1, y1=y1, x2=x2, y2=y2)

    def to_the_back(self, number: int) -> None:
        """Move the last items behind all others."""
        moved = self._root[-number:] if number else []
        for item in moved:
            self._root.remove(item)
        place = [*self._root].index(self._ground) + 1
        self._root[place:place] = moved

    def path(self, points: str, style: str, tip: str = "") -> None:
        """Draw a path."""
        item = self._item("path", style)
        item.set("d", points)
        self.tooltip(item, tip)

    def tooltip(self, item: Element, text: str) -> None:
        """Show a text while the pointer is on that element."""
        if text:
            SubElement(item, "title").text = one_line(text)

    def _item(self, tag: str, style: str, **numbers: float) -> Element:
        given = {key: f"{value:.1f}".removesuffix(".0") for key, value in numbers.items()}
        return SubElement(self._root, tag, {**given, **({"class": style} if style else {})})


def cells_of(text: str) -> float:
    """Return the width of a text, in characters of usual width."""
    return sum(2.5 if east_asian_width(each) in "WF" else 1 for each in text)


def cells_in(width: float, size: float = SIZE) -> int:
    """Return how many characters fit in that width."""
    return int(width / (size * _CELL))


def shortened(text: str, cells: int) -> str:
    """Return a text, or its beginning with an ellipsis."""
    if cells_of(text) <= cells:
        return text
    while text and cells_of(text) > cells - 1:
        text = text[:-1]
    return f"{text}…"


def lines(text: str, cells: int, most: int) -> Iterator[str]:
    """Yield a text in lines of that width; what is too much for ``most`` lines is left out."""
    yield from wrap(one_line(text), cells, max_lines=most, placeholder=" …")
