"""The zone at one moment: who leads, who follows, what each front-end runs, and what is wrong.

HTML, which the browser lays out: ``page`` has its style sheet.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC
from xml.etree.ElementTree import Element, tostring

from commands.picture.drawing import add
from commands.status.report import Finding, FrontEnd, Health, Report, Role
from commands.status.signs.hosts import LOW
from commands.status.signs.sign import Level
from commands.status.tables import duration, size, zone_lines

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


def draw(report: Report) -> str:
    """Return the HTML of a report."""
    zone = Element("main")
    first, *others = (line.plain for line in zone_lines(report))
    add(zone, "h1", f"Zone {report.zone.name}, stack {report.stack}")
    add(zone, "strong", report.health.upper(), f"pill filled {HEALTHS[report.health]}")
    add(zone, "h2", first, "" if report.zone.leader else "critical")
    add(zone, "time", f"{report.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", "dim")
    for line in others:
        add(zone, "p", line, "dim")
    for finding in report.findings[:MOST]:
        host = f"{finding.host}: " if finding.host else ""
        text = f"{finding.level} {host}{finding.sign.replace('_', ' ')}: {finding.seen}"
        add(zone, "p", text, f"cut pale {finding.level}", title=finding.cause)
    if (more := len(report.findings) - MOST) > 0:
        add(zone, "p", f"and {more} more: make doctor STACK={report.stack}", "dim")
    for vip in report.zone.vips:
        if not vip.holders:
            add(zone, "p", f"VIP {vip.address} on no front-end", "pill pale dashed critical")
    hosts = add(zone, "div", style="hosts")
    for front_end in report.front_ends:
        _front_end(hosts, report, front_end)
    return tostring(zone, encoding="unicode", short_empty_elements=False)


def _front_end(hosts: Element, report: Report, front_end: FrontEnd) -> None:
    """Draw the VIPs of a front-end and its box: the header of the leader's is filled."""
    findings = [finding for finding in report.findings if finding.host == front_end.name]
    is_leader = front_end.name == report.zone.leader
    style = ROLES.get(front_end.role, "critical")
    if any(finding.level is Level.CRITICAL for finding in findings):
        style = "critical"
    elif findings and style == "ok":
        style = "warning"
    host = add(hosts, "article")
    vips = add(host, "div")
    for vip in front_end.vips:
        text = f"clients → VIP {vip}" if is_leader else f"VIP {vip} left over"
        add(vips, "p", text, f"pill pale {'ok' if is_leader else 'warning'}")
    box = add(host, "section", style=style)
    header = add(box, "header", style=f"{'filled' if is_leader else 'pale'} {style}")
    add(header, "b", front_end.name)
    add(header, "b", front_end.role.upper())
    rows = add(box, "ul")
    for text, look in _rows(report, front_end, findings):
        add(rows, "li", text, look)
    for disk in front_end.disks:
        add(rows, "li", f"{disk.mount} {size(disk.free)} free of {size(disk.bytes)}", "dim")
        used = 1 - disk.free / max(disk.bytes, 1)
        add(rows, "meter", value=f"{used:.3f}", low=f"{1 - LOW}", high=f"{1 - LOW}", optimum="0")


def _rows(
    report: Report, front_end: FrontEnd, findings: Sequence[Finding]
) -> Iterator[tuple[str, str]]:
    """Yield the lines of a front-end with their styles, what is wrong with it first."""
    for finding in findings:
        yield finding.sign.replace("_", " "), f"dot bold {finding.level}"
    if findings:
        yield "", ""
    listed = "not in the zone" if front_end.id is None else f"server {front_end.id}"
    yield f"{front_end.address}, {listed}", "dim"
    if raft := front_end.raft:
        yield f"term {raft.term}, index {raft.index}, commit {raft.commit}", ""
        known = []
        if front_end.name != report.zone.leader:
            known.append("no leader" if raft.lag is None else f"lag {raft.lag}")
        if front_end.oned_seconds is not None:
            known.append(f"up {duration(front_end.oned_seconds)}")
        if known:
            yield ", ".join(known), ""
    if front_end.error:
        yield front_end.error, "cut critical"
    if not front_end.reachable:
        return
    yield "", ""
    version = f"OpenNebula {front_end.version or 'is not installed'}"
    yield version + (", restart pending" if front_end.pending_restart else ""), ""
    yield from _services(front_end)
    yield "", ""
    faults = ", ".join(finding.sign for finding in findings if finding.sign in DATABASE)
    state = f": {faults.replace('_', ' ')}" if faults else ""
    yield f"{report.zone.database}{state}", f"dot {'critical' if faults else 'ok'}"
    if dumps := front_end.dumps:
        age = "" if dumps.age_seconds is None else f", newest {duration(dumps.age_seconds)} ago"
        yield f"{dumps.number} dump{'' if dumps.number == 1 else 's'}{age}", "dim"


def _services(front_end: FrontEnd) -> Iterator[tuple[str, str]]:
    for service in front_end.services:
        unit = service.unit.removeprefix("opennebula-")
        if service.fault:
            must = "must run" if service.expected else "must not run"
            yield f"{unit} {service.state}, {must}", "dot critical"
        else:
            yield f"{unit} {service.state}", f"dot {'ok' if service.state == 'active' else 'dim'}"
    if web := front_end.certificate:
        ends = f", certificate ends {web.ends:%Y-%m-%d}" if web.ends else ", no certificate"
        style = "ok" if web.web_server == "active" else "critical"
        yield f"web server {web.web_server or 'not installed'}{ends}", f"dot {style}"
