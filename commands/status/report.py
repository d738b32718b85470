"""The format of the report that `make status` shows: the JSON of docs/status.schema.json."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from commands.status.signs.sign import Level
from hosts.errors import one_line


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
    section: str
    """Anchor of the section in docs/troubleshooting.md that is about it."""


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
