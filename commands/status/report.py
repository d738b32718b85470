"""The report: what `make status` shows, as the JSON of docs/status.schema.json. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from commands.status.signs import SIGNS, WARM_UP, Found, Level, Sign
from commands.status.situation import Situation
from hosts.errors import one_line
from opennebula.packages import FEATURES, LED
from opennebula.zone import State
from procedures.facts.facts import Dump as DumpFile
from procedures.facts.facts import Facts
from procedures.facts.snapshot import Snapshot


class Health(StrEnum):
    """The health of the zone."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"

    @property
    def exit_status(self) -> int:
        """Return the exit status, with the meanings that monitoring uses: OK, WARNING, CRITICAL."""
        return [*Health].index(self)


class Role(StrEnum):
    """The role of a front-end in the zone, or why it has none."""

    LEADER = "leader"
    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    STANDALONE = "standalone"
    """Not part of an HA zone."""
    STARTING = "starting"
    SILENT = "silent"
    """Its oned runs, but does not answer."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    NOT_INSTALLED = "not installed"
    UNOBSERVED = "unobserved"
    """Neither the host nor its oned answered."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _in_one_line(cls, value: Any) -> Any:
        """Remove line breaks and control characters, which would damage a table or a terminal."""
        if isinstance(value, list):
            return [cls._in_one_line(item) for item in value]
        return one_line(value) if isinstance(value, str) else value


class VirtualIp(_Part):
    """A VIP."""

    address: str
    holders: list[str]
    """The front-ends that have it on an interface: only the leader, in a healthy zone."""


class TimedDump(_Part):
    """The newest dump of a timer: ``backup`` in the stack."""

    front_end: str | None
    """Null before the first one."""
    path: str | None
    at: datetime | None
    age_seconds: int | None


class Zone(_Part):
    """The zone, as observed through its leader."""

    name: str
    """The name in the stack."""
    leader: str | None
    term: int | None
    servers: int
    """Number of servers in the zone."""
    following: int
    """Number of servers that take the leader's writes, including the leader."""
    quorum: int
    """Number of servers that must be up."""
    endpoint: str
    """The ENDPOINT of the zone; without a leader, the one in the stack."""
    database: str
    """MariaDB or SQLite, as in the stack."""
    vips: list[VirtualIp]
    unknown_servers: list[str]
    """Servers of the zone that are not in the stack."""
    drift: list[str]
    """How VIPs and endpoints differ from the stack."""
    timed_dump: TimedDump | None
    """Null without ``backup`` in the stack."""


class Raft(_Part):
    """The Raft status of an oned."""

    server_id: int
    state: Literal["solo", "candidate", "follower", "leader"]
    term: int
    index: int
    commit: int
    voted_for: int
    lag: int | None
    """Records by which its log ends before the leader's; null without a leader."""


class Service(_Part):
    """A service of the stack on one front-end."""

    unit: str
    state: str
    """The unit's state in systemd, such as active, inactive or failed."""
    expected: bool | None
    """Whether it must run there now; null without a leader."""
    fault: str | None


class Dumps(_Part):
    """Dumps of the database that are kept on a host."""

    number: int
    bytes: int
    """Their total size."""
    newest: str | None
    """Path of the newest dump."""
    newest_bytes: int | None
    newest_at: datetime | None
    age_seconds: int | None


class Certificate(_Part):
    """The web server's certificate."""

    path: str
    ends: datetime | None
    days: int | None
    web_server: str
    """State of the web server's unit."""


class Disk(_Part):
    """A file system that a front-end writes to."""

    mount: str
    bytes: int
    free: int


class FrontEnd(_Part):
    """One front-end of the stack."""

    name: str
    address: str
    reachable: bool
    """Its facts could be observed. If not, most fields are null or empty."""
    error: str | None
    role: Role
    id: int | None
    """ID in the zone's list of servers; null if it is not listed."""
    raft: Raft | None
    """Null if oned does not answer."""
    servers: list[str] | None
    """The zone's servers as this one lists them; null if it does not answer."""
    agrees: bool | None
    """Whether these are the ones that the leader lists."""
    vips: list[str]
    """The VIPs that it holds."""
    version: str | None
    """Version of the package opennebula."""
    oned_seconds: int | None
    """Seconds since the start of oned."""
    restarts: int | None
    """Number of restarts by systemd."""
    pending_restart: bool
    services: list[Service]
    drift: list[str]
    """How the host differs from the stack and, in its keys, from the leader: see docs/drift.md."""
    differing_tables: list[str] | None
    """Replicated tables that differ from the leader's; null if they were not compared."""
    dumps: Dumps | None
    certificate: Certificate | None
    """Null without ssl in the stack."""
    disks: list[Disk]


class Finding(_Part):
    """A sign of docs/status.md that was seen."""

    sign: str
    level: Level
    host: str | None
    """Null for the whole zone."""
    seen: str
    cause: str
    cure: list[str]
    """Commands and sentences, in this order."""


class Report(_Part):
    """The state of one stack's zone at one moment."""

    version: Literal[1] = 1
    """Version of this format. It changes if a field is removed or changes its meaning."""
    stack: str
    at: datetime
    health: Health
    """``healthy``: no finding. ``degraded``: warnings. ``down``: at least one critical finding."""
    zone: Zone
    front_ends: list[FrontEnd] = Field(default_factory=list)
    findings: list[Finding]


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
        front_ends=[_front_end(now, one) for _, one in sorted(now.hosts.items())],
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
        term=status.term if status else None,
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
        servers=[one.name for one in seen.answers.pool] if answers else None,
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
        disks=[Disk(mount=one.mount, bytes=one.size, free=one.free) for one in seen.disks],
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
    led = {FEATURES[feature] for feature in LED}
    faults = {one.unit: str(one) for one in now.service_faults if one.host == name}
    found = []
    for unit in now.wanted_units[name]:
        seen = now.facts[name].units.get(unit)
        expected: bool | None = True
        if unit in led:
            expected = name == now.leader if now.leader else None
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
    files = [one for one in kept if one.path.endswith((".sql.zst", ".one.db.zst"))]
    newest = max(
        files, key=lambda one: _begun(one) or datetime.min.replace(tzinfo=UTC), default=None
    )
    at = _begun(newest) if newest else None
    return Dumps(
        number=len(files),
        bytes=sum(one.size for one in files),
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
