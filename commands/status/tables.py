"""A report as tables: in colours on a terminal, as plain text anywhere else."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from commands.status.report import Certificate, Disk, Dumps, Finding, FrontEnd, Health, Report, Role
from commands.status.signs import COMMANDS, Level

WIDTH = 160
"""Columns where there is no terminal: enough that nothing is cut."""
COLOURS = {Health.HEALTHY: "green", Health.DEGRADED: "yellow", Health.DOWN: "bold red"}
LEVELS = {Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
ROLES = {
    Role.LEADER: "bold green",
    Role.FOLLOWER: "green",
    Role.STANDALONE: "green",
    Role.STARTING: "yellow",
}
NOTHING = "-"


def console(out: TextIO) -> Console:
    """Return a console that wraps and colours only on a terminal."""
    if out.isatty():
        return Console(file=out, highlight=False)
    return Console(file=out, highlight=False, width=WIDTH, color_system=None, force_terminal=False)


def show(screen: RenderableType, out: TextIO) -> None:
    """Print a screen; as plain text without the blanks that fill up a terminal's lines."""
    to = console(out)
    if out.isatty():
        to.print(screen)
        return
    with to.capture() as captured:
        to.print(screen)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=out, flush=True)


def status(report: Report) -> RenderableType:
    """Return the screen of `make status`."""
    parts: list[RenderableType] = [_headline(report), *_zone(report), Text()]
    parts += [_servers(report.front_ends), Text(), _hosts(report.front_ends)]
    if any(one.services for one in report.front_ends):
        parts += [Text(), _services(report.front_ends)]
    if report.findings:
        parts += [Text(), *map(_finding, report.findings)]
        parts.append(Text(f"Causes and cures: make doctor STACK={report.stack}"))
    return Group(*parts)


def diagnosis(report: Report) -> RenderableType:
    """Return the screen of `make doctor`: each sign that was seen, its cause and its cure."""
    parts: list[RenderableType] = [_headline(report)]
    if not report.findings:
        parts.append(Text("No sign of an abnormal state was seen."))
    for finding in report.findings:
        parts += [Text(), _finding(finding), Padding(Text(finding.cause), (0, 0, 0, 2))]
        for line in finding.cure:
            is_command = line.startswith(COMMANDS)
            parts.append(
                Padding(
                    Text(line, style="bold" if is_command else "", no_wrap=is_command),
                    (0, 0, 0, 6 if is_command else 4),
                )
            )
    return Group(*parts)


def _headline(report: Report) -> Text:
    return Text.assemble(
        f"Zone {report.zone.name}, stack {report.stack}: ",
        (report.health.value, COLOURS[report.health]),
        f"   {report.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    )


def _zone(report: Report) -> Iterator[Text]:
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
            f" follow it, quorum {zone.quorum}"
        )
    for vip in zone.vips:
        is_well = vip.holders == [zone.leader]
        held = f"on {', '.join(vip.holders)}" if vip.holders else "on no front-end"
        yield Text(f"VIP {vip.address} {held}", "" if is_well else LEVELS[Level.WARNING])
    yield Text(f"Endpoint {zone.endpoint}")
    if zone.unknown_servers:
        yield Text(f"Not in the stack: {', '.join(zone.unknown_servers)}", LEVELS[Level.WARNING])
    for difference in zone.drift:
        yield Text(f"Drift: {difference}", LEVELS[Level.WARNING])


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name not in ("SERVERS", "DRIFT", "FREE DISK"))
    return table


def _servers(front_ends: Sequence[FrontEnd]) -> Table:
    columns = ("NAME", "ID", "ROLE", "TERM", "INDEX", "COMMIT", "LAG", "SERVERS", "VIP", "VERSION")
    table = _table(*columns, "UP", "RESTART", "DRIFT")
    for one in front_ends:
        raft = one.raft
        numbers = (raft.term, raft.index, raft.commit, raft.lag) if raft else (None,) * 4
        listed = NOTHING if one.servers is None else f"{len(one.servers)}"
        if one.agrees is False:
            listed = f"{', '.join(one.servers or [])} (the leader lists others)"
        table.add_row(
            one.name,
            _shown(one.id),
            Text(one.role, ROLES.get(one.role, "red")),
            *(_shown(number) for number in numbers),
            listed,
            "yes" if one.vips else NOTHING,
            one.version or NOTHING,
            NOTHING if one.oned_seconds is None else duration(one.oned_seconds),
            "pending" if one.pending_restart else NOTHING,
            str(len(one.drift)) if one.reachable else one.error or NOTHING,
        )
    return table


def _hosts(front_ends: Sequence[FrontEnd]) -> Table:
    certificates = any(one.certificate for one in front_ends)
    columns = ("NAME", "DUMPS", "NEWEST", "SIZE", *(["CERTIFICATE"] if certificates else []))
    table = _table(*columns, "FREE DISK")
    for one in front_ends:
        table.add_row(
            one.name,
            *_dumps(one.dumps),
            *([_certificate(one.certificate)] if certificates else []),
            _disks(one.disks),
        )
    return table


def _services(front_ends: Sequence[FrontEnd]) -> Table:
    table = _table("SERVICE", *(one.name for one in front_ends))
    units = dict.fromkeys(service.unit for one in front_ends for service in one.services)
    for unit in units:
        cells = []
        for one in front_ends:
            service = next((each for each in one.services if each.unit == unit), None)
            if service is None:
                cells.append(Text(NOTHING))
            elif service.fault:
                must = "must run" if service.expected else "must not run"
                cells.append(Text(f"{service.state}, {must}", "red"))
            else:
                cells.append(Text(service.state, "green" if service.expected else ""))
        table.add_row(unit, *cells)
    return table


def _finding(finding: Finding) -> Text:
    place = f"{finding.host}: " if finding.host else ""
    return Text.assemble(
        (finding.level.value, LEVELS[finding.level]),
        f" {place}{finding.sign.replace('_', ' ')}: {finding.seen}",
    )


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
    shown = (f"{one.mount} {size(one.free)} of {size(one.bytes)}" for one in disks)
    return ", ".join(shown) or NOTHING


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
