"""What happened: a line for each front-end with its roles and events, and the steps of a run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from commands.picture.axis import Axis
from commands.picture.diagram import ROLES
from commands.picture.drawing import MARGIN, WIDTH, Box, Drawing, shortened, width_of
from commands.picture.events import Event, Kind, Phase, events, phases
from commands.status.report import FrontEnd, Report, Role
from commands.status.tables import duration
from commands.times import SHORTEST, Operation
from opennebula.oned_log import LogLine

LEFT, RIGHT = 170.0, WIDTH - 190.0
"""Ends of the axis: names are before it, the last labels after it."""
LABEL = 12.0
LINE = 16.0
BAR = 16.0
LONGEST = 192.0
"""Width of a label."""
STYLES = {
    Kind.LEADS: "ok",
    Kind.ELECTION: "warning",
    Kind.STOPS: "warning",
    Kind.STOPPED: "warning",
    Kind.ERROR: "critical",
    Kind.HOOK_FAILED: "critical",
}
PHASES = {
    Role.LEADER: "shape ok",
    Role.FOLLOWER: "pale ok",
    Role.STANDALONE: "pale ok",
    Role.CANDIDATE: "pale warning",
    Role.STOPPING: "pale warning dashed",
    Role.STOPPED: "pale warning dashed",
    None: "pale dim dashed",
}
TOGETHER = (48.0, 120.0, 240.0)
"""Pixels: marks of one kind that are not farther apart are one mark.

