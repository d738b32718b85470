"""The specs: what the operator wants, in the form for each procedure. Without secrets."""

import ipaddress
from operator import not_
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from hosts.models import Host, Strict, is_none
from opennebula import ports, raft_hook
from opennebula.api import has_grpc
from opennebula.managed_settings import Setting
from opennebula.zone import endpoint, grpc_endpoint

_NFS = ("nfs", "nfs4")
_SMB = ("cifs", "smb3")


class Spec(Strict):
    """The base of all specs."""


class Database(Spec):
    """The database of a front-end."""

    backend: str = "MariaDB"
    name: str = "opennebula"
    owner: str = "oneadmin"

    @property
    def is_mariadb(self) -> bool:
        """Return whether it is MariaDB, not SQLite."""
        return self.backend == "MariaDB"


class Vip(Spec):
    """A VIP, and its interface on one front-end."""

    address: str
    prefix: int
    interface: str

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """Return the subnet of the address."""
        return ipaddress.ip_network(f"{self.address}/{self.prefix}", strict=False)

    @property
    def is_ipv6(self) -> bool:
        """Return whether it is an IPv6 address."""
        return ":" in self.address


class _WithVips(Spec):
    """A spec with VIPs. States of earlier versions have at most one, under another name."""

    vips: tuple[Vip, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_earlier_version(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "vip" not in fields:
            return fields
        rest = {key: value for key, value in fields.items() if key != "vip"}
        return {**rest, "vips": [fields["vip"]] if fields["vip"] else []}


VipsOfHost = Annotated[
    tuple[Vip, ...], BeforeValidator(lambda each: [each] if isinstance(each, dict) else each)
]
"""The VIPs of one front-end. States of earlier versions have a single one."""


class Hooks(Spec):
    """The programs of the Raft hooks."""

    leader: str = raft_hook.PACKAGED
    follower: str = raft_hook.PACKAGED


class RepositorySource(Spec):
    """A mirror of OpenNebula's package repository; None for OpenNebula's own."""

    url: str | None = None
    key_url: str | None = None
    key: str | None = None
    pre_enable: bool = True
    """Enable the other repositories that OpenNebula's packages need."""


class PackageSpec(Spec):
    """Which packages a front-end must have, and where they come from."""

    version: str
    features: tuple[str, ...] = ()
    mariadb: bool = True
    fstypes: tuple[str, ...] = ()
    """Types of the file systems that are mounted."""
    python: bool = False
    """A program of ours needs Python on the host."""
    repository: RepositorySource = RepositorySource.model_construct()
    proxy: str = ""
    """URL of a proxy for packages; empty if none."""
    refresh: bool = Field(False, exclude_if=not_)
    """Refresh the lists of all repositories before installing packages."""


class MountSpec(Spec):
    """A mount of the front-ends: its line in /etc/fstab, and owner and mode of its top folder."""

    src: str
    path: str
    fstype: str
    opts: str
    owner: str
    group: str
    mode: str

    @property
    def line(self) -> str:
        """Return the line of /etc/fstab."""
        return f"{self.src} {self.path} {self.fstype} {self.opts} 0 0"

    @property
    def is_writable(self) -> bool:
        """Return whether it is mounted read-write."""
        return "ro" not in self.opts.split(",")

    @property
    def server(self) -> str:
        """Return the server of a share as ``HOST PORT``; empty if it has none that uses TCP."""
        options = dict(option.partition("=")[::2] for option in self.opts.split(","))
        if "udp" in {*options, options.get("proto")}:
            return ""
        if self.fstype in _NFS:
            host, port = self.src.partition(":/")[0].strip("[]"), options.get("port", "2049")
        elif self.fstype in _SMB:
            host, port = self.src.strip("/").partition("/")[0], options.get("port", "445")
        else:
            return ""
        return f"{host} {port}" if port.isdecimal() and int(port) else ""

    @property
    def trial(self) -> str:
        """Return how to try a share without a change of it, or of the host; empty if it has none.

        ``FSTYPE OPTIONS SRC``. Without ``fg`` and ``retry``, an NFS client could continue in the
        background; with locks, it would start a daemon.
        """
        if self.fstype not in (*_NFS, *_SMB):
            return ""
        careful = "ro,fg,retry=0,nolock" if self.fstype in _NFS else "ro"
        return f"{self.fstype} {self.opts},{careful} {self.src}"


def _whole(value: Any) -> Any:
    """Return a value with whole numbers as int: a state has floats."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


Plain = Annotated[Any, BeforeValidator(_whole)]
"""A JSON value of the config."""


class Drivers(Spec):
    """Settings of the drivers on the hypervisors."""

    unsafe_migrations: bool = True
    keep_empty_bridge: bool = True
    tproxy: tuple[dict[str, Plain], ...] = ()
    """Proxies for virtual machines; empty: keep those of the file."""


class Schedulers(Spec):
    """Settings of the schedulers, by attribute, or by section and key."""

    rank: dict[str, Setting] = Field(default_factory=dict)
    drs: dict[str, Plain] = Field(default_factory=dict)


class LdapSpec(Spec):
    """Authentication with LDAP, without the servers' passwords."""

    is_default: bool = False
    """Authenticate users with LDAP that OpenNebula does not know."""
    servers: dict[str, dict[str, Plain]] = Field(default_factory=dict)
    choice: dict[str, Plain] = Field(default_factory=dict)
    """How a server is chosen: ``:order`` or ``:match_user_regex``."""
    mappings: dict[str, dict[str, int]] = Field(default_factory=dict)
    """File name to the mapping of LDAP groups to IDs of OpenNebula's groups."""


class ClockSpec(Spec):
    """Time servers, time zone and locale."""

    pools: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    timezone: str = ""
    locale: dict[str, str] = Field(default_factory=dict)


class BackupSpec(Spec):
    """Dumps on a timer."""

    schedule: str
    """As in systemd's OnCalendar."""
    keep: int
    """How many of them each front-end keeps."""
    copy_to: str = ""
    """Folder that gets a copy of each; empty if none."""


class InstallationSpec(_WithVips):
    """One front-end's packages, database, configuration and credentials."""

    host: Host
    version: str
    repository: RepositorySource = RepositorySource.model_construct()
    features: tuple[str, ...] = ()
    database: Database = Database.model_construct()
    hooks: Hooks | None = None
    """The Raft hooks; None for a standalone front-end."""
    entrance: str = ""
    """Address or name that leads to the present leader, of a VIP or a load balancer, if any."""
    leader_check: int | None = None
    """Port at which it reports whether it is the leader."""
    gate_endpoint: str
    bind: dict[str, str] = Field(default_factory=dict)
    """Feature to the address that it listens on."""
    names: dict[str, str] = Field(default_factory=dict)
    """Entries of /etc/hosts: name to address. Empty if the operator's DNS has the names."""
    oned: dict[str, Setting] = Field(default_factory=dict)
    """Attributes of oned.conf. An empty list removes one: a state has no null."""
    pkg_cache_proxy: str | None = None
    """URL of a proxy for packages."""
    unattend_disable: bool = False
    """Remove packages that install upgrades automatically."""
    update_pkg_cache: bool = False
    """Refresh the lists of all repositories before installing packages."""
    drivers: Drivers = Drivers.model_construct()
    schedulers: Schedulers = Schedulers.model_construct()
    ldap: LdapSpec = LdapSpec.model_construct()
    clock: ClockSpec = ClockSpec.model_construct()
    ensure_hostname: bool = False
    mounts: tuple[MountSpec, ...] = ()
    links: dict[str, str] = Field(default_factory=dict)
    """ID of a datastore to the target of the link that replaces its folder."""
    backup: BackupSpec | None = Field(None, exclude_if=is_none)
    purge: bool = False

    @property
    def has_hook(self) -> bool:
        """Return whether our hook is used, or may be called by the operator's own hook."""
        if self.hooks is None:
            return False
        addresses = [vip.address for vip in self.vips]
        commands = (self.hooks.leader, self.hooks.follower, raft_hook.PACKAGED)
        return raft_hook.OURS in {raft_hook.fit(command, addresses) for command in commands}

    @property
    def packages(self) -> PackageSpec:
        """Return what the front-end needs of package repositories."""
        return PackageSpec(
            version=self.version,
            features=self.features,
            mariadb=self.database.is_mariadb,
            fstypes=tuple(sorted({mount.fstype for mount in self.mounts})),
            python=self.has_hook,
            repository=self.repository,
            proxy=self.pkg_cache_proxy or "",
            refresh=self.update_pkg_cache,
        )


class ZoneSpec(_WithVips):
    """The zone, whichever its servers are."""

    name: str
    endpoint: str
    """ENDPOINT of the zone: of the first VIP, or of a front-end."""
    has_entrance: bool = False
    """The endpoint leads to the present leader."""
    register_grpc: bool | None = Field(None, exclude_if=is_none)
    """New servers get an ENDPOINT_GRPC. None is False: states of earlier versions lack it."""
    highly_available: bool
    database: Database = Database.model_construct()
    keep_dumps: int = 10

    @property
    def grpc(self) -> str:
        """Return the ENDPOINT_GRPC of the zone; empty if the endpoint is not oned's own port."""
        host = self.endpoint.removeprefix("http://").removesuffix(":2633/RPC2").strip("[]")
        return grpc_endpoint(host) if self.endpoint == endpoint(host) else ""

    def grpc_of(self, name: str) -> str:
        """Return the gRPC endpoint to register for a front-end; empty if none."""
        return grpc_endpoint(name) if self.register_grpc else ""


class MemberSpec(Spec):
    """One front-end as a server of the zone."""

    host: Host
    zone: ZoneSpec


class WebSpec(Spec):
    """The web server with TLS in front of FireEdge, on each of those front-ends."""

    hosts: dict[str, Host]
    server: str
    names: tuple[str, ...]
    """Names and addresses that clients use."""
    key: str
    certchain: str
    generate: bool = False
    """Create the certificate on one front-end, and copy it to the others."""

    @property
    def alternative_names(self) -> str:
        """Return the names in openssl's form for subjectAltName."""
        return ",".join(f"{_kind_of(name)}:{name}" for name in self.names)


def _kind_of(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "DNS"
    return "IP"


class LoginKeysSpec(Spec):
    """Accounts that log in from each of those front-ends to all others."""

    users: tuple[str, ...]
    hosts: dict[str, Host]
    rsa_key_size: int | None = None
    """Size of new RSA keys in bits; None for Ed25519 keys."""


class PreparedSpec(Spec):
    """What operators prepare on each front-end themselves: by hand, or with their own commands."""

    accounts: tuple[str, ...] = ()
    """Accounts that get login keys."""
    programs: tuple[str, ...] = ()
    """Paths of programs that the Raft hooks run, without those of OpenNebula's package."""
    timezone: str = ""
    mount_points: tuple[str, ...] = ()
    """Empty folders, or none yet, without other lines in /etc/fstab."""
    sources: tuple[str, ...] = ()
    """Paths on the host itself of what is mounted there, or what datastores link to."""
    servers: tuple[str, ...] = ()
    """Servers of shares, as ``HOST PORT``."""
    shares: tuple[str, ...] = ()
    """Trials of shares: see ``MountSpec``."""
    links: dict[str, str] = Field(default_factory=dict)
    """See ``InstallationSpec``."""
    key: str = ""
    """Path of the web server's private key; empty if this program makes it."""
    certchain: str = ""
    """Path of the certificate for it."""

    def since(self, old: "PreparedSpec") -> "PreparedSpec":
        """Return what is not in ``old``."""
        same_pair = (self.key, self.certchain) == (old.key, old.certchain)
        return PreparedSpec(
            accounts=tuple(name for name in self.accounts if name not in old.accounts),
            programs=tuple(path for path in self.programs if path not in old.programs),
            timezone=self.timezone if self.timezone != old.timezone else "",
            mount_points=tuple(p for p in self.mount_points if p not in old.mount_points),
            sources=tuple(path for path in self.sources if path not in old.sources),
            servers=tuple(server for server in self.servers if server not in old.servers),
            shares=tuple(share for share in self.shares if share not in old.shares),
            links=dict(self.links.items() - old.links.items()),
            key="" if same_pair else self.key,
            certchain="" if same_pair else self.certchain,
        )


class PreflightSpec(Spec):
    """What preflight checks the front-ends for."""

    hosts: dict[str, Host]
    version: str
    database: Database = Database.model_construct()
    features: tuple[str, ...] = ()
    reachable: tuple[str, ...] = ()
    """Features that other hosts must be able to reach."""
    vips: dict[str, VipsOfHost] = Field(default_factory=dict)
    """The VIPs by front-end."""
    ensure_hosts: bool = True
    """The stack writes the front-ends' names to /etc/hosts."""
    ensure_hostname: bool = False
    """The stack sets each front-end's host name."""
    locales: tuple[str, ...] = ()
    """The locales that the stack sets."""
    sets_clocks: bool = False
    """The stack sets time servers."""
    register_grpc: bool | None = Field(None, exclude_if=is_none)
    """See ``ZoneSpec``."""
    prepared: PreparedSpec | None = Field(None, exclude_if=is_none)
    packages: PackageSpec | None = Field(None, exclude_if=is_none)
    """What each front-end needs of package repositories."""

    @property
    def core_ports(self) -> dict[int, str]:
        """Return oned's ports, with their names."""
        return {ports.ONED: "oned"} | ({ports.GRPC: "gRPC"} if has_grpc(self.version) else {})
