"""The keys of a stack's config: their types, defaults and meanings.

The docstring of each key is its meaning in docs/config.md and in Pulumi.yaml: see table.py.
"""

import hashlib
import json
import types
import typing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic.fields import FieldInfo

from hosts.models import Host, HostSsh, SshSettings, Strict
from opennebula import raft_hook
from opennebula.ldap_auth import CHOICES, PASSWORD
from settings.forms import (
    Account,
    Attribute,
    DatabaseName,
    DatabaseOwner,
    DatastorePath,
    DumpPath,
    FileSystem,
    Folder,
    HostName,
    Identifier,
    Interface,
    IPAny,
    IPv4,
    Listening,
    LocaleSetting,
    Mirror,
    Mode,
    MountOptions,
    MountPoint,
    MountSource,
    Owner,
    Port,
    Program,
    Proxy,
    PublicKeys,
    Script,
    Section,
    SigningKey,
    StepName,
    TimeServer,
    TimeZone,
    Url,
    Version,
    ZoneName,
)

PROJECT = "opennebula-ha"
NONE = "none"
"""In the place of a public key."""


class FrontEnd(Strict):
    """One entry of ``frontends``."""

    address: IPv4
    """Address at which it is reached by SSH and by the others."""
    one_vip_if: Interface | None = None
    """Interface for the VIPs, where it is another one on this host."""
    ssh: HostSsh = HostSsh.model_construct()
    """What differs for this host from `ssh`."""


class FurtherVip(Strict):
    """One entry of ``one_vips``."""

    address: IPAny
    """The address, of IPv4 or IPv6."""
    cidr: Annotated[int, Field(ge=1, le=128)]
    """Length of its subnet prefix."""
    interface: Interface | None = None
    """Interface for it; the one of `one_vip` unless set."""
    interfaces: dict[HostName, Interface] = Field(default_factory=dict)
    """Front-end's name to the interface, where it is another one there."""


class LeaderCheck(Strict):
    """Of ``leader_check``."""

    port: Port | None = None
    """Port at which each front-end says whether it leads, such as `2636`; off unless set."""


class Features(Strict):
    """What runs beside oned."""

    gui: bool = True
    """FireEdge with Sunstone, on every front-end."""
    flow: bool = True
    """OneFlow, on the leader."""
    gate: bool = True
    """OneGate, on the leader."""
    form: bool = True
    """OneForm, on the leader. From OpenNebula 7.2 on, and not on SUSE: there it is left out."""


class Mount(Strict):
    """One entry of ``fstab``."""

    src: MountSource
    """What to mount, such as `10.2.50.1:/nfs/one`."""
    path: MountPoint
    """Where to mount it: a path without blanks, and [no place that the host
    needs](#shared-folders).
    """
    fstype: FileSystem
    """Its type, such as `nfs`."""
    opts: MountOptions = "rw,relatime"
    """Options of the mount."""
    owner: Owner = "9869"
    """Owner of the mounted folder; 9869 is oneadmin."""
    group: Owner = "9869"
    """Its group."""
    mode: Mode = "0750"
    """Its mode. In quotes: `"0750"`."""


class DatastoreMount(Strict):
    """A datastore's folder on a shared file system."""

    type: Literal["image", "system", "file"]
    """`image`, `file` or `system`: each at most once."""
    path: DatastorePath
    """Folder for that datastore, outside `/var/lib/one/datastores`."""


class DatastoreConfig(Strict):
    """Of ``ds``."""

    mounts: list[DatastoreMount] = Field(default_factory=list)


class Datastores(Strict):
    """How the default datastores are kept."""

    mode: Literal["ssh", "shared"] = "ssh"
    """`ssh` or `shared`: what the datastores are. On the front-ends the same is done for both."""
    config: DatastoreConfig = DatastoreConfig.model_construct()
    """What is mounted where."""

    @property
    def links(self) -> dict[str, str]:
        """ID of a datastore to the folder that a front-end's is a link to.

        A system datastore is the hypervisors' matter: a front-end has no use for it.
        """
        ids = {"image": "1", "file": "2"}
        return {ids[one.type]: one.path for one in self.config.mounts if one.type in ids}