The first distance is taken that needs few rows.
"""
ROWS = 5
"""Maximum number of rows of labels, if possible."""
ENDS_ELECTION = (Kind.LEADS, Kind.FOLLOWS, Kind.STARTS)
LEADERS = 3
"""Changes of the leader that the text describes."""


@dataclass(frozen=True)
class Story:
    """The content of the picture."""

    report: Report
    rows: Sequence[tuple[str, LogLine]]
    """The merged lines of the logs."""
    silent: Mapping[str, str]
    """Front-ends without a log, and why."""
    begin: datetime
    operations: Sequence[Operation] = ()
    """Of a run, whose times the axis then has. Without them it ends now."""

    @property
    def end(self) -> datetime:
        """When the picture ends."""
        if self.operations:
            return datetime.fromtimestamp(max(operation.end for operation in self.operations), UTC)
        # A host's clock may be ahead.
        return max([self.report.at, *(line.at for _, line in self.rows)])


@dataclass
class _Mark:
    x: float
    kind: str
    tip: str
    style: str
    term: str = ""
    number: int = 1

    @property
    def label(self) -> str:
        if self.term:
            return f"{self.kind} term {self.term}"
        return f"{self.kind.partition(':')[0]} ({self.number})" if self.number > 1 else self.kind


def draw(story: Story) -> str:
    """Return the SVG of a story."""
    happened = {front_end.name: list[Event]() for front_end in story.report.front_ends}
    for name, found in events(story.rows).items():
        happened[name] = [each for each in found if story.begin <= each.at <= story.end]
    said = list(_leaders(happened))
    drawing = Drawing("timeline", "What happened", ". ".join([*said, *_counted(happened)]))
    moments = [each.at for found in happened.values() for each in found]
    spans = [(at.timestamp(), at.timestamp()) for at in (*moments, story.end)]
    spans += [(operation.begin, operation.end) for operation in story.operations]
    axis = Axis(spans, LEFT, RIGHT)
    y = _times(drawing, axis, _top(drawing, story, said))
    for front_end in story.report.front_ends:
        y = _lane(drawing, story, axis, happened, front_end, y=y)
    for operation in story.operations:
        if operation.seconds >= SHORTEST:
            y = _operation(drawing, axis, operation, y)
    return drawing.svg(y)


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"


def _leaders(happened: Mapping[str, Sequence[Event]]) -> Iterator[str]:
    """Describe each change of the leader, and the duration of its elections."""
    rows = [(each.at, name, each.kind) for name, found in happened.items() for each in found]
    before, stood = "", dict[str, datetime]()
    for at, name, kind in sorted(rows, key=lambda row: row[0]):
        if kind is Kind.ELECTION:
            stood.setdefault(name, at)
        elif kind is Kind.LEADS:
            after = f", after {before}" if before and before != name else ""
            took = int((at - stood.get(name, at)).total_seconds())
            lasted = f", {took} s after its first election began" if took else ""
            yield f"{_clock(at.timestamp())} {name} is the leader{after}{lasted}"
            before = name
        if kind in ENDS_ELECTION:
            stood.pop(name, None)


def _counted(happened: Mapping[str, Sequence[Event]]) -> Iterator[str]:
    for name, found in happened.items():
        numbers = Counter(each.kind for each in found)
        text = ", ".join(f"{kind} ({number})" for kind, number in numbers.items())
        yield f"{name}: {text or 'no event'}"


def _top(drawing: Drawing, story: Story, said: Sequence[str]) -> float:
    y = MARGIN + 18
    begin, end = (f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" for at in (story.begin, story.end))
    text = f"{begin} to {end} UTC"
    drawing.text(MARGIN, y, "What happened", "bold", size=20)
    drawing.text(WIDTH - MARGIN, y, text, "dim", anchor="end")
    for line in said[-LEADERS:] or ["No change of the leader"]:
        y += 22
        drawing.text(MARGIN, y, line, "bold", size=14, room=WIDTH - 2 * MARGIN)
    return y + 24


def _times(drawing: Drawing, axis: Axis, y: float) -> float:
    """Draw the times, with lines down to the end of the picture."""
    labels: list[tuple[float, str]] = []
    for before, after in pairwise(axis.parts):
        quiet = duration(int(after.begin - before.end))
        labels.append(((before.right + after.left) / 2, f"{quiet} gap"))
        width = after.left - before.right
        drawing.column(before.right, y + 24, width, "gap", f"nothing for {quiet}")
    for part in axis.parts:
        for at in part.ticks():
            labels.append((part.place(at), _clock(at)))
            drawing.column(part.place(at), y + 24, 1, "grid")
    for x, text in labels:
        drawing.text(x, y + 12, text, "dim", size=LABEL, anchor="middle")
    return y + 34


def _lane(
    drawing: Drawing,
    story: Story,
    axis: Axis,
    happened: Mapping[str, list[Event]],
    front_end: FrontEnd,
    *,
    y: float,
) -> float:
    """Draw the roles and events of a front-end; return where the next one begins."""
    drawing.text(MARGIN, y + 13, front_end.name, "bold", room=LEFT - MARGIN - 12)
    now = axis.place(story.end.timestamp())
    placed: list[tuple[_Mark, int]] = []
    for distance in TOGETHER:
        marks = _together(axis, happened[front_end.name], distance)
        if not story.operations:
            marks.append(
                _Mark(now, f"now {front_end.role}", "", ROLES.get(front_end.role, "critical"))
            )
        placed = _flags(marks)
        if len({row for _, row in placed}) <= ROWS:
            break
    if front_end.name in story.silent:
        text = f"no log: {story.silent[front_end.name]}"
        drawing.rectangle(Box(LEFT, y, now - LEFT, BAR), "pale critical dashed", text)
        drawing.text(LEFT + 12, y + 12, text, "critical", size=LABEL, room=now - LEFT - 24)
    else:
        for phase in phases(happened, front_end.name, story.begin, story.end):
            _phase(drawing, axis, phase, y, [mark.x for mark, _ in placed])
    _draw_flags(drawing, placed, y)
    return y + BAR + max((row + 1 for _, row in placed), default=0) * LINE + 18


def _together(axis: Axis, found: Sequence[Event], distance: float) -> list[_Mark]:
    """Return the marks of events: those of one kind that are near each other are one."""
    marks: list[_Mark] = []
    last: dict[Kind, _Mark] = {}
    for each in found:
        x = axis.place(each.at.timestamp())
        tip = f"{_clock(each.at.timestamp())} {each.text}"
        mark = last.get(each.kind)
        if mark is None or x - mark.x > distance:
            style = STYLES.get(each.kind, "dim")
            kind = f"error: {each.text}" if each.kind is Kind.ERROR else each.kind
            marks.append(_Mark(x, kind, tip, style, each.term))
            last[each.kind] = marks[-1]
        else:
            mark.number += 1
            mark.tip += f"\n{tip}"
            mark.term = each.term or mark.term
    return marks


def _phase(drawing: Drawing, axis: Axis, phase: Phase, y: float, marks: Sequence[float]) -> None:
    """Draw a role, with its name where there is room for it."""
    left, right = (axis.place(at.timestamp()) for at in (phase.begin, phase.end))
    role = phase.role or "unknown"
    style = PHASES[phase.role]
    times = " to ".join(_clock(at.timestamp()) for at in (phase.begin, phase.end))
    place = Box(left, y, max(right - left, 1), BAR)
    drawing.rectangle(place, style, f"{times} {role}", round_by=2)
    end = left + 8 + width_of(role, LABEL) + 6
    if end <= right and not any(left + 2 < x < end for x in marks):
        ink = "on bold" if phase.role is Role.LEADER else style.split()[1]
        drawing.text(left + 8, y + 12, role, ink, size=LABEL)


def _flags(marks: Sequence[_Mark]) -> list[tuple[_Mark, int]]:
    """Return the row of each label: none crosses another, nor the line to another one."""
    placed: list[tuple[_Mark, int]] = []
    for mark in sorted(marks, key=lambda each: each.x)[::-1]:
        end = mark.x + width_of(shortened(mark.label, LONGEST, LABEL), LABEL) + 14
        row = max((row + 1 for other, row in placed if other.x <= end), default=0)
        placed.append((mark, row))
    return placed


def _draw_flags(drawing: Drawing, placed: Sequence[tuple[_Mark, int]], y: float) -> None:
    for mark, row in placed:
        base = y + BAR + (row + 1) * LINE
        drawing.line(mark.x, y - 3, mark.x, base, f"stroke {mark.style}")
        head = f"M{mark.x - 4:.1f} {y - 4:.1f}h8l-4 7z"
        drawing.path(head, f"shape {mark.style}", mark.tip)
        style = "dim" if mark.style == "dim" else f"bold {mark.style}"
        drawing.text(mark.x + 6, base, mark.label, style, size=LABEL, room=LONGEST)


def _operation(drawing: Drawing, axis: Axis, operation: Operation, y: float) -> float:
    """Draw what one resource took, with its steps; return where the next one begins."""
    longest = max(operation.steps, key=lambda each: each.seconds, default=None)
    text = f"{operation.what} {operation.seconds:.1f} s"
    if longest and longest.seconds >= SHORTEST:
        text += f" · {longest.what} {longest.seconds:.1f} s"
    left, right = axis.place(operation.begin), axis.place(operation.end)
    room = WIDTH - MARGIN - LEFT
    width = width_of(shortened(text, room, LABEL), LABEL)
    x = min(left, WIDTH - MARGIN - width)
    drawing.text(x, y + 12, text, size=LABEL, room=room)
    drawing.rectangle(Box(left, y + 18, max(right - left, 2), 10), "pale ok", text)
    for number, step in enumerate(operation.steps):
        begin, end = axis.place(step.begin), axis.place(step.end)
        style = "shape ok" if number % 2 else "shape dim"
        tip = f"{step.what} {step.seconds:.1f} s"
        drawing.rectangle(Box(begin, y + 18, max(end - begin, 1), 10), style, tip)
    return y + 38
