"""What the operator wants, as each procedure needs it. Holds no secret."""

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from hosts.models import Host, Strict, is_none
from opennebula import ports, raft_hook
from opennebula.api import has_grpc
from opennebula.managed_settings import Setting
from opennebula.zone import endpoint, grpc_endpoint


class Spec(Strict):
    """Base of all."""


class Database(Spec):
    """Where a front-end keeps its data."""

    backend: str = "MariaDB"
    name: str = "opennebula"
    owner: str = "oneadmin"

    @property
    def is_mariadb(self) -> bool:
        """Not SQLite."""
        return self.backend == "MariaDB"


class Vip(Spec):
    """An address that follows the leader, and the interface of one front-end for it."""

    address: str
    prefix: int
    interface: str

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The subnet that the address is in."""
        return ipaddress.ip_network(f"{self.address}/{self.prefix}", strict=False)

    @property
    def is_ipv6(self) -> bool:
        """Not IPv4."""
        return ":" in self.address


class _WithVips(Spec):
    """What has VIPs. States of former versions have one at most, by another name."""

    vips: tuple[Vip, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "vip" not in given:
            return given
        rest = {key: value for key, value in given.items() if key != "vip"}
        return {**rest, "vips": [given["vip"]] if given["vip"] else []}


VipsOfHost = Annotated[
    tuple[Vip, ...], BeforeValidator(lambda each: [each] if isinstance(each, dict) else each)
]
"""Of one front-end; the same."""


class Hooks(Spec):
    """What is run on who begins to lead, and on who follows or stops."""

    leader: str = raft_hook.PACKAGED
    follower: str = raft_hook.PACKAGED


class RepositorySource(Spec):
    """A mirror in place of OpenNebula's own repository; empty where it is not one."""

    url: str | None = None
    key_url: str | None = None
    key: str | None = None
    pre_enable: bool = True
    """Have what OpenNebula's packages need of other repositories enabled."""


class MountSpec(Spec):
    """A file system of the front-ends, as a line of /etc/fstab, and who owns its top folder."""

    src: str
    path: str
    fstype: str
    opts: str
    owner: str
    group: str
    mode: str

    @property
    def line(self) -> str:
        """Of /etc/fstab."""
        return f"{self.src} {self.path} {self.fstype} {self.opts} 0 0"

    @property
    def is_writable(self) -> bool:
        """Not mounted read-only."""
        return "ro" not in self.opts.split(",")


def _whole(value: Any) -> Any:
    """A state has all numbers as floats."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


Plain = Annotated[Any, BeforeValidator(_whole)]
"""What JSON has, as the config has it."""


class Drivers(Spec):
    """What the drivers do on the hypervisors."""

    unsafe_migrations: bool = True
    keep_empty_bridge: bool = True
    tproxy: tuple[dict[str, Plain], ...] = ()
    """Proxies for the network's machines; none: as the file has it."""


class Schedulers(Spec):
    """What differs from the schedulers' own settings: of each attribute, or section and key."""

    rank: dict[str, Setting] = Field(default_factory=dict)
    drs: dict[str, Plain] = Field(default_factory=dict)


