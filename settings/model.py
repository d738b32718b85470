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

from hosts.models import Host, HostSsh, Port, SshSettings, Strict
from opennebula import raft_hook
from opennebula.ldap_auth import CHOICES, PASSWORD
from settings import forms

PROJECT = "opennebula-ha"
NONE = "none"
"""In the place of a public key."""


class FrontEnd(Strict):
    """One entry of ``frontends``."""

    address: forms.IPv4
    """Address at which your machine and the other front-ends reach it."""
    one_vip_if: forms.Interface | None = None
    """Interface for the VIPs, if this host uses another one."""
    ssh: HostSsh = HostSsh.model_construct()
    """SSH settings of this host that differ from `ssh`."""
    zone_server: forms.ServerName | None = None
    """NAME of its server in the zone, as `onezone show 0` prints it, if another program registered
    it and neither its name nor its address is in the server's endpoint. See [Adopting a
    zone](#adopting-a-zone).
    """


class FurtherVip(Strict):
    """One entry of ``one_vips``."""

    address: forms.IPAny
    """The address, IPv4 or IPv6."""
    cidr: Annotated[int, Field(ge=1, le=128)]
    """Prefix length of its subnet."""
    interface: forms.Interface | None = None
    """Interface for the address; unless set, the interface of `one_vip`."""
    interfaces: dict[forms.HostName, forms.Interface] = Field(default_factory=dict)
    """Front-end's name to interface, for hosts that use another one."""


class LeaderCheck(Strict):
    """Answer a load balancer's question which front-end leads."""

    port: Port | None = None
    """Port at which each front-end reports whether it is the leader, such as `2636`. Off unless
    set.
    """


class Features(Strict):
    """The services that run next to oned."""

    gui: bool = True
    """FireEdge with Sunstone, on every front-end."""
    flow: bool = True
    """OneFlow, on the leader."""
    gate: bool = True
    """OneGate, on the leader."""
    form: bool = True
    """OneForm, on the leader. Needs OpenNebula 7.2 or later; not available on SUSE, where it is
    left out.
    """


class Backup(Strict):
    """Dumps on a timer of the front-ends."""

    schedule: forms.Schedule | None = None
    """When the leader dumps its database, as systemd writes it in `OnCalendar` and in the hosts'
    time zone: `daily`, or `*-*-* 03:00`. Off unless set.
    """
    keep: Annotated[int, Field(ge=1)] | None = None
    """Number of these dumps to keep on each front-end, and in `copy_to`. Default: `keep_dumps`.
    Other dumps are counted by themselves.
    """
    copy_to: forms.CopyFolder | None = None
    """Folder that also gets each of these dumps, such as `/mnt/backups`: on a file system of its
    own, such as an NFS share, and for this zone alone.
    """


class Mount(Strict):
    """One entry of ``fstab``."""

    src: forms.MountSource
    """What to mount, such as `10.2.50.1:/nfs/one`."""
    path: forms.MountPoint
    """Mount point: a path without blanks that is [free for shares](#shared-folders)."""
    fstype: forms.FileSystem
    """File system type, such as `nfs`."""
    opts: forms.MountOptions = "rw,relatime"
    """Mount options."""
    owner: forms.Owner = "9869"
    """Owner of the mounted folder. 9869 is oneadmin."""
    group: forms.Owner = "9869"
    """Group of the mounted folder."""
    mode: forms.Mode = "0750"
    """Mode of the mounted folder. In quotes: `"0750"`."""


class DatastoreMount(Strict):
    """A datastore's folder on a shared file system."""

    type: Literal["image", "system", "file"]
    """`image`, `file` or `system`. Each at most once."""
    path: forms.DatastorePath
    """Folder for that datastore, outside `/var/lib/one/datastores`."""


class DatastoreConfig(Strict):
    """The datastores' folders."""

    mounts: list[DatastoreMount] = Field(default_factory=list)
    """Folders that are on a shared file system."""


class Datastores(Strict):
    """The default datastores."""

    mode: Literal["ssh", "shared"] = "ssh"
    """Type of the datastores: `ssh` or `shared`. Both are set up alike on the front-ends."""
    config: DatastoreConfig = DatastoreConfig.model_construct()
    """Folders of the datastores."""

    @property
    def links(self) -> dict[str, str]:
        """ID of a datastore to the folder that a front-end's is a link to.

        A system datastore is the hypervisors' matter: a front-end has no use for it.
        """
        ids = {"image": "1", "file": "2"}
        return {ids[mount.type]: mount.path for mount in self.config.mounts if mount.type in ids}


