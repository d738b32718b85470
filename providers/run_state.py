"""What one run of the program knows of its stack, shared by all providers of the process.

The first part is the config as the engine hands it over: so neither keys nor passwords are in any
resource. It was checked when the program ran, and may be of an older version of the program.

The second part is what resources learn from each other in one run, outside the graph. Each of these
fields is a hint: a run that is resumed, or that skips the resource that writes it, does not have
it, and comes to the same result with another look at the hosts.

- ``adopted``: written by Preflight at the first run of a stack, and by an Installation that finds a
  server; read by all: they leave such a server as it is.
- ``blank``: written by Preflight at the first run of a stack; read by Bootstrap, and by ``turn``.
- ``leaving``: written by Preflight; read by Installation: names that stay in /etc/hosts.
- ``departing``: written by Zone; read by Rollout, in which they take part.
- ``former_owners``: written by Preflight; read by Rollout, which drops those accounts.
- ``known_zone``: written by Zone; read by ZoneMember: which servers need not be asked again.
- ``zone``: written by Zone, as it is now; read by a ZoneMember that leaves, which may have it as it
  was when the server joined.
- ``dumped``: written by Zone, before the first front-end leaves; read by ZoneMember, which makes no
  second dump.
- ``rolled_out``: written by Rollout; read by VirtualIp, which need not look again.
- ``keep`` and ``take``: facts that are a moment old, from Preflight to Installation.
- ``survey``: written by the first that reads; each host is asked once for all of them.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from pulumi.dynamic import Config

from hosts.models import Host, SshSettings
from hosts.pool import Pool
from opennebula.ldap_auth import PASSWORD
from opennebula.packages import FEATURES
from procedures.bootstrap.bootstrap import KnownZone, is_blank
from procedures.context import Access, Report, Secrets
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts
from procedures.health import Whole
from procedures.specs import Database, ZoneSpec
from procedures.upgrade.upgrade import WantedVersion
from providers import runtime

T = TypeVar("T")

PROJECT = "opennebula-ha"
HEAD_START = 6.0
"""Seconds for which the other front-ends leave the mirror, the network and whatever else they share
to the one that bootstraps the zone. It needs twice that to start and stop alone afterwards, so
that no server waits for them.
"""


class RunState:
    """The stack's config, and what this run has learned of its hosts."""

    def __init__(self, config: Config) -> None:
        ssh = _object(config, "ssh") or {}
        self._survey: FactsCache | None = None
        self._pool = Pool(SshSettings.model_validate(ssh))
        one_pass = str(config.get(f"{PROJECT}:one_pass") or "")
        self._secrets = Secrets(
            one_pass=one_pass,
            db_password=str(config.get(f"{PROJECT}:db_password") or ""),
            one_token=config.get(f"{PROJECT}:one_token"),
            ldap_passwords=_ldap_passwords(_object(config, "auth") or {}),
        )
        self.front_ends: dict[str, Host] = {
            name: Host.model_validate(
                {
                    "name": name,
                    **{
                        key: front_end[key]
                        for key in ("address", "ssh", "zone_server")
                        if key in front_end
                    },
                }
            )
            for name, front_end in (_object(config, "frontends") or {}).items()
        }
        """The front-ends that the config lists, by name."""
        self._former: dict[str, Host] = {}
        self.lost: frozenset[str] = frozenset(_object(config, "lost") or ())
        """Those that are gone for good."""
        self.allow_degraded = bool(_object(config, "allow_degraded"))
        self.release = WantedVersion(
            version=str(config.get(f"{PROJECT}:one_version") or ""),
            agreed=config.get(f"{PROJECT}:upgrade_database") or None,
        )
        """The version that is wanted, and the one for which the database may be changed."""
        self.convert_database = bool(_object(config, "convert_database"))
        """Data in SQLite may be moved to MariaDB."""
        self.skip_checks: tuple[str, ...] = tuple(_object(config, "skip_checks") or ())
        """The preflight checks that are left out."""
        self.observes = runtime.observes()
        """Nothing may change: not on a host, and not in OpenNebula."""
        self.names_hosts = bool(_object(config, "ensure_hosts"))
        """The front-ends' names are in /etc/hosts by the stack's own work."""
        self.restores = bool(config.get(f"{PROJECT}:restore_from"))
        """The zone begins with a dump where no front-end holds a database."""
        self.adopted: frozenset[str] = frozenset()
        """The servers of a zone that ran before this stack: this run leaves them as they are. Set
        by the preflight of the stack's first run, and by each Installation that finds one later."""
        self.zone: ZoneSpec | None = None
        """The zone as the config has it now, where this run has seen to it."""
        self.leaving: Mapping[str, str] | None = None
        """Names and addresses of the servers that are yet to leave the zone."""
        self.departing: Mapping[str, Host] = {}
        """Front-ends that are yet to leave the zone, also those that a failed update added."""
        self.former_owners: frozenset[str] = frozenset()
        """Owners of the database that the stack had, also in an update that failed later."""
        self.dumped = False
        """A dump was kept in this run, before the first front-end leaves."""
        self.rolled_out: Whole | None = None
        """The zone as this run's rollout has just left it, for who comes next and looks once."""
        self.known_zone = KnownZone()
        """The zone as this run has just seen to it, for those that join it next."""
        self.features: tuple[str, ...] = tuple(
            sorted(
                set(FEATURES)
                - {n for n, on in (_object(config, "features") or {}).items() if not on}
            )
        )
        """Those of the config that are on."""
        self.blank: Mapping[str, Facts] = {}
        """All front-ends as preflight saw them, if this run can bootstrap a zone without them."""
        self._founder_is_ready = threading.Event()
        disks = (_object(config, "ds") or {}).get("config", {}).get("mounts")
        # A dump comes first, and so does a look whether all have the same shares.
        self._begins_alone = not (self.restores or _object(config, "fstab") or disks)
        self._checked: dict[str, Facts] = {}

    def survey(self, access: Access, database: Database) -> FactsCache:
        """The front-ends as a refresh sees them: asked once for all resources."""
        with _lock:
            if self._survey is None or self._survey.database != database:
                self._survey = FactsCache(access, self.front_ends, database)
            return self._survey

    def keep(self, checked: Mapping[str, Facts]) -> None:
        """What preflight has just seen, for the next change of those hosts."""
        with _lock:
            self._checked = dict(checked)

    @property
    def adopts(self) -> bool:
        """Every front-end of the stack is a server of a zone that ran before it."""
        return self.observes or (bool(self.adopted) and self.adopted == self.front_ends.keys())

    def found_on(self, checked: Mapping[str, Facts]) -> None:
        """The stack is new, and its front-ends are like that."""
        if self._begins_alone and checked.keys() == self.front_ends.keys():
            self.blank = checked if is_blank(checked.values()) else {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """To install a front-end: the first server of a blank zone goes first."""
        founds = bool(self.blank) and name == min(self.blank)
        if self.blank and not founds:
            self._founder_is_ready.wait(HEAD_START)
        try:
            yield
        finally:
            if founds:
                self._founder_is_ready.set()

    def note_adopted(self, name: str) -> None:
        """Remember a server at work that the stack did not have yet."""
        with _lock:
            self.adopted |= {name}

    def take(self, host: Host) -> Facts | None:
        """The facts of that host as they were kept, once: they are about to change."""
        with _lock:
            seen = self._checked.pop(host.name, None)
        return seen if seen is not None and seen.host == host else None

    def has(self, host: Host) -> bool:
        """Return whether a front-end of the stack is at that host's place, by whatever name."""
        places = [(front_end.address, front_end.ssh.port) for front_end in self.front_ends.values()]
        return (host.address, host.ssh.port) in places

    def still_there(self, hosts: Mapping[str, T]) -> dict[str, T]:
        """Those that are not gone for good."""
        return {name: host for name, host in hosts.items() if name not in self.lost}

    def note_former(self, hosts: Mapping[str, Host]) -> None:
        """Remember front-ends of the state: those that the config has no more are named, too."""
        with _lock:
            self._former |= {
                name: host for name, host in hosts.items() if name not in self.front_ends
            }

    def access(self, report: Report) -> Access:
        """The way to the hosts for one operation on one resource."""
        known = {**self._former, **self.front_ends}
        return Access(self._pool, self._secrets, report, front_ends=known)


_lock = threading.Lock()
_current: RunState | None = None


def forget_survey() -> None:
    """Forget what was seen of the hosts: something is about to change."""
    with _lock:
        if _current is not None:
            _current._survey = None


def current() -> RunState:
    """Return the state of this process: all its providers share it, and its connections."""
    global _current  # noqa: PLW0603 - one per process, as the SDK's provider host is
    with _lock:
        if _current is None:
            _current = RunState(runtime.config())
            runtime.widen(len(_current.front_ends))
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
