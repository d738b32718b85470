"""What is there: a front-end's facts in one round trip, and the zone as every endpoint sees it."""

import base64
import contextlib
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula import conf
from opennebula.api import ApiError, NotAuthenticatedError
from opennebula.database import DatabaseSection
from opennebula.families import FAMILIES
from opennebula.membership.observed import FrontEndView
from opennebula.packages import FEATURES
from opennebula.zone import STANDALONE_ID, RaftStatus, ServerEntry, ZoneView, host_in, named
from procedures.context import Access
from procedures.facts import traces
from procedures.facts.traces import Traces
from procedures.install import storage
from procedures.install.files import clock
from procedures.install.files.leader import SOCKET_UNIT
from procedures.install.files.paths import PATHS
from procedures.install.storage import Storage
from procedures.parallel import on_each
from procedures.specs import Database


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
    """Its oned runs. One that is being stopped does not, and has not ended either."""
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
    hosts_template: str = ""
    """Path of what cloud-init makes /etc/hosts of at a boot, with our lines of it; or nothing."""
    keeps_hostname: bool | None = None
    """Cloud-init is set to leave the hostname alone; None where there is no cloud-init."""
    timezone: str = ""
    units: Mapping[str, Unit] = field(default_factory=dict)
    """MariaDB, OpenNebula's, those that keep the time and ours, by name without ``.service``."""
    stopping: bool = False
    """Its oned is being stopped."""
    moves_addresses: bool = True
    """oneadmin may do by sudo what moves a VIP, or there is no oneadmin yet."""
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
    """See ``Access.front_ends``."""

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
        federation = conf.read(self.oned_conf, "FEDERATION") if self.oned_conf else None
        if not isinstance(federation, dict):
            return STANDALONE_ID
        return int(federation.get("SERVER_ID", STANDALONE_ID))

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
        body = ET.fromstring(self.zone_body)  # noqa: S314 - written by our own oned
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
        )


def pool_of(zone_body: str) -> tuple[ServerEntry, ...]:
    """The servers in a zone's body (upstream: ZONE/SERVER_POOL/SERVER), by ID."""
    if not zone_body.strip():
        return ()
    body = ET.fromstring(zone_body)  # noqa: S314 - written by our own oned
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


def facts(
    access: Access,
    host: Host,
    database: Database,
    *,
    checksums: bool = False,
    names: Iterable[str] = (),
    even_silent: bool = False,
) -> Facts:
    """One round trip to one host; changes nothing. Raises HostError.

    Also where its database does not answer, unless it may be ``even_silent``.
    """
    names = tuple(names)
    output = access.run(
        host,
        "observe",
        variables=question(database, names, checksums=checksums),
        exclusive=False,
        # Of a large database each checksum is a whole reading.
        timeout=600 if checksums else 120,
    )
    found = read(access, host, names, output)
    if found.silent and not even_silent:
        raise HostError(
            host.name,
            "observe",
            expected="MariaDB to answer root on its socket",
            seen=found.silent,
            remedy="start MariaDB (systemctl start mariadb) and look at its journal,"
            " then run again",
        )
    return found


def question(
    database: Database, names: Iterable[str], *, checksums: bool = False
) -> dict[str, str]:
    """The variables of observe.sh."""
    return {
        "db_name": database.name,
        "checksums": "yes" if checksums else "no",
        "names": " ".join(sorted(names)),
        "db_owner": database.owner,
        "units": " ".join(full_name(unit) for unit in _UNITS),
        "files": " ".join(PATHS),
    }


def all_facts(
    access: Access,
    hosts: Mapping[str, Host],
    database: Database,
    *,
    checksums: bool = False,
    names: Iterable[str] = (),
) -> dict[str, Facts]:
    """The facts of all those hosts, asked at once. Raises HostError if one does not answer."""
    names = tuple(names)
    return on_each(
        hosts, lambda host: facts(access, host, database, checksums=checksums, names=names)
    )


def facts_where_possible(
    access: Access,
    hosts: Mapping[str, Host],
    database: Database,
    *,
    checksums: bool = False,
    names: Iterable[str] = (),
) -> dict[str, Facts]:
    """The same for hosts that may be gone; those that cannot be reached are left out."""
    names = tuple(names)

    def ask(host: Host) -> Facts | None:
        try:
            return facts(access, host, database, checksums=checksums, names=names)
        except HostError:
            return None

    asked = on_each(hosts, ask)
    return {name: one for name, one in asked.items() if one is not None}


