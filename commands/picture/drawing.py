"""SVG: shapes and text whose size is known without a browser. For dark mode and print, too.

All text is of a monospaced font, so that its width follows from its characters.
"""

from dataclasses import dataclass
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement, tostring

from hosts.errors import one_line

WIDTH = 1200.0
MARGIN = 24.0
SIZE = 13.0
"""Size of the font, in pixels. Labels are smaller by one."""
CELL = 0.61
"""Width of a character as a share of the font's size."""
STYLE = """
:root { color-scheme: light dark; --bg: #ffffff; --panel: #f6f8fa; --line: #848d97;
  --ink: #1f2328; --dim: #59636e; --ok: #1a7f37; --ok-bg: #dafbe1; --warning: #8a5a00;
  --warning-bg: #fff3bf; --critical: #c11c28; --critical-bg: #ffe3e0; --on: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #0d1117; --panel: #161b22; --line: #6e7681; --ink: #e6edf3; --dim: #9da5af;
    --ok: #4cc38a; --ok-bg: #12301f; --warning: #e3b341; --warning-bg: #352a0c;
    --critical: #ff7b72; --critical-bg: #431a1a; --on: #0d1117; }
}
:root { color: var(--ink); print-color-adjust: exact;
  font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
.dim { --tone: var(--dim); --pale: var(--bg) } .ok { --tone: var(--ok); --pale: var(--ok-bg) }
.warning { --tone: var(--warning); --pale: var(--warning-bg) }
.critical { --tone: var(--critical); --pale: var(--critical-bg) }
.dim, .ok, .warning, .critical { color: var(--tone) }
.on { color: var(--on) } .bold { font-weight: 700 }
text { fill: currentColor; white-space: pre }
.bg { fill: var(--bg) } .panel { fill: var(--panel); stroke: var(--line) }
.grid { fill: var(--line); opacity: .35 } .gap { fill: var(--panel) }
.shape { fill: currentColor } .shape.dim { fill: var(--line) }
.pale { fill: var(--pale); stroke: currentColor; stroke-width: 1.5 }
.stroke { fill: none; stroke: currentColor; stroke-width: 2 }
.dashed { stroke-dasharray: 5 4 }
"""


@dataclass(frozen=True)
class Box:
    """The place of an element."""

    x: float
    y: float
    width: float
    height: float


class Drawing:
    """An SVG that is drawn from the top to the bottom."""

    def __init__(self, name: str, title: str, description: str) -> None:
        labels = f"{name}-title {name}-description"
        given = {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-labelledby": labels}
        self._root = Element("svg", given)
        add(self._root, "title", title, id=f"{name}-title")
        add(self._root, "desc", description, id=f"{name}-description")
        SubElement(self._root, "style").text = STYLE
        add(self._root, "rect", style="bg", width="100%", height="100%")

    def svg(self, height: float) -> str:
        """Return the text of the SVG with that height."""
        self._root.set("viewBox", f"0 0 {WIDTH:.0f} {height:.0f}")
        return tostring(self._root, encoding="unicode")

    def text(
        self,
        x: float,
        y: float,
        words: str,
        style: str = "",
        *,
        size: float = SIZE,
        room: float = WIDTH,
        anchor: str = "start",
    ) -> None:
        """Write a line whose baseline is at ``y``, and whose ``anchor`` in SVG's words is at ``x``.

        ``room``: the width at which it is cut; the whole is then its tooltip.
        """
        whole = one_line(words)
        shown = shortened(whole, room, size)
        tip = whole if shown != whole else ""
        item = self._item("text", style, tip, x=x, y=y, font_size=size, text_anchor=anchor)
        if tip:
            # The tooltip is an element inside: the text follows it.
            item[0].tail = shown
        else:
            item.text = shown

    def rectangle(self, box: Box, style: str, tip: str = "", *, round_by: float = 0) -> None:
        """Draw a rectangle with a tooltip."""
        self._item("rect", style, tip, **vars(box), rx=round_by)

    def column(self, x: float, y: float, width: float, style: str, tip: str = "") -> None:
        """Draw a rectangle down to the end of the picture."""
        self._item("rect", style, tip, x=x, y=y, width=width, height="100%")

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a line."""
        self._item("line", style, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: str, style: str, tip: str = "") -> None:
        """Draw a path with a tooltip."""
        self._item("path", style, tip, d=points)

    def _item(self, tag: str, style: str, tip: str = "", **given: str | float) -> Element:
        shown = {
            name.replace("_", "-"): value
            if isinstance(value, str)
            else f"{value:.1f}".removesuffix(".0")
            for name, value in given.items()
        }
        item = add(self._root, tag, style=style, **shown)
        if tip:
            add(item, "title", tip)
        return item


def add(parent: Element, tag: str, text: str = "", style: str = "", **given: str) -> Element:
    """Add an element of these classes to another one, and return it."""
    item = SubElement(parent, tag, {"class": style, **given} if style else given)
    item.text = one_line(text) or None
    return item


def width_of(text: str, size: float = SIZE) -> float:
    """Return the width of a text in pixels."""
    return sum(2.5 if east_asian_width(each) in "WF" else 1 for each in text) * size * CELL


def shortened(text: str, room: float, size: float = SIZE) -> str:
    """Return a text, or its beginning with an ellipsis, so that it has room in that width."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text}…"
