"""A report as tables: in colours on a terminal, as plain text anywhere else."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import partial
from itertools import groupby
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from commands.status.report import Certificate, Disk, Dumps, Finding, FrontEnd, Health, Report, Role
from commands.status.signs.sign import COMMANDS, Level
from procedures.troubleshooting import see

WIDTH = 160
"""Columns without a terminal: enough that nothing is cut."""
COLOURS = {Health.HEALTHY: "green", Health.DEGRADED: "yellow", Health.DOWN: "bold red"}
LEVELS = {Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
ROLES = {
    Role.LEADER: "bold green",
    Role.FOLLOWER: "green",
    Role.STANDALONE: "green",
    Role.STARTING: "yellow",
}
NOTHING = "-"
NO_DUMP = "No timed dump on these front-ends"


def console(out: TextIO) -> Console:
    """Return a console that wraps and colours only on a terminal."""
    of = partial(Console, file=out, highlight=False, markup=False, emoji=False)
    if out.isatty():
        return of()
    return of(width=WIDTH, color_system=None, force_terminal=False)


def show(screen: RenderableType, out: TextIO) -> None:
    """Print a screen; in plain text, without trailing blanks."""
    to = console(out)
    if out.isatty():
        to.print(screen)
        return
    with to.capture() as captured:
        to.print(screen)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=out, flush=True)


def status(report: Report) -> RenderableType:
    """Return the screen of `make status`. What is wrong comes first: --watch cuts the rest."""
    parts: list[RenderableType] = [_headline(report), *zone_lines(report), Text()]
    if report.findings:
        parts += map(_finding, report.findings)
        parts += [Text(f"Causes and cures: make doctor STACK={report.stack}"), Text()]
    parts += [_servers(report.front_ends), Text(), _hosts(report.front_ends)]
    if any(front_end.services or front_end.certificate for front_end in report.front_ends):
        parts += [Text(), _services(report.front_ends)]
    return Group(*parts)


def diagnosis(report: Report) -> RenderableType:
    """Return the screen of `make doctor`: each sign that was seen, its cause and its cure."""
    parts: list[RenderableType] = [_headline(report)]
    if not report.findings:
        parts.append(Text("No sign of an abnormal state was seen."))
    # The same on several hosts is explained once.
    for (_, cure), same in groupby(report.findings, lambda finding: (finding.sign, finding.cure)):
        findings = list(same)
        parts += [Text(), *map(_finding, findings)]
        parts.append(Padding(Text(findings[0].cause), (0, 0, 0, 2)))
        for line in cure:
            style, indent = ("bold", 6) if line.startswith(COMMANDS) else ("", 4)
            parts.append(Padding(Text(line, style), (0, 0, 0, indent)))
    if report.findings:
        parts += [Text(), Text(see(finding.section for finding in report.findings))]
    return Group(*parts)


def _headline(report: Report) -> Text:
    return Text.assemble(
        f"Zone {report.zone.name}, stack {report.stack}: ",
        (report.health.value, COLOURS[report.health]),
        f"   {report.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    )


def zone_lines(report: Report) -> Iterator[Text]:
    """Yield the lines about the zone, the leader first."""
    zone = report.zone
    if zone.leader is None:
        yield Text(
            f"No leader; {zone.servers} servers, quorum {zone.quorum}", LEVELS[Level.CRITICAL]
        )
    elif zone.term is None:
        yield Text(f"{zone.leader}, not highly available")
    else:
        yield Text(
            f"Leader {zone.leader} in term {zone.term}; {zone.following} of {zone.servers} servers"
            f" are in this term, quorum {zone.quorum}"
        )
    for vip in zone.vips:
        is_well = vip.holders == [zone.leader]
        held = f"on {', '.join(vip.holders)}" if vip.holders else "on no front-end"
        yield Text(f"VIP {vip.address} {held}", "" if is_well else LEVELS[Level.WARNING])
    yield Text(f"Endpoint {zone.endpoint}")
    if dump := zone.timed_dump:
        age = NOTHING if dump.age_seconds is None else f"{duration(dump.age_seconds)} ago"
        yield Text(f"Timed dump {age} on {dump.front_end}" if dump.front_end else NO_DUMP)
    if zone.unknown_servers:
        yield Text(f"Not in the stack: {', '.join(zone.unknown_servers)}", LEVELS[Level.WARNING])
    for difference in zone.drift:
        yield Text(f"Drift: {difference}", LEVELS[Level.WARNING])


def make_table(*columns: str, all_wrap: bool = False) -> Table:
    """Make a table. Its first and last columns wrap, so that it fits in 80 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        wraps = all_wrap or name in (columns[0], columns[-1])
        table.add_column(name, no_wrap=not wraps, overflow="fold")
    return table


