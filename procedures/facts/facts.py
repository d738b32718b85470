"""The facts of one front-end, as its host shows them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hosts.models import Host
from opennebula import conf
from opennebula.database import DatabaseSection
from opennebula.markup import read_xml
from opennebula.membership.observed import FrontEndView
from opennebula.zone import STANDALONE_ID, RaftStatus, ServerEntry, named
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
    """A systemd unit: whether it starts at boot, and whether it runs; in systemd's words."""

    enabled: str
    active: str
    restarts: int = 0
    """How often systemd has started it again by itself since its last start by hand."""
    seconds: float = math.inf
    """For how long it has been active; 0 where it is not."""

    @property
    def starts_at_boot(self) -> bool:
        """Whether it is neither disabled nor masked."""
        return self.enabled.removesuffix("-runtime") not in ("disabled", "masked")

    @property
    def runs(self) -> bool:
        """It does, or is on its way."""
        return self.active not in ("inactive", "failed")


@dataclass(frozen=True)
class KeyFile:
    """A file with a secret of oneadmin's, by what may be reported of it."""

    mode: int
    owner: str
    digest: str


@dataclass(frozen=True)
class File:
    """A file as it is there."""

    text: str = field(repr=False)
    mode: int
    owner: str


@dataclass(frozen=True)
class Facts:
    """One front-end as its host shows it."""

    host: Host
    distribution: str
    release: str
    machine_id: str
    addresses: tuple[Address, ...]
    resolves: Mapping[str, str]
    """The names that were asked for, each with its addresses, the one that is taken first."""
    packages: Mapping[str, Package]
    """All that is installed."""
    pin: str
    """The version of OpenNebula that a plain upgrade of the host keeps; * is any that is there."""
    proxy: str
    """What of ours the host has for a proxy for packages."""
    active: bool
    """Its oned runs. One that is being stopped does not, and has not ended either. Nor does one
    that systemd starts again and again; a start in progress was waited for.
    """
    since: int
    """When oned was started last, seconds since the epoch; 0 where it never was."""
    configured: int
    """When its configuration files changed last, seconds since the epoch."""
    oned_conf: str
    next_conf: str
    """The oned.conf that waits for the rollout, while oned runs with another one; or nothing."""
    dumps: tuple[Dump, ...]
    has_content: bool
    identity: str
    zone_body: str
    zone_changed: int
    log_index: int
    log_term: int
    log_begins: int
    checksums: str
    """Of every replicated table, where asked for."""
    files: Mapping[str, File] = field(default_factory=dict)
    """Those in which this program sets something, by path, as far as they are there."""
    hostname: str = ""
    own_names: Mapping[str, str] = field(default_factory=dict)
    """Our part of /etc/hosts: name to address."""
    hosts_template: str = ""
    """Path of what cloud-init makes /etc/hosts of at a boot, with our lines of it; or nothing."""
    keeps_hostname: bool | None = None
    """Cloud-init is set to leave the hostname alone; None where there is no cloud-init."""
    timezone: str = ""
    units: Mapping[str, Unit] = field(default_factory=dict)
    """MariaDB, OpenNebula's, those that keep the time and ours, by name without ``.service``."""
    stopping: bool = False
    """Its oned is being stopped."""
    sudo_refusal: str = ""
    """What sudo says where it does not let oneadmin do what moves a VIP."""
    hook_runs: bool = False
    """A Raft hook is at work: it moves the VIP and the services that go with it."""
    leads: bool | None = None
    """By Raft's word; None where that was not asked, or not answered: see install/install.py."""
    keys: Mapping[str, KeyFile] = field(default_factory=dict)
    """By path."""
    remotes: Mapping[str, str] = field(default_factory=dict)
    """Checksum of each folder of the remotes, by path, where asked for."""
    grants: tuple[str, ...] = ()
    """What the database's account may do."""
    two_passwords: bool = False
    """That account is let in with another password, too, while an oned still has that one."""
    silent: str = ""
    """What the database says where it does not answer; then nothing is known of its content."""
    schema: str = ""
    """Version of the database."""
    staged: str = ""
    """Version of the packages that wait on the host for their turn; or nothing."""
    staged_schema: str = ""
    """Version of the database that those need."""
    replaced: str = ""
    """Version that was there when they were fetched."""
    upgrading: str = ""
    """A change of the database's version that is under way: see procedures/upgrade/upgrade.py."""
    migrating: str = ""
    """Path of the dump from before an ``onedb upgrade`` that has not ended; or nothing."""
    converting: str = ""
    """The database that its data come to from SQLite, while they do: see convert_database.py."""
    storage: Storage = field(default_factory=Storage)
    traces: Traces = field(default_factory=Traces)
    has_grpc_port: bool = True
    """Something listens at oned's gRPC port, as far as that is known."""
    front_ends: Mapping[str, Host] = field(default_factory=dict, compare=False, repr=False)
    """See ``Access``: zone servers are called after them."""

    @property
    def database(self) -> DatabaseSection:
        """Where its oned keeps its data, by its oned.conf."""
        return DatabaseSection.of(self.oned_conf)

    @property
    def package(self) -> str:
        """Version of the package opennebula; empty where it is not installed."""
        return self.packages["opennebula"].version if "opennebula" in self.packages else ""

    @property
    def server_id(self) -> int:
        """SERVER_ID in oned.conf; the one of a standalone oned without any."""
        return int(conf.section(self.oned_conf, "FEDERATION").get("SERVER_ID", STANDALONE_ID))

    @property
    def federation_mode(self) -> str:
        """FEDERATION/MODE in oned.conf, in upper case; STANDALONE if it is not set."""
        mode = conf.section(self.oned_conf, "FEDERATION").get("MODE", "")
        return mode.upper() or "STANDALONE"

    @property
    def has_ended(self) -> bool:
        """Its oned does not run, and systemd is neither stopping it nor about to start it."""
        unit = self.units.get("opennebula")
        return not self.active and not self.stopping and not (unit and unit.runs)

    @property
    def starts_at_boot(self) -> bool:
        """Its oned starts with the host."""
        unit = self.units.get("opennebula")
        return unit is None or unit.starts_at_boot

    @property
    def newest_conf(self) -> str:
        """The newest oned.conf of this host, in effect or not."""
        return self.next_conf or self.oned_conf

    @property
    def is_behind(self) -> bool:
        """Whether oned runs with less than its newest configuration."""
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
        if not self.zone_body.strip():
            return ""
        body = read_xml(self.zone_body)
        return body.findtext(f"TEMPLATE/{name}", "")

    def view(self, status: RaftStatus | None) -> FrontEndView:
        """What the planners need of it."""
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
    """The servers in a zone's body (upstream: ZONE/SERVER_POOL/SERVER), by ID."""
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
