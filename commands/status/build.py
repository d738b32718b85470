"""Make the report of a situation, with the signs that it shows. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite

from commands.status.report import (
    Certificate,
    Disk,
    Dumps,
    Finding,
    FrontEnd,
    Health,
    Raft,
    Report,
    Role,
    Service,
    TimedDump,
    VirtualIp,
    Zone,
)
from commands.status.signs.oned import WARM_UP
from commands.status.signs.sign import Found, Level, Sign
from commands.status.signs.table import SIGNS
from commands.status.situation import Situation
from opennebula.packages import HOOK_MANAGER, LED_UNITS
from opennebula.zone import State
from procedures.facts.facts import Dump as DumpFile
from procedures.facts.facts import Facts
from procedures.facts.snapshot import Snapshot
from procedures.troubleshooting import topic, topic_of_sign


def report(now: Situation, stack: str) -> Report:
    """Return the report of a situation."""
    findings = [finding for sign in SIGNS for finding in _findings(sign, now, stack)]
    levels = {finding.level for finding in findings}
    health = Health.DEGRADED if levels else Health.HEALTHY
    if Level.CRITICAL in levels:
        health = Health.DOWN
    return Report(
        stack=stack,
        at=now.at,
        health=health,
        zone=_zone(now),
        front_ends=[_front_end(now, snapshot) for _, snapshot in sorted(now.hosts.items())],
        findings=sorted(findings, key=lambda finding: finding.level is not Level.CRITICAL),
    )


def _findings(sign: Sign, now: Situation, stack: str) -> Sequence[Finding]:
    return [
        Finding(
            sign=sign.name,
            level=sign.level,
            host=found.host or None,
            seen=" ".join(found.seen.split()),
            cause=sign.cause,
            cure=_cure(sign, found, stack),
            section=(topic(found.step) if found.step else topic_of_sign(sign.name)).anchor,
        )
        for found in sign.find(now)
    ]


def _cure(sign: Sign, found: Found, stack: str) -> list[str]:
    # A remedy in an error is not a template, and may contain braces.
    values = {"{stack}": stack, "{host}": found.host}
    return [
        re.sub(r"\{stack\}|\{host\}", lambda key: values[key[0]], line)
        for line in found.cure or sign.cure
    ]


def _zone(now: Situation) -> Zone:
    status, head = now.leader_status, now.leader_facts
    return Zone(
        name=now.zone.name,
        leader=now.leader,
        term=status.term if status and now.zone.highly_available else None,
        servers=now.servers,
        following=len(now.following) if now.zone.highly_available else int(bool(now.leader)),
        quorum=now.quorum,
        endpoint=(head.zone_endpoint if head else "") or now.zone.endpoint,
        database=now.zone.database.backend,
        vips=[
            VirtualIp(address=vip.address, holders=now.vip_holders(vip.address))
            for vip in now.zone.vips
        ],
        unknown_servers=[entry.name for entry in now.view.pool if entry.name not in now.hosts],
        drift=now.zone_drift,
        timed_dump=_timed_dump(now) if now.dumps_on_timer else None,
    )


def _timed_dump(now: Situation) -> TimedDump:
    name, dump = now.timed_dump or (None, None)
    at = _begun(dump) if dump else None
    return TimedDump(
        front_end=name,
        path=dump.path if dump else None,
        at=at,
        age_seconds=_age(now.at, at),
    )


def _front_end(now: Situation, seen: Snapshot) -> FrontEnd:
    name, found = seen.host.name, seen.facts
    entry = now.view.entry(name)
    unit = found.units.get("opennebula") if found else None
    runs = found is not None and found.active and unit is not None
    answers = bool(seen.answers.raft)
    return FrontEnd(
        name=name,
        address=seen.host.address,
        reachable=found is not None,
        error=f"{seen.fault.step}: {seen.fault.seen}" if seen.fault else None,
        role=_role(seen),
        id=entry.id if entry else None,
        raft=_raft(now, seen),
        servers=[entry.name for entry in seen.answers.pool] if answers else None,
        agrees=seen.answers.pool == now.view.pool if answers and now.leader else None,
        vips=[vip.address for vip in now.zone.vips if name in now.vip_holders(vip.address)],
        version=(found.package or None) if found else None,
        oned_seconds=int(unit.seconds) if runs and unit and isfinite(unit.seconds) else None,
        restarts=unit.restarts if unit else None,
        pending_restart=name in now.waiting,
        services=_services(now, name) if found else [],
        drift=list(now.drift(name)) if found and found.package else [],
        differing_tables=list(seen.differing) if now.seen.compared and found else None,
        dumps=_dumps(now.at, found.dumps) if found else None,
        certificate=_certificate(now, seen) if found else None,
        disks=[Disk(mount=disk.mount, bytes=disk.size, free=disk.free) for disk in seen.disks],
    )


def _role(seen: Snapshot) -> Role:
    raft = seen.answers.raft
    if raft is None:
        return _without_answer(seen.facts) if seen.facts else Role.UNOBSERVED
    return Role.STANDALONE if raft.state is State.SOLO else Role(raft.state.name.lower())


def _without_answer(found: Facts) -> Role:
    unit = found.units.get("opennebula")
    if not found.package:
        return Role.NOT_INSTALLED
    if found.stopping:
        return Role.STOPPING
    if unit is None or unit.active == "inactive":
        return Role.STOPPED
    if found.active:
        return Role.STARTING if unit.seconds < WARM_UP else Role.SILENT
    return Role.FAILED if unit.active == "failed" else Role.STARTING


def _raft(now: Situation, seen: Snapshot) -> Raft | None:
    raft, head = seen.answers.raft, now.leader_status
    if raft is None:
        return None
    return Raft(
        server_id=raft.server_id,
        state=raft.state.name.lower(),
        term=raft.term,
        index=raft.index,
        commit=raft.commit,
        voted_for=raft.voted_for,
        lag=max(head.index - raft.index, 0) if head else None,
    )


def _services(now: Situation, name: str) -> list[Service]:
    faults = {fault.unit: str(fault) for fault in now.service_faults if fault.host == name}
    found = []
    for unit in now.wanted_units[name]:
        seen = now.facts[name].units.get(unit)
        expected: bool | None = True
        if unit in LED_UNITS:
            expected = name == now.leader if now.leader else None
        if unit == HOOK_MANAGER and seen and not seen.starts_at_boot:
            # Its administrator has switched it off.
            expected = None
        found.append(
            Service(
                unit=unit,
                state=seen.active if seen and seen.enabled else "not installed",
                expected=expected,
                fault=faults.get(unit),
            )
        )
    return found


def _dumps(now: datetime, kept: Sequence[DumpFile]) -> Dumps:
    files = [dump for dump in kept if dump.path.endswith((".sql.zst", ".one.db.zst"))]
    newest = max(
        files, key=lambda dump: _begun(dump) or datetime.min.replace(tzinfo=UTC), default=None
    )
    at = _begun(newest) if newest else None
    return Dumps(
        number=len(files),
        bytes=sum(dump.size for dump in files),
        newest=newest.path if newest else None,
        newest_bytes=newest.size if newest else None,
        newest_at=at,
        age_seconds=_age(now, at),
    )


def _age(now: datetime, at: datetime | None) -> int | None:
    return max(int((now - at).total_seconds()), 0) if at else None


def _begun(dump: DumpFile) -> datetime | None:
    """Return the time of a dump, from its name."""
    stamp = re.search(r"/(\d{8}T\d{6}Z)-[^/]*$", dump.path)
    try:
        return datetime.strptime(stamp[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if stamp else None
    except ValueError:
        return None


def _certificate(now: Situation, seen: Snapshot) -> Certificate | None:
    if now.web is None:
        return None
    ends = seen.certificate_ends
    return Certificate(
        path=now.web.certchain,
        ends=ends,
        days=(ends - now.at).days if ends else None,
        web_server=seen.web_server,
    )