def _servers(front_ends: Sequence[FrontEnd]) -> Table:
    columns = ("NAME", "ID", "ROLE", "TERM", "INDEX", "COMMIT", "LAG", "SERVERS", "VIP", "UP")
    notes = {front_end.name: _note(front_end) for front_end in front_ends}
    table = make_table(*columns, *(["NOTE"] if any(notes.values()) else []))
    for front_end in front_ends:
        raft = front_end.raft
        numbers = (raft.term, raft.index, raft.commit, raft.lag) if raft else (None,) * 4
        table.add_row(
            front_end.name,
            _shown(front_end.id),
            Text(front_end.role, ROLES.get(front_end.role, "red")),
            *(_shown(number) for number in numbers),
            _shown(None if front_end.servers is None else len(front_end.servers)),
            "yes" if front_end.vips else NOTHING,
            NOTHING if front_end.oned_seconds is None else duration(front_end.oned_seconds),
            *([notes[front_end.name]] if any(notes.values()) else []),
        )
    return table


def _note(front_end: FrontEnd) -> str:
    if not front_end.reachable:
        return front_end.error or ""
    listed = ", ".join(front_end.servers or []) or "no server"
    return f"lists {listed}, unlike the leader" if front_end.agrees is False else ""


def _hosts(front_ends: Sequence[FrontEnd]) -> Table:
    columns = ("NAME", "VERSION", "RESTART", "DRIFT", "DUMPS", "NEWEST", "SIZE", "FREE DISK")
    table = make_table(*columns)
    for front_end in front_ends:
        table.add_row(
            front_end.name,
            front_end.version or NOTHING,
            "pending" if front_end.pending_restart else NOTHING,
            str(len(front_end.drift)) if front_end.reachable else NOTHING,
            *_dumps(front_end.dumps),
            _disks(front_end.disks),
        )
    return table


def _services(front_ends: Sequence[FrontEnd]) -> Table:
    table = make_table("SERVICE", *(each.name for each in front_ends), all_wrap=True)
    units = dict.fromkeys(
        service.unit for front_end in front_ends for service in front_end.services
    )
    for unit in units:
        cells = []
        for front_end in front_ends:
            service = next((each for each in front_end.services if each.unit == unit), None)
            if service is None:
                cells.append(Text(NOTHING))
            elif service.fault:
                must = "must run" if service.expected else "must not run"
                cells.append(Text(f"{service.state}, {must}", "red"))
            else:
                cells.append(Text(service.state, "green" if service.expected else ""))
        table.add_row(unit, *cells)
    if any(front_end.certificate for front_end in front_ends):
        table.add_row(
            "certificate", *(_certificate(front_end.certificate) for front_end in front_ends)
        )
    return table


def _finding(finding: Finding) -> Table:
    prefix = f"{finding.host}: " if finding.host else ""
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(
        Text(finding.level.value, LEVELS[finding.level]),
        f"{prefix}{finding.sign.replace('_', ' ')}: {finding.seen}",
    )
    return row


def _dumps(dumps: Dumps | None) -> tuple[str, str, str]:
    if dumps is None or not dumps.number:
        return (NOTHING if dumps is None else "0"), NOTHING, NOTHING
    age = NOTHING if dumps.age_seconds is None else f"{duration(dumps.age_seconds)} ago"
    return str(dumps.number), age, size(dumps.newest_bytes or 0)


def _certificate(certificate: Certificate | None) -> str:
    if certificate is None or certificate.ends is None or certificate.days is None:
        return NOTHING
    return f"{certificate.ends:%Y-%m-%d} ({certificate.days} days)"


def _disks(disks: Sequence[Disk]) -> str:
    """Return the fullest file system, in words."""
    fullest = min(disks, key=lambda disk: disk.free / max(disk.bytes, 1), default=None)
    if fullest is None:
        return NOTHING
    return f"{fullest.mount} {size(fullest.free)} of {size(fullest.bytes)}"


def _shown(value: int | None) -> str:
    return NOTHING if value is None else str(value)


def duration(seconds: int) -> str:
    """Return a duration in its largest unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(number: int) -> str:
    """Return a number of bytes in its largest unit."""
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
