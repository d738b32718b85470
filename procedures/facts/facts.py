"""The facts of one front-end, as observed on its host."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hosts.models import Host
from opennebula import conf
from opennebula.database import DatabaseSection
from opennebula.markup import read_xml
from opennebula.membership.observed import FrontEndView
from opennebula.packages import HOOK_MANAGER
from opennebula.zone import STANDALONE_ID, RaftStatus, ServerEntry, named
from procedures.facts.fact import columns, reported
from procedures.facts.traces import Traces
from procedures.install.storage import Storage


@dataclass(frozen=True)
class Address:
    """An address on an interface, as ``ip -o address`` prints it."""

    interface: str
    address: str
    prefix: int


@dataclass(frozen=True)
class Dump:
    """A kept dump, or kept settings and keys: its path on the host and its size in bytes."""

    path: str
    size: int

    @property
    def is_timed(self) -> bool:
        """Whether a timer of the front-end made it."""
        return self.path.endswith("-timed.sql.zst")


@dataclass(frozen=True)
class Package:
    """An installed package."""

    version: str
    held: bool = False


@dataclass(frozen=True)
class Unit:
    """A systemd unit: whether it is enabled, and its state, as systemd names them."""

    enabled: str
    active: str
    restarts: int = 0
    """How often systemd has restarted it since its last manual start."""
    seconds: float = math.inf
    """Seconds since it became active; 0 if it is not."""
    file: str = ""
    """The file that defines it."""

    @property
    def starts_at_boot(self) -> bool:
        """Whether it is neither disabled nor masked."""
        return self.enabled.removesuffix("-runtime") not in ("disabled", "masked")

    @property
    def replacement(self) -> str:
        """The administrator's file that replaces its package's, if there is one."""
        is_copy = self.file.startswith("/etc/") and not self.enabled.startswith("masked")
        return self.file if is_copy else ""

    @property
    def runs(self) -> bool:
        """Whether it is active or starting."""
        return self.active not in ("inactive", "failed")


@dataclass(frozen=True)
class KeyFile:
    """A file with one of oneadmin's secrets: its digest, mode and owner, never its content."""

    mode: int
    owner: str
    digest: str


@dataclass(frozen=True)
class File:
    """The content, mode and owner of a file."""

    text: str = field(repr=False)
    mode: int
    owner: str


def digests(text: str) -> dict[str, str]:
    """Return the digests by path, as sha256sum prints them."""
    found = (line.split("  ", 1) for line in text.splitlines())
    return {path: digest for digest, path in found}


def _addresses(text: str) -> Iterator[Address]:
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6"):
            address, _, prefix = words[3].partition("/")
            yield Address(words[1], address, int(prefix or 32))


def _packages(text: str) -> dict[str, Package]:
    found = columns(text, 3)
    return {name: Package(version, held=want == "hold") for want, name, version in found}


def _own_names(text: str) -> dict[str, str]:
    return {name: address for address, name in map(str.split, text.splitlines())}


def _role(process: str) -> str:
    """Return the role for which a hook runs; empty if that cannot be seen."""
    found = re.search(r"/hooks/raft/\S+ +(leader|follower)\b", process)
    return found[1] if found else ""


def _number(text: str) -> int:
    return int(text or 0)