class Ldap(Strict):
    """LDAP servers and their groups."""

    config: dict[str, Any] = Field(default_factory=dict)
    """Servers, and `:order` or `:match_user_regex`, as in `ldap_auth.conf`. A server's `:password`
    is a secret.
    """
    mapping: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Server to its group mapping: name of the LDAP group to ID of the OpenNebula group. The server
    needs a `:mapping_filename` that ends in `.yaml`.
    """

    @field_validator("config")
    @classmethod
    def _with_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {**server, PASSWORD: SecretStr(str(server[PASSWORD]))}
            if isinstance(server, dict) and server.get(PASSWORD) is not None
            else server
            for name, server in value.items()
        }

    @property
    def servers(self) -> dict[str, dict[str, Any]]:
        """Return the servers without their passwords."""
        return {
            name: {key: item for key, item in server.items() if key != PASSWORD}
            if isinstance(server, dict)
            else {}
            for name, server in self.config.items()
            if name not in CHOICES
        }

    @property
    def choice(self) -> dict[str, Any]:
        """Return the keys that choose which server is asked."""
        return {name: value for name, value in self.config.items() if name in CHOICES}

    @property
    def passwords(self) -> dict[str, str]:
        """Return the password of each server that has one."""
        return {
            name: server[PASSWORD].get_secret_value()
            for name, server in self.config.items()
            if isinstance(server, dict) and isinstance(server.get(PASSWORD), SecretStr)
        }


class Auth(Strict):
    """User authentication."""

    default: Literal["ldap"] | None = None
    """`ldap`: users that OpenNebula does not know yet are authenticated with LDAP."""
    ldap: Ldap = Ldap.model_construct()
    """LDAP servers."""


class Ntp(Strict):
    """One entry of ``ntp``: one of these settings."""

    timezone: forms.TimeZone | None = None
    """The hosts' time zone, such as `UTC`."""
    locale: forms.LocaleSetting | None = None
    """A locale variable of the hosts, such as `LC_TIME=C.UTF-8`."""
    pool: forms.TimeServer | None = None
    """A pool of time servers, such as `pool.ntp.org`."""
    server: forms.TimeServer | None = None
    """A time server."""


class Ssl(Strict):
    """TLS in front of FireEdge. Without any of these keys there is no web server."""

    web_server: Literal["apache", "nginx"] | None = None
    """`apache` or `nginx`. The default is `apache` if any other key of `ssl` is set."""
    key: forms.Folder | None = None
    """Path of the private key on every front-end. Default: `/etc/ssl/private/opennebula-key.pem`,
    or `/etc/one/fireedge-pki/key/server.key` with `generate_cert`.
    """
    certchain: forms.Folder | None = None
    """Path of the certificate with its chain. Default: `/etc/ssl/certs/opennebula-certchain.pem`,
    or `/etc/one/fireedge-pki/crt/certchain.crt` with `generate_cert`.
    """
    generate_cert: bool = False
    """Create a certificate authority, a key and a certificate on one front-end, and copy key and
    certificate to all.
    """

    @property
    def is_on(self) -> bool:
        """Tell whether the stack has a web server."""
        return self != Ssl()

    @property
    def paths(self) -> tuple[str, str]:
        """Return the paths of the key and of the certificate."""
        key, certchain = _GENERATED if self.generate_cert else _OWN
        return self.key or key, self.certchain or certchain


_OWN = ("/etc/ssl/private/opennebula-key.pem", "/etc/ssl/certs/opennebula-certchain.pem")
_GENERATED = ("/etc/one/fireedge-pki/key/server.key", "/etc/one/fireedge-pki/crt/certchain.crt")


class Repository(Strict):
    """A mirror in place of OpenNebula's own package repository."""

    url: forms.Mirror | None = None
    """Base URL: the part before `/VERSION/Debian/12`, `/VERSION/AlmaLinux/9` and so on."""
    key_url: forms.Mirror | None = None
    """URL of its signing key; unless set, `URL/repo2.key`."""
    key: forms.SigningKey | None = None
    """The signing key itself, armored, instead of a URL."""
    pre_enable: bool = True
    """Enable the [other repositories](#distributions) that OpenNebula's packages need. Set it to
    `false` if you provide these packages yourself.
    """