def statuses(access: Access, hosts: Mapping[str, Host]) -> dict[str, RaftStatus]:
    """What each oned says of itself; one that does not answer, or its host, is left out.

    Raises HostError where all refuse the stack's password: nothing else would work either.
    """

    def ask(host: Host) -> RaftStatus | NotAuthenticatedError | None:
        try:
            return access.api(host).raft_status()
        except NotAuthenticatedError as error:
            return error
        except (ApiError, HostError):
            return None

    asked = on_each(hosts, ask)
    refusals = {n: error for n, error in asked.items() if isinstance(error, NotAuthenticatedError)}
    answers = {name: one for name, one in asked.items() if isinstance(one, RaftStatus)}
    # An oned that has lost its database knows no user: where others know it, it is no answer.
    if refusals and not answers:
        raise HostError(
            ", ".join(sorted(refusals)),
            "log in to oned",
            expected="opennebula-ha:one_pass to be oneadmin's password",
            seen=str(refusals[min(refusals)]),
            remedy="set opennebula-ha:one_pass to the password that the zone has: see"
            f" /var/lib/one/.one/one_auth on {min(refusals)}; after an up with that one,"
            " another one_pass changes it",
        )
    return answers


def zone_view(access: Access, hosts: Mapping[str, Host]) -> ZoneView:
    """The zone: its pool (empty without a leader), and every server's status.

    A zone server that is not in ``hosts`` (it left the config) is asked from one of them.
    """
    answered = statuses(access, hosts)
    known = ZoneView((), answered).leader() or min(answered, default=None)
    if known is None:
        return ZoneView((), {})
    try:
        pool = access.named(access.api(hosts[known]).servers())
    except ApiError:
        return ZoneView((), {})
    for entry in pool:
        if entry.name not in hosts:
            with contextlib.suppress(ApiError, HostError):
                at = host_in(entry.endpoint) or entry.name
                answered[entry.name] = access.api(hosts[known], of=at).raft_status()
    view = ZoneView(pool, answered)
    return view if view.leader() else ZoneView((), answered)


def api_host(view: ZoneView, hosts: Mapping[str, Host]) -> Host:
    """The host to ask for something of the whole zone: the leader's, or of one that follows it.

    A leader that left the config is not in ``hosts``; its followers hand calls on to it.
    """
    leader = view.leader() or ""
    if leader in hosts:
        return hosts[leader]
    term = view.statuses[leader].term if leader else 0
    return hosts[
        min(n for n, status in view.statuses.items() if n in hosts and status.term == term)
    ]


def require_names(seen: Iterable[Facts], hosts: Mapping[str, Host]) -> None:
    """Every one of them finds each of the hosts by its name, at the address that the stack has.

    The facts must have been asked with these names. Raises HostError.
    """
    for one in seen:
        for name, seen_at in wrong_names(one, hosts).items():
            raise HostError(
                one.host.name,
                "resolve the front-ends' names",
                expected=f"{name} at {hosts[name].address}",
                seen=seen_at,
                remedy="correct the name service or /etc/hosts there, or set"
                " opennebula-ha:ensure_hosts: true",
            )


NO_ADDRESS = "no address"


def wrong_names(one: Facts, hosts: Mapping[str, Host]) -> dict[str, str]:
    """The names with which that one does not find such a host, and the address that it finds."""
    first = {name: (one.resolves.get(name, "").split() or [NO_ADDRESS])[0] for name in hosts}
    return {name: at for name, at in first.items() if at != hosts[name].address}


_UNITS = (
    *("opennebula", *FEATURES.values()),
    *sorted({family.database_service for family in FAMILIES}),
    *clock.UNITS,
    SOCKET_UNIT,
)


def full_name(unit: str) -> str:
    """As systemd has it: most of them are services."""
    return unit if "." in unit else f"{unit}.service"