class Ldap(Strict):
    """Of ``auth``."""

    config: dict[str, Any] = Field(default_factory=dict)
    """Servers, and `:order` or `:match_user_regex`, as in `ldap_auth.conf`. A server's `:password`
    is a secret.
    """
    mapping: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Server to its groups: the name that a group has there to its ID in OpenNebula. The server has
    a `:mapping_filename`, which ends in `.yaml`.
    """

    @field_validator("config")
    @classmethod
    def _with_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {key: _hidden(key, item) for key, item in one.items()}
            if isinstance(one, dict)
            else one
            for name, one in value.items()
        }

    @property
    def servers(self) -> dict[str, dict[str, Any]]:
        """Without their passwords."""
        return {
            name: {key: item for key, item in one.items() if key != PASSWORD}
            if isinstance(one, dict)
            else {}
            for name, one in self.config.items()
            if name not in CHOICES
        }

    @property
    def choice(self) -> dict[str, Any]:
        """Which server is asked."""
        return {name: value for name, value in self.config.items() if name in CHOICES}

    @property
    def passwords(self) -> dict[str, str]:
        """By server."""
        return {
            name: one[PASSWORD].get_secret_value()
            for name, one in self.config.items()
            if isinstance(one, dict) and isinstance(one.get(PASSWORD), SecretStr)
        }


def _hidden(key: str, value: Any) -> Any:
    return SecretStr(str(value)) if key == PASSWORD and value is not None else value


class Auth(Strict):
    """Who knows the users."""

    default: Literal["ldap"] | None = None
    """`ldap`: who is no user yet is asked for there."""
    ldap: Ldap = Ldap.model_construct()
    """LDAP's servers."""


class Ntp(Strict):
    """One entry of ``ntp``: one of these."""

    timezone: TimeZone | None = None
    """The hosts' time zone, such as `UTC`."""
    locale: LocaleSetting | None = None
    """A variable of the hosts' locale, such as `LC_TIME=C.UTF-8`."""
    pool: TimeServer | None = None
    """A pool of servers, such as `pool.ntp.org`."""
    server: TimeServer | None = None
    """A server."""


class Ssl(Strict):
    """TLS in front of FireEdge. Nothing of it: there is no web server."""

    web_server: Literal["apache", "nginx"] | None = None
    """`apache` (which it is unless set, where anything else of `ssl` is) or `nginx`."""
    key: Folder | None = None
    """Path of the private key on every front-end; `/etc/ssl/private/opennebula-key.pem` unless set,
    or `/etc/one/fireedge-pki/key/server.key` where it is made there.
    """
    certchain: Folder | None = None
    """Path of its certificate, and those that lead to its authority;
    `/etc/ssl/certs/opennebula-certchain.pem` unless set, or
    `/etc/one/fireedge-pki/crt/certchain.crt` where it is made there.
    """
    generate_cert: bool = False
    """Make an authority, a key and a certificate on one front-end, and have them on all."""

    @property
    def is_on(self) -> bool:
        """Whether there is to be a web server."""
        return self != Ssl()

    @property
    def paths(self) -> tuple[str, str]:
        """Of the key and of the certificate."""
        key, certchain = _GENERATED if self.generate_cert else _OWN
        return self.key or key, self.certchain or certchain


_OWN = ("/etc/ssl/private/opennebula-key.pem", "/etc/ssl/certs/opennebula-certchain.pem")
_GENERATED = ("/etc/one/fireedge-pki/key/server.key", "/etc/one/fireedge-pki/crt/certchain.crt")


