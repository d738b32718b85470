"""One simulated host: the parts of it that our scripts read and change."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from tests.simulation.database import Content, Database, Foreign, digest
from tests.simulation.product import (
    FEATURES,
    HOOK_MANAGER,
    MONITORD,
    PUBLIC_KEY,
    STANDALONE_ID,
    DatabaseSection,
    State,
    conf,
    driver_files,
    scheduler_files,
    service_files,
)

CONF = "/etc/one/oned.conf"
NEXT, BEFORE = f"{CONF}.next", f"{CONF}.before"
KEYS = "/var/lib/one/.one"
SSH = "/var/lib/one/.ssh"
ONE_AUTH = f"{KEYS}/one_auth"
ONEADMIN = "oneadmin:oneadmin"
SHIPPED = """\
# What the package brings
DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]
FEDERATION = [
    MODE      = "STANDALONE",
    SERVER_ID = -1
]
ONEGATE_ENDPOINT = "http://frontend:5030"
"""
PACKAGED = {
    "opennebula": {
        CONF: SHIPPED,
        MONITORD: 'NETWORK = [\n    MONITOR_ADDRESS = "auto",\n    PORT = 4124\n]\n',
        driver_files.KVM: "MIGRATE_OPTIONS=--unsafe\n",
        driver_files.NETWORK: ":keep_empty_bridge: true\n",
        scheduler_files.RANK: "",
        scheduler_files.DRS: "PREDICT: -1\n",
    },
    FEATURES["gate"]: {service_files.GATE: ":server:\n  :bind: 127.0.0.1\n  :port: 5030\n"},
    FEATURES["flow"]: {service_files.FLOW: ":host: 127.0.0.1\n"},
    FEATURES["form"]: {service_files.FORM: ":host: 127.0.0.1\n"},
    FEATURES["gui"]: {service_files.FIREEDGE: "host: 0.0.0.0\n", service_files.SUNSTONE: "a: b\n"},
}
"""Configuration files, by the package that installs them."""
DATABASE_SERVICE = "mariadb"
SCHEMAS = {"7.2.0-1": "7.2.0", "7.2.1-1": "7.2.0", "7.4.0-1": "7.4.0"}
"""Version of the database that a package needs."""
PUBLISHED = {"7.2": "7.2.0-1", "7.2.0": "7.2.0-1", "7.2.1": "7.2.1-1", "7.4": "7.4.0-1"}
"""The packages in the repository of a version."""


@dataclass
class File:
    text: str
    mode: int = 0o644
    owner: str = "root:root"
    changed: float = 0.0


@dataclass
class Unit:
    enabled: str = "disabled"
    active: bool = False
    since: float = 0.0


@dataclass
class Dump:
    """A kept dump, with the keys of its time."""

    database: Database
    keys: dict[str, str]


@dataclass
class SimHost:
    """Its name on the network, and all its content."""

    name: str
    address: str
    up: bool = True
    booted: float = 0.0
    packages: dict[str, str] = field(default_factory=dict)
    pin: str = ""
    files: dict[str, File] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Our part of /etc/hosts."""
    databases: dict[str, Database | Foreign | None] = field(default_factory=dict)
    """The databases in its MariaDB; None: one without tables."""
    accounts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Grants of the stack's account, by the host that may log in with it."""
    replication: tuple[str, ...] = ()
    """What its MariaDB shares its data with."""
    sqlite: Database | None = None
    elsewhere: Database | None = None
    """A database on another host that DB names."""
    units: dict[str, Unit] = field(default_factory=dict)
    vips: dict[str, str] = field(default_factory=dict)
    """The interface of each address."""
    strange_process: str = ""
    claimed: str = ""
    dumps: dict[str, Dump | None] = field(default_factory=dict)
    """Kept files by path; kept settings have no database."""
    trust: bool = False
    incoming: dict[str, str] | None = None
    """Files received from a leader."""
    sent: Dump | None = None
    """A dump received from the operator's machine."""
    scratch: Database | None = None
    has_scratch: bool = False
    staged: tuple[str, str, str] | None = None
    """The package that waits, its schema, and the former package."""
    swapping: bool = False
    """Whether the packages that wait are installed only in part."""
    upgrading: str = ""
    migrating: str = ""
    stopping: bool = False
    """Whether systemd is stopping its oned, which answers no more."""
    state: State = State.SOLO
    started_with: str = ""
    """The oned.conf with which its oned runs."""
    stuck: set[str] = field(default_factory=set)
    """Servers to which this leader cannot send the log any more, until it checks them again."""

    @property
    def running(self) -> bool:
        """Tell whether its oned runs."""
        return self.up and self.unit("opennebula").active

    @property
    def is_server(self) -> bool:
        """Tell whether its oned runs as a zone server."""
        return self.running and server_id(self.started_with) != STANDALONE_ID

    @property
    def running_id(self) -> int:
        """The SERVER_ID with which its oned was started."""
        return server_id(self.started_with)

    @property
    def conf(self) -> str:
        return self.files[CONF].text if CONF in self.files else ""

    @property
    def server_id(self) -> int:
        return server_id(self.conf)

    @property
    def mariadb_runs(self) -> bool:
        return self.unit(DATABASE_SERVICE).active

    def unit(self, name: str) -> Unit:
        return self.units.get(name) or Unit("")

    @property
    def database(self) -> Database | None:
        """The database that its oned.conf names, if it exists."""
        return self.database_of(self.started_with if self.running else self.conf)

    def database_of(self, text: str) -> Database | None:
        section = section_of(text)
        if section.is_sqlite:
            return self.sqlite
        if not section.is_local((self.name, self.address)):
            return self.elsewhere
        found = self.databases.get(section.name)
        return found if isinstance(found, Database) else None

    def all_databases(self) -> Iterator[Database]:
        """Return every OpenNebula database on it, or used by it alone."""
        for one in (*self.databases.values(), self.sqlite, self.elsewhere):
            if isinstance(one, Database):
                yield one

    def put(self, path: str, text: str, now: float, *, mode: int = 0, owner: str = "") -> None:
        """Write a whole file; keep its owner and mode."""
        there = self.files.get(path)
        if there is None or there.text != text:
            former = there or File("")
            self.files[path] = File(text, former.mode, former.owner, now)
        if mode:
            self.files[path].mode = mode
        if owner:
            self.files[path].owner = owner

    def put_conf(self, text: str, now: float) -> None:
        self.put(CONF, text, now)
        self.files.pop(NEXT, None)
        self.files.pop(BEFORE, None)

    def keys(self) -> dict[str, str]:
        """The paths and contents of oneadmin's secrets."""
        return {
            path: file.text
            for path, file in self.files.items()
            if path.startswith((f"{KEYS}/", f"{SSH}/"))
        }

    def enable(self, name: str) -> None:
        self.units.setdefault(name, Unit()).enabled = "enabled"

    def install(self, name: str, version: str, now: float) -> None:
        """Install a package, and do what its own scripts do."""
        fresh = name not in self.packages
        self.packages[name] = version
        for path, text in PACKAGED.get(name, {}).items():
            if path not in self.files:
                self.files[path] = File(text, 0o640, "root:oneadmin", now)
        if not fresh:
            return
        if name == "opennebula":
            self.units.setdefault("opennebula", Unit())
            self.units.setdefault(HOOK_MANAGER, Unit())
            for path, text in {
                ONE_AUTH: f"oneadmin:made-{self.name}-{now}",
                f"{SSH}/id_rsa": f"key {self.name} {now}",
                PUBLIC_KEY: f"public {self.name} {now}",
            }.items():
                if path not in self.files:
                    self.files[path] = File(text, 0o600, ONEADMIN, now)
        if name == "mariadb-server":
            self.units.setdefault(DATABASE_SERVICE, Unit("enabled", True, now))
        if name in FEATURES.values():
            self.units.setdefault(name, Unit())

    @property
    def schema_needed(self) -> str:
        return SCHEMAS[self.packages["opennebula"]]

    def fingerprint(self) -> object:
        """Return everything that must not change if a run is refused."""
        return (
            sorted(self.packages.items()),
            sorted((path, f.text, f.mode, f.owner) for path, f in self.files.items()),
            sorted(self.names.items()),
            sorted((name, repr(one)) for name, one in self.databases.items()),
            repr(self.sqlite),
            repr(self.elsewhere),
            sorted(self.accounts.items()),
            sorted((name, u.enabled, u.active) for name, u in self.units.items()),
            sorted(self.dumps),
            self.claimed,
        )

    def first_database(self, identity: str) -> Database:
        """Make the database that oned makes if it has no database."""
        line = self.files[ONE_AUTH].text if ONE_AUTH in self.files else "oneadmin:none"
        content = Content(password=line.partition(":")[2].strip())
        return Database(identity, self.schema_needed, content)


@lru_cache(maxsize=4096)
def server_id(text: str) -> int:
    """Return SERVER_ID in an oned.conf."""
    found = conf.read(text, "FEDERATION") if text else None
    return int(found.get("SERVER_ID", STANDALONE_ID)) if isinstance(found, dict) else STANDALONE_ID


@lru_cache(maxsize=4096)
def section_of(text: str) -> DatabaseSection:
    """Return DB in an oned.conf."""
    return DatabaseSection.of(text)


@lru_cache(maxsize=4096)
def hook_of(text: str, role: str) -> tuple[str, ...]:
    """Return the arguments of a Raft hook after its role; empty: the hook does not exist."""
    found = conf.read(text, f"RAFT_{role.upper()}_HOOK") if text else None
    return tuple(found.get("ARGUMENTS", "").split()) if isinstance(found, dict) else ()


def number(name: str) -> str:
    """Return a digest as long as a machine ID."""
    return digest(name)[:32]