def read(access: Access, host: Host, names: Iterable[str], output: Output) -> Facts:
    """The facts that observe.sh reported, asked for these names."""
    values = output.values
    _check_conf(host, values.get("oned", ""))
    log = values.get("log", "").split()
    staged = [*values.get("staged", "").split(), "", "", ""]
    seen = traces.parse(values)
    on_sqlite = seen.sqlite_bytes > 0 and DatabaseSection.of(values.get("oned", "")).is_sqlite
    given = {name: values.get(f"resolves_{_variable(name)}", "") for name in names}
    return Facts(
        host=host,
        distribution=values["distribution"],
        release=values["release"],
        machine_id=values["machine_id"],
        addresses=tuple(_addresses(values["addresses"])),
        resolves={name: address for name, address in given.items() if address},
        packages=dict(_packages(values["packages"])),
        pin=values["pin"],
        proxy=values["proxy"],
        active=values["active"] == "active",
        since=int(values["since"]),
        configured=int(values["configured"] or 0),
        oned_conf=values.get("oned", ""),
        next_conf=values.get("next", ""),
        dumps=tuple(_dumps(values["backups"])),
        # A database that does not answer must not pass for an empty one.
        has_content=int(values.get("users") or 0) > 0 or bool(values.get("silent")) or on_sqlite,
        identity="sqlite" if on_sqlite else values.get("identity", ""),
        zone_body=values.get("zone", ""),
        zone_changed=int(values.get("zone_changed") or 0),
        log_index=int(log[0]) if log else -1,
        log_term=int(log[1]) if log else -1,
        log_begins=int(log[2]) if log else -1,
        checksums=values.get("checksums", ""),
        files=files(values),
        hostname=values.get("hostname", ""),
        hosts_template=values.get("hosts_template", ""),
        keeps_hostname=bool(values["keeps_hostname"]) if "keeps_hostname" in values else None,
        timezone=values.get("timezone", ""),
        units=units(values),
        stopping=values["active"] == "deactivating",
        moves_addresses=values.get("moves_addresses") != "no",
        hook_runs=bool(values["hook"]),
        keys=dict(_keys(values["keys"], values["key_digests"])),
        remotes=_digests(values.get("remotes", "")),
        grants=seen.accounts.get("localhost", ()),
        two_passwords=bool(values.get("two_passwords")),
        silent=values.get("silent", ""),
        schema=seen.sqlite_schema if on_sqlite else values.get("schema", ""),
        staged=staged[0],
        staged_schema=staged[1],
        replaced=staged[2],
        upgrading=values.get("upgrading", "").strip(),
        migrating=values.get("migrating", "").strip(),
        converting=values.get("converting", "").strip(),
        storage=storage.parse(values),
        traces=seen,
        has_grpc_port=values.get("grpc", "unknown") != "",
        front_ends=access.front_ends,
    )


def _check_conf(host: Host, text: str) -> None:
    """Raise HostError for a file that was broken by hand: here, for all that read it later."""
    try:
        federation = conf.read(text, "FEDERATION")
        server_id = federation.get("SERVER_ID", "-1") if isinstance(federation, dict) else "-1"
        if not server_id.lstrip("-").isdigit():
            raise conf.ConfError(f"SERVER_ID is {server_id!r}")
    except conf.ConfError as error:
        raise HostError(
            host.name,
            "read /etc/one/oned.conf",
            expected="the grammar of OpenNebula's configuration files",
            seen=str(error),
            remedy="correct that line on the host, then run again",
        ) from None


def files(values: Mapping[str, str]) -> dict[str, File]:
    """By path, as ``give_files`` tells them."""
    found = {}
    for line in values.get("files", "").splitlines():
        mode, owner, path, *text = line.split(" ", 3)
        content = base64.b64decode(text[0]).decode(errors="replace") if text else ""
        found[path] = File(content, int(mode, 8), owner)
    return found


def _variable(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)


def _addresses(text: str) -> Iterable[Address]:
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6"):
            address, _, prefix = words[3].partition("/")
            yield Address(words[1], address, int(prefix or 32))


def _packages(text: str) -> Iterable[tuple[str, Package]]:
    for line in text.splitlines():
        want, name, version = line.split(" ", 2)
        yield name, Package(version, held=want == "hold")


def units(values: Mapping[str, str]) -> dict[str, Unit]:
    """By name, as ``tell_units`` tells them."""
    found = {}
    uptime = float(values["uptime"])
    for block in values["units"].split("\n\n"):
        shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        entered = int(shown.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        active = shown.get("ActiveState", "")
        found[shown.get("Id", "").removesuffix(".service")] = Unit(
            shown.get("UnitFileState", ""),
            active,
            restarts=int(shown.get("NRestarts") or 0),
            seconds=max(uptime - entered, 0.0) if active == "active" else 0.0,
        )
    return found


def _keys(text: str, digests: str) -> Iterable[tuple[str, KeyFile]]:
    digest = _digests(digests)
    for line in text.splitlines():
        mode, owner, path = line.split(" ", 2)
        yield path, KeyFile(int(mode, 8), owner, digest.get(path, ""))


def _digests(text: str) -> dict[str, str]:
    """By path, as sha256sum prints them."""
    found = (line.split("  ", 1) for line in text.splitlines())
    return {path: digest for digest, path in found}


def _dumps(text: str) -> Iterable[Dump]:
    for line in text.splitlines():
        size, _, path = line.partition(" ")
        yield Dump(path, int(size))