@dataclass(frozen=True)
class Facts:
    """One front-end, as observed on its host."""

    host: Host
    resolves: Mapping[str, str]
    """By name: the addresses that the host resolves it to, the preferred one first."""
    has_content: bool
    identity: str
    log_index: int
    log_term: int
    log_begins: int
    distribution: str = reported(str, needed=True)
    release: str = reported(str, needed=True)
    machine_id: str = reported(str, needed=True)
    addresses: tuple[Address, ...] = reported(lambda text: tuple(_addresses(text)), needed=True)
    packages: Mapping[str, Package] = reported(_packages, needed=True)
    """All installed packages of interest."""
    pin: str = reported(str, needed=True)
    """The version that OpenNebula's packages are held at; ``*`` for the installed one."""
    proxy: str = reported(str, needed=True)
    """The package proxy that this program has set; empty if none."""
    active: bool = reported("active".__eq__, needed=True)
    """Whether its oned runs. It does not if systemd is stopping it, or restarts it again and again.
    A start in progress was waited for."""
    since: int = reported(int, needed=True)
    """Time of oned's last start, in seconds since the epoch; 0 if it never started."""
    configured: int = reported(_number, needed=True)
    """Time of the last change of its configuration files, in seconds since the epoch."""
    oned_conf: str = reported(str, "oned")
    next_conf: str = reported(str, "next")
    """The oned.conf that takes effect with the rollout; empty if none is waiting."""
    dumps: tuple[Dump, ...] = reported(
        lambda text: tuple(Dump(path, int(size)) for size, path in columns(text, 2)),
        "backups",
        needed=True,
    )
    zone_body: str = reported(str, "zone")
    zone_changed: int = reported(_number)
    checksums: str = reported(str)
    """Checksums of every replicated table, if requested."""
    files: Mapping[str, File] = field(default_factory=dict)
    """By path: the existing files in which this program sets something."""
    hostname: str = reported(str)
    own_names: Mapping[str, str] = reported(_own_names)
    """By name: the addresses in this program's part of /etc/hosts."""
    hosts_template: str = reported(str)
    """Path of cloud-init's template of /etc/hosts, and this program's lines in it; or empty."""
    keeps_hostname: bool | None = None
    """Whether cloud-init leaves the hostname unchanged; None without cloud-init."""
    timezone: str = reported(str)
    units: Mapping[str, Unit] = field(default_factory=dict)
    """By name without ``.service``: MariaDB, OpenNebula's services, time services, and ours."""
    stopping: bool = reported("deactivating".__eq__, "active", needed=True)
    """Whether systemd is stopping its oned."""
    sudo_refusal: str = reported(str)
    """Why sudo refuses oneadmin the commands that move a VIP; empty if it does not."""
    hooks: frozenset[str] = reported(
        lambda text: frozenset(map(_role, text.splitlines())), "hook", needed=True
    )
    """Roles of the running Raft hooks, which move the VIP and the leader's services."""
    leads: bool | None = None
    """Whether it leads, by its Raft state; None if unknown: see install/install.py."""
    keys: Mapping[str, KeyFile] = field(default_factory=dict)
    """By path."""
    remotes: Mapping[str, str] = reported(digests)
    """Checksum of each folder of the remotes, by path, if requested."""
    grants: tuple[str, ...] = ()
    """Grants of the database's account."""
    two_passwords: bool = reported(bool)
    """Whether the database's account has two passwords, while an oned still uses the old one."""
    silent: str = reported(str)
    """Why the database does not answer. Its content is unknown then."""
    schema: str = ""
    """Version of the database's schema."""
    staged: str = ""
    """Version of the packages that are staged on the host; or empty."""
    staged_schema: str = ""
    """Version of the database's schema that the staged packages need."""
    replaced: str = ""
    """Version of the packages that were installed when these were staged."""
    swapping: bool = reported(lambda _: True, default=False)
    """Whether a replacement of packages was not completed: they may be half installed."""
    upgrading: str = reported(str.strip)
    """An upgrade of the database that is in progress: see procedures/upgrade/versions.py."""
    migrating: str = reported(str.strip)
    """Path of the dump from before an ``onedb upgrade`` that was not completed; or empty."""
    converting: str = reported(str.strip)
    """The database that a conversion from SQLite writes to, until it is complete; or empty."""
    storage: Storage = field(default_factory=Storage)
    traces: Traces = field(default_factory=Traces)
    has_grpc_port: bool = reported(bool, "grpc", default=True)
    """Whether a program listens at oned's gRPC port; true if unknown."""
    front_ends: Mapping[str, Host] = field(default_factory=dict, compare=False, repr=False)
    """See ``Access``: the pool's servers get the names of their front-ends."""

    @property
    def database(self) -> DatabaseSection:
        """The section DB of its oned.conf."""
        return DatabaseSection.of(self.oned_conf)

    @property
    def package(self) -> str:
        """Version of the package opennebula; empty if it is not installed."""
        return self.packages["opennebula"].version if "opennebula" in self.packages else ""

    @property
    def server_id(self) -> int:
        """SERVER_ID in oned.conf; -1 if it is not set."""
        return int(conf.section(self.oned_conf, "FEDERATION").get("SERVER_ID", STANDALONE_ID))

    @property
    def federation_mode(self) -> str:
        """FEDERATION/MODE in oned.conf, in upper case; STANDALONE if it is not set."""
        mode = conf.section(self.oned_conf, "FEDERATION").get("MODE", "")
        return mode.upper() or "STANDALONE"

    @property
    def hook_manager(self) -> Unit | None:
        """The unit of the hook manager, unless systemd describes one that does not exist."""
        unit = self.units.get(HOOK_MANAGER)
        return unit if unit is not None and unit.enabled else None

    @property
    def has_ended(self) -> bool:
        """Whether its oned does not run, and systemd is neither stopping nor starting it."""
        unit = self.units.get("opennebula")
        return not self.active and not self.stopping and not (unit and unit.runs)

    @property
    def starts_at_boot(self) -> bool:
        """Whether its oned starts at boot."""
        unit = self.units.get("opennebula")
        return unit is None or unit.starts_at_boot

    @property
    def newest_conf(self) -> str:
        """The newest oned.conf of this host, whether it is in effect or waits for the rollout."""
        return self.next_conf or self.oned_conf

    @property
    def hook_runs(self) -> bool:
        """Whether a Raft hook runs."""
        return bool(self.hooks)

    @property
    def is_behind(self) -> bool:
        """Whether oned runs with an older configuration than the host has."""
        return bool(self.next_conf) or self.configured > self.since

    @property
    def pool(self) -> tuple[ServerEntry, ...]:
        """The zone's servers as this host's database has them, named after their front-ends."""
        return named(pool_of(self.zone_body), self.front_ends.values())

    @property
    def zone_endpoint(self) -> str:
        """The zone's ENDPOINT as this host's database has it."""
        return self._of_zone("ENDPOINT")

    @property
    def zone_grpc(self) -> str:
        """The zone's ENDPOINT_GRPC as this host's database has it."""
        return self._of_zone("ENDPOINT_GRPC")

    def _of_zone(self, name: str) -> str:
        body = self.zone_body
        return read_xml(body).findtext(f"TEMPLATE/{name}", "") if body.strip() else ""

    def view(self, status: RaftStatus | None) -> FrontEndView:
        """Return the facts that the planners need. ``status``: its Raft status, if it answers."""
        return FrontEndView(
            name=self.host.name,
            running=self.active or self.stopping,
            server_id=self.server_id,
            has_content=self.has_content,
            identity=self.identity,
            pool=self.pool,
            log_index=self.log_index,
            log_term=self.log_term,
            log_begins=self.log_begins,
            status=status,
            stopped_by_us=self.has_ended and not self.starts_at_boot,
        )


def pool_of(zone_body: str) -> tuple[ServerEntry, ...]:
    """Return the servers in a zone's body (upstream: ZONE/SERVER_POOL/SERVER), by ID."""
    if not zone_body.strip():
        return ()
    body = read_xml(zone_body)
    entries = [
        ServerEntry(
            int(server.findtext("ID", "-1")),
            server.findtext("NAME", ""),
            server.findtext("ENDPOINT", ""),
            server.findtext("ENDPOINT_GRPC", ""),
        )
        for server in body.iterfind("SERVER_POOL/SERVER")
    ]
    return tuple(sorted(entries, key=lambda entry: entry.id))