class Repository(Strict):
    """A mirror in place of OpenNebula's own package repository."""

    url: Mirror | None = None
    """Its base: what stands before `/VERSION/Debian/12`, `/VERSION/AlmaLinux/9` and so on."""
    key_url: Mirror | None = None
    """Where its signing key is; `URL/repo2.key` unless set."""
    key: SigningKey | None = None
    """The signing key itself, armored, in place of an address."""
    pre_enable: bool = True
    """Enable what OpenNebula's packages need beside it: see [below](#distributions). `false` where
    repositories of yours take its place.
    """


class Command(Strict):
    """One entry of ``commands``: a step of the operator's own."""

    name: StepName
    """Its name; each once."""
    hosts: list[HostName] = Field(default_factory=list)
    """On which front-ends; all of them unless set."""
    when: Literal["before-installation", "after-join"]
    """`before-installation`: before anything is done on the host; `after-join`: once it is in the
    zone.
    """
    create: Script
    """What is run, by the user who logs in: write `sudo` where it needs that."""
    update: Script | None = None
    """What is run where one of these keys has changed; `create` unless set."""
    delete: Script | None = None
    """What is run where the command, or the front-end, leaves the stack."""
    triggers: list[str] = Field(default_factory=list)
    """Texts whose change has it run anew, as if it were new."""