class LdapSpec(Spec):
    """How users log in with LDAP. The servers' passwords are no part of it."""

    is_default: bool = False
    """Users that OpenNebula does not know are asked for there."""
    servers: dict[str, dict[str, Plain]] = Field(default_factory=dict)
    choice: dict[str, Plain] = Field(default_factory=dict)
    """Which server is asked: ``:order`` or ``:match_user_regex``."""
    mappings: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By name of the file: a group there to the ID of one here."""


class ClockSpec(Spec):
    """Whom the time is asked for, and how it is shown."""

    pools: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    timezone: str = ""
    locale: dict[str, str] = Field(default_factory=dict)


class InstallationSpec(_WithVips):
    """One front-end's packages, database, configuration and credentials."""

    host: Host
    version: str
    repository: RepositorySource = RepositorySource.model_construct()
    features: tuple[str, ...] = ()
    database: Database = Database.model_construct()
    hooks: Hooks | None = None
    """Raft's; none of a front-end that is in no zone."""
    entrance: str = ""
    """Where any leader is reached: an address, or a balancer's name; or
    nothing."""
    leader_check: int | None = None
    """Port at which it says whether it leads."""
    gate_endpoint: str
    bind: dict[str, str] = Field(default_factory=dict)
    """Feature to the address that it listens at."""
    names: dict[str, str] = Field(default_factory=dict)
    """Entries of /etc/hosts: name to address. Empty where the operator sees to that."""
    oned: dict[str, Setting] = Field(default_factory=dict)
    """Attributes of oned.conf. An empty list, not a null, is what is not to be there: a state keeps
    no null."""
    pkg_cache_proxy: str | None = None
    """URL of a proxy for packages."""
    unattend_disable: bool = False
    """Nothing on the host installs upgrades by itself."""
    update_pkg_cache: bool = False
    """The lists of all repositories are fresh before anything is installed."""
    drivers: Drivers = Drivers.model_construct()
    schedulers: Schedulers = Schedulers.model_construct()
    ldap: LdapSpec = LdapSpec.model_construct()
    clock: ClockSpec = ClockSpec.model_construct()
    ensure_hostname: bool = False
    mounts: tuple[MountSpec, ...] = ()
    links: dict[str, str] = Field(default_factory=dict)
    """ID of a datastore to the folder that its own folder is a link to."""
    purge: bool = False


class ZoneSpec(_WithVips):
    """What the zone is, with any servers."""

    name: str
    endpoint: str
    """Where clients reach the zone: the first VIP, or a front-end without a VIP."""
    has_entrance: bool = False
    """The endpoint leads to the present leader."""
    register_grpc: bool | None = Field(None, exclude_if=is_none)
    """New servers get an ENDPOINT_GRPC. None is no: states of former versions lack it."""
    highly_available: bool
    database: Database = Database.model_construct()
    keep_dumps: int = 10

    @property
    def grpc(self) -> str:
        """Where clients reach it by gRPC; nothing where the endpoint is not oned's own port."""
        host = self.endpoint.removeprefix("http://").removesuffix(":2633/RPC2").strip("[]")
        return grpc_endpoint(host) if self.endpoint == endpoint(host) else ""

    def grpc_of(self, name: str) -> str:
        """The gRPC endpoint with which that front-end is registered, if any."""
        return grpc_endpoint(name) if self.register_grpc else ""


class MemberSpec(Spec):
    """One front-end's place in the zone."""

    host: Host
    zone: ZoneSpec


class WebSpec(Spec):
    """The web server with TLS in front of FireEdge, on each of those front-ends."""

    hosts: dict[str, Host]
    server: str
    names: tuple[str, ...]
    """By which clients know it: a name, an address."""
    key: str
    certchain: str
    generate: bool = False
    """The certificate is made on one front-end and sent to the others."""

    @property
    def alternative_names(self) -> str:
        """As openssl has them."""
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
    """Of a key that is made, in bits; none: it is an Ed25519 key."""


class PreflightSpec(Spec):
    """What the front-ends must be fit for."""

    hosts: dict[str, Host]
    version: str
    database: Database = Database.model_construct()
    features: tuple[str, ...] = ()
    reachable: tuple[str, ...] = ()
    """Of the features, those that listen for other hosts, too."""
    vips: dict[str, VipsOfHost] = Field(default_factory=dict)
    """By front-end; empty without any."""
    ensure_hosts: bool = True
    """The front-ends' names come into /etc/hosts."""
    ensure_hostname: bool = False
    """Each front-end calls itself by its name in the stack."""
    locales: tuple[str, ...] = ()
    """Those that the hosts are set to use."""
    sets_clocks: bool = False
    """The hosts are set to ask certain servers for the time."""
    register_grpc: bool | None = Field(None, exclude_if=is_none)
    """See ``ZoneSpec``."""

    @property
    def core_ports(self) -> dict[int, str]:
        """oned's own ports, and what they are called."""
        return {ports.ONED: "oned"} | ({ports.GRPC: "gRPC"} if has_grpc(self.version) else {})
