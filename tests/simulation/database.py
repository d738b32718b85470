"""The database of one OpenNebula: users' writes, the zone, oneadmin, and the zone's log."""

import hashlib
from dataclasses import dataclass, field, replace
from xml.sax.saxutils import escape

from tests.simulation.product import TABLES, ServerEntry

Pool = tuple[ServerEntry, ...]


@dataclass(frozen=True)
class Content:
    """What the log replicates to every server, except the writes of users."""

    pool: Pool = ()
    """Names by host; a server registered under another name has that name."""
    name: str = "OpenNebula"
    endpoint: str = "http://localhost:2633/RPC2"
    grpc: str = "localhost:2634"
    password: str = ""
    tokens: frozenset[str] = frozenset()
    public_key: str = ""

    @property
    def passwords(self) -> frozenset[str]:
        """The passwords with which oneadmin can log in."""
        return self.tokens | {self.password}


@dataclass
class Database:
    """``records`` are all writes in the database; ``log`` has those made in a zone."""

    identity: str
    schema: str
    content: Content = field(default_factory=Content)
    records: tuple[str, ...] = ()
    log: tuple[tuple[int, str], ...] = ()
    term: int = 0
    begins: int = 1
    """Index of the first record of the log that it still sends."""
    zone_changed: float = 0.0

    def copy(self) -> "Database":
        """Return a dump of it."""
        return replace(self)

    @property
    def position(self) -> tuple[int, int]:
        """Return the position of its last record: a higher one is newer."""
        return self.log[-1][0] if self.log else 0, len(self.log)

    @property
    def base(self) -> frozenset[str]:
        """Return the content that no log can replicate."""
        return frozenset(self.records) - {text for _, text in self.log}

    @property
    def pool(self) -> Pool:
        """The zone's servers."""
        return self.content.pool

    def append(self, text: str, *, logged: bool) -> None:
        self.records += (text,)
        if logged:
            self.log += ((self.term, text),)

    def set(self, content: Content, now: float) -> None:
        """Change a value; the zone's row has the time of its last change."""
        old = self.content
        zones = [(one.pool, one.name, one.endpoint, one.grpc) for one in (old, content)]
        if zones[0] != zones[1]:
            self.zone_changed = now
        self.content = content

    def _common(self, leader: "Database") -> int:
        """Return the number of records that the two logs have in common."""
        pairs = zip(self.log, leader.log, strict=False)
        return next(
            (index for index, (mine, other) in enumerate(pairs) if mine != other),
            min(len(self.log), len(leader.log)),
        )

    def fell_out(self, leader: "Database") -> bool:
        """Tell whether the leader's log no longer has the next record that this database needs."""
        common = self._common(leader)
        # A record is sent only while the one before it is kept, too.
        return common < len(leader.log) and max(common, 1) < leader.begins

    def follow(self, leader: "Database", now: float) -> bool:
        """Take the leader's log from where the two differ; tell whether it was possible."""
        if self.fell_out(leader):
            return False
        common = self._common(leader)
        gone = {text for _, text in self.log[common:]}
        kept = tuple(text for text in self.records if text not in gone)
        self.records = kept + tuple(text for _, text in leader.log[common:])
        self.log = leader.log
        self.set(leader.content, now)
        return True

    @property
    def zone_body(self) -> str:
        """Return the zone's row as oned writes it."""
        servers = "".join(
            f"<SERVER><ID>{one.id}</ID><NAME>{escape(one.registered or one.name)}</NAME>"
            f"<ENDPOINT>{escape(one.endpoint)}</ENDPOINT>"
            f"<ENDPOINT_GRPC>{escape(one.grpc)}</ENDPOINT_GRPC></SERVER>"
            for one in self.pool
        )
        return (
            f"<ZONE><ID>0</ID><NAME>{escape(self.content.name)}</NAME>"
            f"<TEMPLATE><ENDPOINT>{escape(self.content.endpoint)}</ENDPOINT>"
            f"<ENDPOINT_GRPC>{escape(self.content.grpc)}</ENDPOINT_GRPC></TEMPLATE>"
            f"<SERVER_POOL>{servers}</SERVER_POOL></ZONE>"
        )

    def checksums(self, name: str = "opennebula") -> str:
        """Return the checksums of its replicated tables."""
        users = (self.content.password, sorted(self.content.tokens), self.content.public_key)
        zone = (self.content.name, self.content.endpoint, self.content.grpc, self.pool)
        parts = {"vm_pool": self.records, "zone_pool": zone, "user_pool": users}
        return "\n".join(
            f"{name}.{table}\t{_number(repr(value))}" for table, value in sorted(parts.items())
        )


@dataclass(frozen=True)
class Foreign:
    """A database of another program, or a part of an OpenNebula's."""

    tables: frozenset[str]
    text: str = ""


TYPICAL = frozenset({"db_versioning", "user_pool", "zone_pool"})
assert TYPICAL <= TABLES


def digest(text: str) -> str:
    """Return the digest as sha256sum prints it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _number(text: str) -> int:
    return int(digest(text)[:8], 16)