class Command(Strict):
    """One entry of ``commands``: a command of the operator's own."""

    name: forms.StepName
    """Its name. Each name once."""
    hosts: list[forms.HostName] = Field(default_factory=list)
    """Front-ends to run it on; unless set, all of them."""
    when: Literal["before-installation", "after-join"]
    """`before-installation`: before anything is changed on the host; `after-join`: when the host is
    in the zone.
    """
    create: forms.Script
    """The command. It runs as the login user: write `sudo` if it needs root."""
    update: forms.Script | None = None
    """Runs when the command's entry has changed; unless set, `create` runs."""
    delete: forms.Script | None = None
    """Runs when the entry, or the front-end, is removed from the stack."""
    triggers: list[str] = Field(default_factory=list)
    """Texts. If one of them changes, `create` runs again."""


class Settings(Strict):
    """The whole config of a stack. Field names are the config's keys."""

    one_version: forms.Version
    """Version of OpenNebula, named as in its repository. In quotes: `"7.2"`, or `"7.2.1"` for one
    exact release.
    """
    one_pass: SecretStr
    """Password of oneadmin, without spaces. Changing it updates an existing zone; the new value
    must not contain `<`, `>` or `&`.
    """
    one_token: SecretStr | None = None
    """`user:password` of the enterprise repository. Without it the community repository is used."""
    zone_name: forms.ZoneName = "OpenNebula"
    """Name of the zone."""
    force_ha: bool = False
    """Build an HA zone even with a single front-end, so that it can grow."""
    one_vip: forms.IPAny | None = None
    """Virtual IP, IPv4 or IPv6: the address that follows the leader. It must be unused and differ
    from the front-ends' addresses. An IPv4 address must be in their subnet, unless the VIP has an
    interface of its own.
    """
    one_vip_cidr: Annotated[int, Field(ge=1, le=128)] | None = None
    """Prefix length of its subnet, such as `24`."""
    one_vip_if: forms.Interface | None = None
    """Interface for the VIP; it may be set for each front-end instead. Set all three `one_vip` keys
    or none. Without them the zone has no VIP. See [Without a VIP](#without-a-vip).
    """
    one_vips: list[FurtherVip] = Field(default_factory=list)
    """Further addresses that follow the leader. See [Several VIPs](#several-vips)."""
    leader_hook: forms.Program = raft_hook.PACKAGED
    """Program that a front-end runs when it becomes the leader: an absolute path, or one relative
    to `/var/lib/one/remotes/hooks`. See [Hooks of your own](#hooks-of-your-own).
    """
    follower_hook: forms.Program = raft_hook.PACKAGED
    """Program that a front-end runs when it stops being the leader, and when oned starts or stops.
    """
    register_grpc: bool = False
    """Register an `ENDPOINT_GRPC` for each new zone server, from OpenNebula 7.2 on. See
    [gRPC](#grpc).
    """
    zone_endpoint: forms.Url | None = None
    """URL at which clients reach the zone, such as `http://one.example.org:2633/RPC2` of a load
    balancer. Default: the URL of the first VIP, or of the first front-end.
    """
    leader_check: LeaderCheck = LeaderCheck.model_construct()
    """Lets a load balancer find the leader. See [Without a VIP](#without-a-vip)."""
    frontends: Annotated[dict[forms.HostName, FrontEnd], Field(min_length=1)]
    """The front-ends: host name to settings. The other front-ends use the same name. The order does
    not matter; more than one must be an odd number, unless `allow_even` is set.
    """
    ssh: SshSettings = SshSettings.model_construct()
    """SSH login."""
    ensure_keys_for: list[forms.Account] = Field(default_factory=list)
    """Accounts, such as `[ubuntu, root]`, that get SSH access from each front-end to all others.
    See [Keys of accounts](#keys-of-accounts).
    """
    rsa_key_size: Annotated[int, Field(ge=1024, le=16384)] | None = None
    """Create RSA keys of this size in bits for these accounts. Unless set, the keys are Ed25519."""
    ensure_hostname: bool = False
    """Set each front-end's own host name to its name in `frontends`."""
    ensure_hosts: bool = True
    """Keep the front-ends' names in `/etc/hosts` on every front-end. With `false` your DNS must
    resolve them.
    """
    db_backend: Literal["MariaDB", "SQLite"] = "MariaDB"
    """`MariaDB`, or `SQLite` for a single front-end without high availability."""
    convert_database: bool = False
    """Move the data of a front-end from SQLite to MariaDB. No other front-end may hold data.
    OpenNebula is unavailable during the conversion; afterwards the key has no effect. See [From
    SQLite to MariaDB](safety.md#from-sqlite-to-mariadb).
    """
    db_name: forms.DatabaseName = "opennebula"
    """Name of OpenNebula's database. Not a database of MariaDB's own."""
    db_owner: forms.DatabaseOwner = "oneadmin"
    """OpenNebula's MariaDB account. It can use only that database, and only from the host itself.
    Not an account of MariaDB's own, such as root.
    """
    db_password: SecretStr | None = None
    """Password of that account. Required for MariaDB."""
    repository: Repository = Repository.model_construct()
    """A mirror of OpenNebula's package repository."""
    pkg_cache_proxy: forms.Proxy | None = None
    """Proxy for packages, such as `http://10.2.11.1:3142`. See [Packages](#packages)."""
    unattend_disable: bool = False
    """Remove packages that install upgrades automatically. See [Packages](#packages)."""
    update_pkg_cache: bool = False
    """Refresh the lists of all package repositories before installing packages. An unreadable list
    is then an error.
    """
    features: Features = Features.model_construct()
    """Services next to oned."""
    fstab: list[Mount] = Field(default_factory=list)
    """File systems to mount on every front-end. See [Shared folders](#shared-folders)."""
    ds: Datastores = Datastores.model_construct()
    """Folders of the default datastores. See [Shared folders](#shared-folders)."""
    gate_endpoint: forms.Url | None = None
    """URL at which virtual machines reach OneGate. Default: port 5030 of the first VIP, of the host
    in `zone_endpoint`, or of the first front-end.
    """
    gate_bind_addr: forms.Listening = "0.0.0.0"  # noqa: S104 - one-deploy's
    """Address that OneGate listens on."""
    gate_tproxy: list[dict[str, Any]] = Field(default_factory=list)
    """Proxies on the hypervisors for the virtual machines, as in `OpenNebulaNetwork.conf`, such as
    `{":service_port": 5030, ":remote_addr": 10.2.50.86, ":remote_port": 5030}`. See [Settings for
    the hypervisors](#settings-for-the-hypervisors).
    """
    flow_bind_addr: forms.Listening = "0.0.0.0"  # noqa: S104
    """Address that OneFlow listens on."""
    form_bind_addr: forms.Listening = "0.0.0.0"  # noqa: S104
    """Address that OneForm listens on."""
    admin_pubkey: forms.PublicKeys = "leader"
    """oneadmin's SSH_PUBLIC_KEY, which lets it log in to virtual machines: public keys, one per
    line; `leader`: oneadmin's key on the front-ends; `none`: keep the present value (one-deploy:
    `null`).
    """
    unsafe_migrations: bool = True
    """Allow migrations of virtual machines whose disks libvirt does not recognize as shared (adds
    `--unsafe` to `MIGRATE_OPTIONS` in `kvmrc`). See [Settings for the
    hypervisors](#settings-for-the-hypervisors).
    """
    keep_empty_bridge: bool = True
    """Keep a hypervisor's bridge when its last virtual machine is gone. See [Settings for the
    hypervisors](#settings-for-the-hypervisors).
    """
    sched_rank: dict[forms.Identifier, forms.Attribute] = Field(default_factory=dict)
    """Attributes of the rank scheduler (`/etc/one/schedulers/rank.conf`), in the form of `oned`."""
    sched_drs: dict[forms.Identifier, forms.Section] = Field(default_factory=dict)
    """Keys of the distributed resource scheduler (`/etc/one/schedulers/one_drs.conf`), such as
    `{OPTIMIZE: {POLICY: PACK}}`. A key within a section is replaced as a whole.
    """
    auth: Auth = Auth.model_construct()
    """User authentication. See [LDAP](#ldap)."""
    one_fqdn: forms.HostName | None = None
    """Host name of FireEdge for its clients and its certificate. They may also use the VIP."""
    ssl: Ssl = Ssl.model_construct()
    """TLS in front of FireEdge. See [TLS](#tls)."""
    ntp: list[Ntp] = Field(default_factory=list)
    """Time servers, time zone and locale of the hosts. See [Time](#time)."""
    oned: dict[forms.Identifier, forms.Attribute] = Field(default_factory=dict)
    """Further attributes of `oned.conf`, such as `{LOG: {DEBUG_LEVEL: 4}}`. Not DB, FEDERATION, the
    Raft hooks or ONEGATE_ENDPOINT, which have keys of their own. See [Attributes of
    oned.conf](#attributes-of-onedconf).
    """
    commands: list[Command] = Field(default_factory=list)
    """Commands of your own on the front-ends. See [Commands of your own](#commands-of-your-own)."""
    adopt: Literal["observe"] | None = None
    """`observe`: change nothing, neither on a host nor in OpenNebula. The stack adopts the running
    zone of its front-ends, and each preview lists what the stack would change. Remove the key to
    apply these changes. Without the key, the first `up` on a running zone changes nothing either,
    and the second one applies the changes. See [Adopting a zone](#adopting-a-zone).
    """
    allow_even: bool = False
    """Accept an even number of front-ends, such as those of a running zone. They tolerate no more
    failures than one front-end less; two tolerate none.
    """
    lost: list[forms.ServerName] = Field(default_factory=list)
    """Front-ends that are permanently lost, or the NAMEs of zone servers that were never front-ends
    of this stack. They are removed from the zone without a login on them.
    As long as they are listed, `pulumi refresh` checks that they stay away.
    """
    allow_degraded: bool = False
    """Let front-ends leave while one that stays is down. One more failure then stops the zone."""
    skip_checks: list[forms.CheckName] = Field(default_factory=list)
    """Preflight checks to skip, such as `[memory]`. See [Preflight](preflight.md)."""
    restore_from: forms.DumpPath | None = None
    """Path on your machine of a dump that this program made, with its keys in the same folder. If
    no front-end holds a database, the zone starts from this dump; otherwise the key has no effect.
    `make restore` sets the key and removes it.
    """
    upgrade_database: forms.Version | None = None
    """Version, as in `one_version`, for which the database may be upgraded or rolled back. The
    whole zone is down for some minutes during that. Without this key, a version with another
    database is refused.
    """
    keep_dumps: Annotated[int, Field(ge=1)] = 10
    """Number of dumps to keep on each front-end. Dumps from before a database upgrade or a
    conversion are never deleted by this program.
    """
    backup: Backup = Backup.model_construct()
    """Dumps on a timer of the front-ends. See [Back up](guides/backup.md)."""
    purge: bool = False
    """Also remove OpenNebula's packages and data on `destroy`, and from front-ends that leave."""

    @property
    def highly_available(self) -> bool:
        """Tell whether the front-ends form an HA zone: several of them, or one with force_ha."""
        return self.force_ha or len(self.frontends) > 1

    @property
    def hosts(self) -> dict[str, Host]:
        """Return the front-ends' names, addresses and SSH settings, by name."""
        return {
            name: Host(
                name=name,
                address=str(front_end.address or later(name)),
                ssh=front_end.ssh,
                zone_server=front_end.zone_server,
            )
            for name, front_end in sorted(self.frontends.items())
        }

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the features that are on."""
        return tuple(name for name, on in self.features if on)

    def fingerprint(self, *keys: str) -> str:
        """Return a digest of these secrets, or of all. The digest is itself a secret."""
        values: list[SecretStr | None] = [getattr(self, key) for key in keys or SECRETS]
        texts: list[Any] = [value.get_secret_value() if value else None for value in values]
        if not keys and self.auth.ldap.passwords:
            texts.append(self.auth.ldap.passwords)
        text = json.dumps(texts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def later(name: str) -> str:
    """Return what stands for the address of a front-end until it is known."""
    return f"<the address of {name}>"


def base(annotation: Any) -> Any:
    """Return ``T`` of ``T | None`` and of ``Annotated[T, …]``."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return base(kinds[0])
    if typing.get_origin(annotation) is Annotated:
        return base(typing.get_args(annotation)[0])
    return annotation


def is_model(annotation: Any) -> typing.TypeGuard[type[BaseModel]]:
    """Tell whether that type is a model, whose values are objects with known keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def kind(annotation: Any) -> str:
    """Return the name that the documents have for a type."""
    found = base(annotation)
    if typing.get_origin(found) is list:
        return "list"
    if typing.get_origin(found) is dict or is_model(found):
        return "object"
    return {bool: "boolean", int: "number", SecretStr: "secret"}.get(found, "text")


def declared_default(field: FieldInfo) -> Any:
    """Return the default for Pulumi.yaml. Pulumi needs one for each optional key."""
    value = field.get_default(call_default_factory=True)
    if value is None:
        return 0 if kind(field.annotation) == "number" else ""
    return {} if isinstance(value, BaseModel) else value


SECRETS = tuple(
    key for key, field in Settings.model_fields.items() if kind(field.annotation) == "secret"
)
"""What only providers get, and no resource. ``ssh`` and ``auth`` may have one in them, too."""
