"""Charts of the growth of times: of the program and of a plain script."""

from collections.abc import Iterable
from itertools import pairwise

from bench.figures import Point
from commands.picture.drawing import MARGIN, WIDTH, Box, Drawing

HEIGHT = 300.0
_TOP, _BOTTOM = 70.0, 250.0
_SERIES = (("program", "ok"), ("plain", "dim"))


def chart(points: Iterable[Point]) -> str:
    """Return the SVG of the charts, from the points of a run."""
    drawing = Drawing("growth", "Growth", "Seconds of the program and of a plain script.")
    drawing.text(MARGIN, 24, "Seconds, by what grows", "bold")
    drawing.text(MARGIN, 44, "the program", "ok")
    drawing.text(MARGIN + 120, 44, "a plain script without checks", "dim")
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.by, []).append(point)
    width = (WIDTH - MARGIN) / max(1, len(groups))
    for number, group in enumerate(groups.values()):
        _draw(drawing, group, Box(MARGIN + number * width, _TOP, width - MARGIN, _BOTTOM - _TOP))
    return drawing.svg(HEIGHT)


def _draw(drawing: Drawing, points: list[Point], box: Box) -> None:
    drawing.rectangle(box, "panel")
    drawing.text(box.x + 8, _BOTTOM + 38, points[0].by)
    most = max(max(point.program, point.plain) for point in points) * 1.25
    step = box.width / (len(points) + 1)

    def place(index: int, seconds: float) -> tuple[float, float]:
        return box.x + (index + 1) * step, _BOTTOM - seconds / most * box.height

    for index, point in enumerate(points):
        drawing.text(place(index, 0)[0] - 8, _BOTTOM + 18, f"{point.at:g}", "dim")
    for series, style in _SERIES:
        places = [place(index, getattr(point, series)) for index, point in enumerate(points)]
        for (x1, y1), (x2, y2) in pairwise(places):
            drawing.line(x1, y1, x2, y2, f"stroke {style}")
        for (x, y), point in zip(places, points, strict=True):
            drawing.rectangle(Box(x - 3, y - 3, 6, 6), f"shape {style}")
            above = point.program >= point.plain
            lift = -10 if above is (series == "program") else 20
            drawing.text(x - 14, y + lift, f"{getattr(point, series):.1f}", style, size=12)
