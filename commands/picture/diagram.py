"""The zone at one moment: who leads, who follows, what each front-end runs, and what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC

from commands.picture.drawing import MARGIN, SIZE, WIDTH, Box, Drawing, cells_in, lines, shortened
from commands.status.report import Finding, FrontEnd, Health, Report, Role
from commands.status.signs.hosts import LOW
from commands.status.signs.sign import Level
from commands.status.tables import duration, size, zone_lines

GAP = 24.0
PAD = 16.0
ROW = 20.0
HEADER = 44.0
PILL = 28.0
MOST = 8
"""Findings that are listed; the rest is a number."""
HEALTHS = {Health.HEALTHY: "ok", Health.DEGRADED: "warning", Health.DOWN: "critical"}
ROLES = {
    Role.LEADER: "ok",
    Role.FOLLOWER: "ok",
    Role.STANDALONE: "ok",
    Role.STARTING: "warning",
    Role.CANDIDATE: "warning",
}
"""Style of a role; other roles are critical."""
DATABASE = ("database_down", "other_database", "data_differ", "upgrade_interrupted", "log_dropped")
"""Signs that concern the database of a front-end."""


@dataclass(frozen=True)
class Row:
    """A line in the box of a front-end."""

    text: str
    style: str = ""
    dot: str = ""
    """Style of a dot before it."""
    free: float | None = None
    """Free share of a file system, drawn as a bar under it."""


@dataclass
class _Host:
    front_end: FrontEnd
    findings: list[Finding] = field(default_factory=list)

    @property
    def style(self) -> str:
        if any(finding.level is Level.CRITICAL for finding in self.findings):
            return "critical"
        role = ROLES.get(self.front_end.role, "critical")
        return "warning" if self.findings and role == "ok" else role


def draw(report: Report) -> tuple[str, list[Box]]:
    """Return the SVG of a report, and where each of its texts is."""
    said = [line.plain for line in zone_lines(report)]
    title = f"Zone {report.zone.name}, stack {report.stack}"
    roles = [f"{front_end.name}: {front_end.role}" for front_end in report.front_ends]
    description = ". ".join([*said, *roles, *map(_sentence, report.findings)])
    drawing = Drawing("zone", f"{title}: {report.health}", description)
    y = _top(drawing, report, title, said)
    hosts = [
        _Host(front_end, [each for each in report.findings if each.host == front_end.name])
        for front_end in report.front_ends
    ]
    columns = 4 if len(hosts) in (4, 7, 8) else 3
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    for vip in report.zone.vips:
        if not vip.holders:
            _pill(drawing, MARGIN, y, f"VIP {vip.address} on no front-end", "critical dashed")
            y += PILL + 8
    for number in range(0, len(hosts), columns):
        y = _hosts(drawing, report, hosts[number : number + columns], y, width)
    return drawing.svg(y), drawing.texts


def _sentence(finding: Finding) -> str:
    host = f"{finding.host}: " if finding.host else ""
    return f"{finding.level} {host}{finding.sign.replace('_', ' ')}: {finding.seen}"


def _top(drawing: Drawing, report: Report, title: str, said: Sequence[str]) -> float:
    """Draw the leader and the findings; return where the rest begins."""
    y = MARGIN + 22
    style = HEALTHS[report.health]
    word = report.health.value.upper()
    pill = Box(WIDTH - MARGIN - 140, MARGIN - 4, 140, 34)
    drawing.rectangle(pill, f"shape {style}", round_by=17)
    drawing.text(pill.x + (140 - len(word) * 10.4) / 2, y, word, "on bold", size=17)
    drawing.text(MARGIN, y, title, "bold", size=20, cells=cells_in(pill.x - 2 * MARGIN, 20))
    y += 32
    lead = "" if report.zone.leader else " critical"
    when = f"{report.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    drawing.text(WIDTH - MARGIN, y, when, "dim", end=True)
    room = cells_in(WIDTH - 3 * MARGIN - 200, 16)
    drawing.text(MARGIN, y, said[0], f"bold{lead}", size=16, cells=room)
    for line in said[1:]:
        y += ROW
        drawing.text(MARGIN, y, line, "dim", cells=cells_in(WIDTH - 2 * MARGIN))
    y += 14
    for finding in report.findings[:MOST]:
        y = _finding(drawing, finding, y)
    if (more := len(report.findings) - MOST) > 0:
        y += ROW
        drawing.text(MARGIN, y, f"and {more} more: make doctor STACK={report.stack}", "dim")
        y += 8
    return y + 14


def _finding(drawing: Drawing, finding: Finding, y: float) -> float:
    room = cells_in(WIDTH - 2 * MARGIN - 2 * PAD)
    shown = list(lines(_sentence(finding), room, 3))
    box = Box(MARGIN, y, WIDTH - 2 * MARGIN, len(shown) * ROW + 8)
    drawing.rectangle(box, f"pale {finding.level}", finding.cause, round_by=6)
    for number, line in enumerate(shown):
        style = f"{finding.level} bold" if number == 0 else finding.level
        drawing.text(MARGIN + PAD, y + (number + 1) * ROW - 1, line, style, cells=room)
    return y + box.height + 6


def _pill(drawing: Drawing, x: float, y: float, text: str, style: str) -> None:
    box = Box(x, y, len(text) * SIZE * 0.61 + 2 * PAD, PILL)
    drawing.rectangle(box, f"pale {style}", round_by=PILL / 2)
    drawing.text(x + PAD, y + 19, text, f"bold {style.partition(' ')[0]}")


def _hosts(
    drawing: Drawing, report: Report, hosts: Sequence[_Host], y: float, width: float
) -> float:
    """Draw a row of front-ends; return where it ends."""
    room = cells_in(width - 2 * PAD - 12)
    rows = [list(_rows(report, host, room)) for host in hosts]
    most = max((len(host.front_end.vips) for host in hosts), default=0)
    top = y + most * (PILL + 6) + (10 if most else 0)
    heights = [sum(map(_height, each)) for each in rows]
    height = HEADER + max(heights, default=0) + PAD
    for number, host in enumerate(hosts):
        x = MARGIN + number * (width + GAP)
        is_leader = host.front_end.name == report.zone.leader
        for place, vip in enumerate(host.front_end.vips):
            style = "ok" if is_leader else "warning"
            at = top - 10 - (place + 1) * (PILL + 6) + 6
            drawing.line(x + 40, at + PILL, x + 40, top, f"stroke {style}")
            words = f"clients → VIP {vip}" if is_leader else f"VIP {vip} left over"
            _pill(drawing, x + 12, at, shortened(words, room), style)
        _host(drawing, host, Box(x, top, width, height), is_leader=is_leader)
        below = top + HEADER
        for row in rows[number]:
            _row(drawing, row, x + PAD, below, width - 2 * PAD)
            below += _height(row)
    return top + height + GAP


def _height(row: Row) -> float:
    return (ROW if row.text else 8) + (12 if row.free is not None else 0)


def _host(drawing: Drawing, host: _Host, box: Box, *, is_leader: bool) -> None:
    """Draw the box and its header: the leader's is filled."""
    role = host.front_end.role.upper()
    drawing.rectangle(box, "panel", round_by=8)
    header = Box(box.x, box.y, box.width, HEADER - 10)
    drawing.rectangle(header, f"{'shape' if is_leader else 'pale'} {host.style}", round_by=8)
    drawing.rectangle(box, f"stroke {host.style}", round_by=8)
    ink = "on" if is_leader else host.style
    base = box.y + 23
    place = drawing.text(box.x + box.width - PAD, base, role, f"bold {ink}", size=14, end=True)
    room = cells_in(place.x - box.x - PAD - 8, 17)
    drawing.text(box.x + PAD, base, host.front_end.name, f"bold {ink}", size=17, cells=room)