class Settings(Strict):
    """The whole config of a stack. Field names are the config's keys."""

    one_version: Version
    """Version of OpenNebula as its repository is called. In quotes: `"7.2"`, or `"7.2.1"` for one
    release.
    """
    one_pass: SecretStr
    """Password of oneadmin, without spaces; another one changes it in a zone that is there, and
    must have none of `<`, `>` and `&` then.
    """
    one_token: SecretStr | None = None
    """`user:password` of the enterprise repository. Without it the community's is used."""
    zone_name: ZoneName = "OpenNebula"
    """Name of the zone."""
    force_ha: bool = False
    """Make a zone even of one front-end, ready to grow."""
    one_vip: IPAny | None = None
    """Address that follows the leader, of IPv4 or IPv6. Free, not a front-end's, in the subnet of
    the front-ends.
    """
    one_vip_cidr: Annotated[int, Field(ge=1, le=128)] | None = None
    """Length of its subnet prefix, such as `24`."""
    one_vip_if: Interface | None = None
    """Interface for it. The three `one_vip` keys go together; none of them: a zone without a VIP,
    see [below](#without-a-vip).
    """
    one_vips: list[FurtherVip] = Field(default_factory=list)
    """Further addresses that follow the leader: see [below](#several-vips)."""
    leader_hook: Program = raft_hook.PACKAGED
    """What the front-end that begins to lead runs: a path, or one below
    `/var/lib/one/remotes/hooks`; see [below](#hooks-of-your-own).
    """
    follower_hook: Program = raft_hook.PACKAGED
    """The same for one that ceases to lead, or starts, or stops."""
    zone_endpoint: Url | None = None
    """URL at which clients reach the zone, such as `http://one.example.org:2633/RPC2` of a load
    balancer; that of the first VIP (or of the first front-end) unless set.
    """
    leader_check: LeaderCheck = LeaderCheck.model_construct()
    """For load balancers: see [below](#without-a-vip)."""
    frontends: Annotated[dict[HostName, FrontEnd], Field(min_length=1)]
    """The front-ends: name to what follows. The name is the host's name to the others. The order is
    irrelevant; more than one must be an odd number.
    """
    ssh: SshSettings = SshSettings.model_construct()
    """How to log in."""
    ensure_keys_for: list[Account] = Field(default_factory=list)
    """Accounts, such as `[ubuntu, root]`, that are to log in by SSH from each front-end to all
    others: see [below](#keys-of-accounts).
    """
    rsa_key_size: Annotated[int, Field(ge=1024, le=16384)] | None = None
    """Length of those keys in bits, which are RSA then; otherwise they are Ed25519."""
    ensure_hostname: bool = False
    """Have each front-end's own hostname be its name in `frontends`."""
    ensure_hosts: bool = True
    """Have the front-ends' names in `/etc/hosts` on every front-end. Otherwise your DNS must."""
    db_backend: Literal["MariaDB", "SQLite"] = "MariaDB"
    """`MariaDB`, or `SQLite` for one front-end without high availability."""
    convert_database: bool = False
    """Where the one front-end that holds data has them in SQLite: move them to MariaDB. Nobody can
    use OpenNebula during that; once it is done the key has no effect: see
    [how](safety.md#from-sqlite-to-mariadb-proceduresconvert_databasepy).
    """
    db_name: DatabaseName = "opennebula"
    """Name of the database: one of OpenNebula's own, not of MariaDB's."""
    db_owner: DatabaseOwner = "oneadmin"
    """Account in MariaDB. It may use that database, from the host itself, and nothing else;
    so it is no account of MariaDB's own, such as root.
    """
    db_password: SecretStr | None = None
    """Password of that account. Needed for MariaDB."""
    repository: Repository = Repository.model_construct()
    """A mirror in place of OpenNebula's own package repository."""
    pkg_cache_proxy: Proxy | None = None
    """Proxy for packages, such as `http://10.2.11.1:3142`: see [below](#packages)."""
    unattend_disable: bool = False
    """Remove what installs upgrades by itself: see [below](#packages)."""
    update_pkg_cache: bool = False
    """Read the lists of all package repositories anew before anything is installed; one that cannot
    be read is an error then.
    """
    features: Features = Features.model_construct()
    """What runs beside oned."""
    fstab: list[Mount] = Field(default_factory=list)
    """File systems to mount on every front-end: see [below](#shared-folders)."""
    ds: Datastores = Datastores.model_construct()
    """Where the default datastores' folders are: see [below](#shared-folders)."""
    gate_endpoint: Url | None = None
    """URL of OneGate for virtual machines; port 5030 of the VIP (or of the first front-end) unless
    set.
    """
    gate_bind_addr: Listening = "0.0.0.0"  # noqa: S104 - one-deploy's
    """Address at which OneGate listens."""
    gate_tproxy: list[dict[str, Any]] = Field(default_factory=list)
    """Proxies on the hypervisors for the machines, each as in `OpenNebulaNetwork.conf`, such as
    `{":service_port": 5030, ":remote_addr": 10.2.50.86, ":remote_port": 5030}`: see
    [below](#what-the-hypervisors-get).
    """
    flow_bind_addr: Listening = "0.0.0.0"  # noqa: S104
    """Address at which OneFlow listens."""
    form_bind_addr: Listening = "0.0.0.0"  # noqa: S104
    """Address at which OneForm listens."""
    admin_pubkey: PublicKeys = "leader"
    """oneadmin's SSH_PUBLIC_KEY, with which it logs in to virtual machines: keys, a line each;
    `leader`: the one that it has on the front-ends; `none` (there `null`): leave it as it is.
    """
    unsafe_migrations: bool = True
    """Let machines migrate although libvirt does not see their disks to be shared (`--unsafe` among
    the `MIGRATE_OPTIONS` of `kvmrc`): see [below](#what-the-hypervisors-get).
    """
    keep_empty_bridge: bool = True
    """Keep the hypervisors' bridges when no machine is left on them: see
    [below](#what-the-hypervisors-get).
    """
    sched_rank: dict[Identifier, Attribute] = Field(default_factory=dict)
    """Attributes of the rank scheduler (`/etc/one/schedulers/rank.conf`), written as those of
    `oned`.
    """
    sched_drs: dict[Identifier, Section] = Field(default_factory=dict)
    """Keys of the distributed resource scheduler (`/etc/one/schedulers/one_drs.conf`), such as
    `{OPTIMIZE: {POLICY: PACK}}`. A key of a section is set as a whole.
    """
    auth: Auth = Auth.model_construct()
    """Who knows the users: see [below](#ldap)."""
    one_fqdn: HostName | None = None
    """Name by which clients know FireEdge, for its certificate; besides it they may use the VIP."""
    ssl: Ssl = Ssl.model_construct()
    """TLS in front of FireEdge: see [below](#tls)."""
    ntp: list[Ntp] = Field(default_factory=list)
    """How the hosts keep the time: see [below](#time)."""
    oned: dict[Identifier, Attribute] = Field(default_factory=dict)
    """Any further attribute of `oned.conf`, such as `{LOG: {DEBUG_LEVEL: 4}}`: see
    [below](#attributes-of-onedconf). Not DB, FEDERATION, the Raft hooks or ONEGATE_ENDPOINT:
    those have keys of their own.
    """
    commands: list[Command] = Field(default_factory=list)
    """Steps of your own on the front-ends: see [below](#steps-of-your-own)."""
    adopt: Literal["observe"] | None = None
    """`observe`: change nothing, neither on a host nor in OpenNebula. The stack takes up the zone
    that runs on its front-ends, and each preview lists what the stack would change. Take the key
    out to have that done. Without it the first `up` on a running zone changes nothing either, and
    the next one does: see [below](#adopting-a-zone).
    """
    lost: list[HostName] = Field(default_factory=list)
    """Front-ends that are gone for good. They leave the zone without being reached; as long as they
    stand here, `pulumi refresh` looks whether they stay away.
    """
    allow_degraded: bool = False
    """Let front-ends leave while one that stays is down; one more failure then stops the zone."""
    skip_checks: list[
        Literal[
            "clock",
            "disk",
            "interface",
            "listeners",
            "logins",
            "memory",
            "names",
            "own_name",
            "password_policy",
            "ports",
            "proxy",
            "service_ports",
            "vip",
            "vip_managers",
        ]
    ] = Field(default_factory=list)
    """Checks beforehand to leave out, such as `[memory]`: see
    [their list](safety.md#beforehand-procedurespreflightpy).
    """
    restore_from: DumpPath | None = None
    """Path on your machine of a dump that this program kept, with its keys beside it. Where no
    front-end holds a database the zone begins with it; anywhere else it means nothing. `make
    restore` sets it and takes it back.
    """
    upgrade_database: Version | None = None
    """The version, as in `one_version`, for which the database may be changed while the whole zone
    is down for some minutes. Without it such a version is refused.
    """
    keep_dumps: Annotated[int, Field(ge=1)] = 10
    """How many dumps of the database to keep on a front-end."""
    purge: bool = False
    """On destroy, or when a front-end leaves, remove OpenNebula's packages and its data there too.
    """

    @property
    def highly_available(self) -> bool:
        """Several front-ends, or one that is to become several."""
        return self.force_ha or len(self.frontends) > 1

    @property
    def hosts(self) -> dict[str, Host]:
        """The front-ends' places on the network, by name."""
        return {
            name: Host(name=name, address=str(one.address), ssh=one.ssh)
            for name, one in sorted(self.frontends.items())
        }

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that are on."""
        return tuple(name for name, on in self.features if on)

    def fingerprint(self, *keys: str) -> str:
        """Of these secrets, or of all; itself a secret."""
        values: list[SecretStr | None] = [getattr(self, key) for key in keys or SECRETS]
        texts: list[Any] = [value.get_secret_value() if value else None for value in values]
        if not keys and self.auth.ldap.passwords:
            texts.append(self.auth.ldap.passwords)
        text = json.dumps(texts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def base(annotation: Any) -> Any:
    """``T`` of ``T | None`` and of ``Annotated[T, …]``."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return base(kinds[0])
    if typing.get_origin(annotation) is Annotated:
        return base(typing.get_args(annotation)[0])
    return annotation


def declared_default(field: FieldInfo) -> Any:
    """The default as Pulumi is told of it, which wants one of each key that may be left out."""
    value = field.get_default(call_default_factory=True)
    if value is None:
        return 0 if base(field.annotation) is int else ""
    return {} if isinstance(value, BaseModel) else value


SECRETS = tuple(
    key for key, field in Settings.model_fields.items() if base(field.annotation) is SecretStr
)
"""What only providers get, and no resource. ``ssh`` and ``auth`` may have one in them, too."""
