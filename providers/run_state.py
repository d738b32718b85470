"""What one run of the program knows of its stack, shared by all providers of the process.

The first part is the config as the engine passes it, so that no resource has keys or passwords. It
was validated when the program ran, possibly by an older version of the program.

The second part is what resources pass to each other in one run, outside the graph. Each of these
fields is a hint, with the resources that write and read it in its text: a resumed run, or one that
skips the resource that writes it, does without it and observes the hosts again, with the same
result.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pulumi.dynamic import Config

from hosts.models import Host, SshSettings
from hosts.pool import Pool
from opennebula.ldap_auth import PASSWORD
from opennebula.packages import FEATURES
from procedures.bootstrap.bootstrap import KnownZone, is_blank
from procedures.context import Access, Report, Secrets
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts
from procedures.health import HealthyZone
from procedures.specs import Database, ZoneSpec
from procedures.upgrade.versions import WantedVersion
from providers import notes, runtime

S = TypeVar("S")
T = TypeVar("T")

PROJECT = "opennebula-ha"
HEAD_START = 6.0
"""Seconds for which the first front-end has the mirror and the network alone while it is installed.

Then it needs twice that to start and stop alone, so that it does not wait for the others.
"""


class RunState:
    """The stack's config, and what this run knows of its hosts."""

    def __init__(self, config: Config, removed: Set[str] = frozenset()) -> None:
        """``removed``: front-ends that the stack has no more, as this process notes them."""
        self.removed = removed
        ssh = _object(config, "ssh") or {}
        self._survey: FactsCache | None = None
        self._pool = Pool(SshSettings.model_validate(ssh))
        self._secrets = Secrets(
            one_pass=str(config.get(f"{PROJECT}:one_pass") or ""),
            db_password=str(config.get(f"{PROJECT}:db_password") or ""),
            one_token=config.get(f"{PROJECT}:one_token"),
            ldap_passwords=_ldap_passwords(_object(config, "auth") or {}),
        )
        self._listed: dict[str, dict[str, Any]] = _object(config, "frontends") or {}
        self._recorded: dict[str, str] = {}
        self._former: dict[str, Host] = {}
        self.lost: frozenset[str] = frozenset(_object(config, "lost") or ())
        """Zone servers that are permanently lost."""
        self.allow_degraded = bool(_object(config, "allow_degraded"))
        self.release = WantedVersion(
            version=str(config.get(f"{PROJECT}:one_version") or ""),
            agreed=config.get(f"{PROJECT}:upgrade_database") or None,
        )
        """The wanted version, and the one for which the database may be upgraded."""
        self.convert_database = bool(_object(config, "convert_database"))
        """Data in SQLite may be moved to MariaDB."""
        self.skip_checks: tuple[str, ...] = tuple(_object(config, "skip_checks") or ())
        """The preflight checks to skip."""
        self.observes = runtime.observes()
        """Nothing may change, neither on a host nor in OpenNebula."""
        self.names_hosts = bool(_object(config, "ensure_hosts"))
        """The stack keeps the front-ends' names in /etc/hosts."""
        self.restores = bool(config.get(f"{PROJECT}:restore_from"))
        """If no front-end holds a database, the zone starts from a dump."""
        self.adopted: frozenset[str] = frozenset()
        """The servers of a zone that ran before this stack: from Preflight, in the first run of a
        stack, and an Installation that finds one, to all resources, which leave them unchanged.
        """
        self.zone: ZoneSpec | None = None
        """The present spec of the zone: from Zone to a ZoneMember that leaves, whose own may be
        older.
        """
        self.leaving: Mapping[str, str] | None = None
        """Name to address of the servers that still have to leave the zone: from Preflight to
        Installation. They stay in /etc/hosts.
        """
        self.departing: Mapping[str, Host] = {}
        """Front-ends that still have to leave the zone, also those that a failed update added: from
        Zone to Rollout, which includes them.
        """
        self.former_owners: frozenset[str] = frozenset()
        """Former owners of the database in the config: from Preflight to Rollout, which drops those
        accounts.
        """
        self.dumped = False
        """A dump was made before the first front-end leaves: from Zone to ZoneMember."""
        self.rolled_out: HealthyZone | None = None
        """The zone after this run's rollout: from Rollout to VirtualIp, instead of a look at it."""
        self.known_zone = KnownZone()
        """The zone after this run's bootstrap or adoption: from Zone to ZoneMember, which does not
        observe those servers again.
        """
        chosen = _object(config, "features") or {}
        self.features = tuple(sorted(name for name in FEATURES if chosen.get(name, True)))
        """The features that are on."""
        self.blank: Mapping[str, Facts] = {}
        """The facts of all front-ends, if the first one can start the zone while the others are
        installed: from Preflight, in the first run of a stack, to Bootstrap and ``turn``.
        """
        self._first_is_installed = threading.Event()
        disks = (_object(config, "ds") or {}).get("config", {}).get("mounts")
        # A dump, or a comparison of the shares, has to come first.
        self._begins_alone = not (self.restores or _object(config, "fstab") or disks)
        self._checked: dict[str, Facts] = {}

    @property
    def front_ends(self) -> dict[str, Host]:
        """The front-ends that the config lists, by name, without those of unknown address.

        If the program and not the config has an address, it is in the inputs of the resources.
        """
        known = {**self._recorded, **notes.addresses}
        found = {}
        for name, entry in self._listed.items():
            if address := entry.get("address") or known.get(name):
                own = {key: entry[key] for key in ("ssh", "zone_server") if key in entry}
                found[name] = Host.model_validate({"name": name, "address": address, **own})
        return found

    def survey(self, access: Access, database: Database) -> FactsCache:
        """Return the facts of all front-ends, which are observed once for all resources."""
        with _lock:
            if self._survey is None or self._survey.database != database:
                self._survey = FactsCache(access, self.front_ends, database)
            return self._survey

    def keep(self, checked: Mapping[str, Facts]) -> None:
        """Store the facts of Preflight for the Installation of each host."""
        with _lock:
            self._checked = dict(checked)

    @property
    def adopts(self) -> bool:
        """Return whether every front-end is a server of a zone that ran before the stack."""
        return self.observes or (bool(self.adopted) and self.adopted == self.front_ends.keys())

    def note_blank(self, checked: Mapping[str, Facts]) -> None:
        """Store the facts of a new stack's front-ends, if all of them are blank."""
        if self._begins_alone and checked.keys() == self.front_ends.keys():
            self.blank = checked if is_blank(checked.values()) else {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Let the installation of a new zone's first front-end start before the others."""
        is_first = bool(self.blank) and name == min(self.blank)
        if self.blank and not is_first:
            self._first_is_installed.wait(HEAD_START)
        try:
            yield
        finally:
            if is_first:
                self._first_is_installed.set()

    def note_adopted(self, name: str) -> None:
        """Add a running server that is new to the stack."""
        with _lock:
            self.adopted |= {name}

    def take(self, host: Host) -> Facts | None:
        """Return the stored facts of a host, and forget them: the host is about to change."""
        with _lock:
            seen = self._checked.pop(host.name, None)
        return seen if seen is not None and seen.host == host else None

    def has(self, host: Host) -> bool:
        """Return whether a front-end of the stack has that host's address and port."""
        known = [(front_end.address, front_end.ssh.port) for front_end in self.front_ends.values()]
        return (host.address, host.ssh.port) in known

    def without_lost(self, hosts: Mapping[str, T]) -> dict[str, T]:
        """Return the hosts that are not lost."""
        return {name: host for name, host in hosts.items() if name not in self.lost}

    def note_recorded(self, hosts: Mapping[str, Host]) -> None:
        """Store the front-ends in the state: zone servers may have the names of former ones."""
        with _lock:
            self._recorded |= {name: host.address for name, host in hosts.items()}
            self._former |= {name: host for name, host in hosts.items() if name not in self._listed}

    def access(self, report: Report) -> Access:
        """Return access to the hosts for one operation on one resource."""
        known = {**self._former, **self.front_ends}
        return Access(self._pool, self._secrets, report, front_ends=known)


@dataclass(frozen=True)
class Operation(Generic[S]):
    """One operation on a resource: what it wants, and what it works with."""

    access: Access
    run: RunState
    spec: S
    props: Mapping[str, Any]
    """The inputs that the stack wants; for a read or a delete, the resource's properties."""
    olds: Mapping[str, Any]
    """For an update, the resource's properties until now."""


_lock = threading.Lock()
_current: RunState | None = None


def forget_survey() -> None:
    """Forget the survey: something is about to change."""
    with _lock:
        if _current is not None:
            _current._survey = None


def current() -> RunState:
    """Return the run state of this process, which all its providers share."""
    global _current  # noqa: PLW0603 - one per process, as the SDK's provider host is
    with _lock:
        if _current is None:
            _current = RunState(runtime.config(), notes.removed)
            runtime.widen(len(_current._listed))
        return _current


def _ldap_passwords(auth: Mapping[str, Any]) -> dict[str, str]:
    servers: Mapping[str, Any] = auth.get("ldap", {}).get("config", {})
    return {
        name: str(server[PASSWORD])
        for name, server in servers.items()
        if isinstance(server, dict) and PASSWORD in server
    }


def _object(config: Config, key: str) -> Any:
    value = config.get(f"{PROJECT}:{key}")
    return json.loads(value) if isinstance(value, str) else value