def _row(drawing: Drawing, row: Row, x: float, y: float, width: float) -> None:
    room = cells_in(width - (16 if row.dot else 0))
    if row.dot:
        drawing.rectangle(Box(x, y + 6, 10, 10), f"shape {row.dot}", round_by=5)
    if row.text:
        drawing.text(x + (16 if row.dot else 0), y + 15, row.text, row.style, cells=room)
    if row.free is not None:
        style = "critical" if row.free < LOW else "ok"
        drawing.rectangle(Box(x, y + ROW, width, 7), "panel", round_by=3)
        used = Box(x, y + ROW, width * min(max(1 - row.free, 0.01), 1), 7)
        drawing.rectangle(used, f"shape {style}", round_by=3)


def _rows(report: Report, host: _Host, room: int) -> Iterator[Row]:
    """Yield the lines of a front-end, what is wrong with it first."""
    front_end = host.front_end
    for finding in host.findings:
        yield Row(finding.sign.replace("_", " "), f"bold {finding.level}", finding.level)
    if host.findings:
        yield Row("")
    listed = "not in the zone" if front_end.id is None else f"server {front_end.id}"
    yield Row(f"{front_end.address}, {listed}", "dim")
    if raft := front_end.raft:
        yield Row(f"term {raft.term}, index {raft.index}, commit {raft.commit}")
        lag = "no leader" if raft.lag is None else f"lag {raft.lag}"
        known = [] if front_end.name == report.zone.leader else [lag]
        known += (
            [] if front_end.oned_seconds is None else [f"up {duration(front_end.oned_seconds)}"]
        )
        if known:
            yield Row(", ".join(known))
    if front_end.error:
        yield from (Row(line, "critical") for line in lines(front_end.error, room, 4))
    if not front_end.reachable:
        return
    yield Row("")
    version = (
        f"OpenNebula {front_end.version}" if front_end.version else "OpenNebula is not installed"
    )
    yield Row(version + (", restart pending" if front_end.pending_restart else ""))
    yield from _services(front_end)
    yield Row("")
    faults = [each.sign for each in host.findings if each.sign in DATABASE]
    state = ", ".join(faults).replace("_", " ")
    yield Row(
        f"{report.zone.database}{f': {state}' if state else ''}",
        "critical" if faults else "",
        "critical" if faults else "ok",
    )
    if dumps := front_end.dumps:
        age = "" if dumps.age_seconds is None else f", newest {duration(dumps.age_seconds)} ago"
        yield Row(f"{dumps.number} dump{'' if dumps.number == 1 else 's'}{age}", "dim")
    for disk in front_end.disks:
        text = f"{disk.mount} {size(disk.free)} free of {size(disk.bytes)}"
        yield Row(text, "dim", free=disk.free / max(disk.bytes, 1))


def _services(front_end: FrontEnd) -> Iterator[Row]:
    for service in front_end.services:
        unit = service.unit.removeprefix("opennebula-")
        if service.fault:
            must = "must run" if service.expected else "must not run"
            yield Row(f"{unit} {service.state}, {must}", "critical", "critical")
        else:
            dot = "ok" if service.state == "active" else "dim"
            yield Row(f"{unit} {service.state}", "" if dot == "ok" else "dim", dot)
    if web := front_end.certificate:
        ends = f", certificate ends {web.ends:%Y-%m-%d}" if web.ends else ", no certificate"
        dot = "ok" if web.web_server == "active" else "critical"
        yield Row(f"web server {web.web_server or 'not installed'}{ends}", "", dot)
