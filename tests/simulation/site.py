"""All hosts together: what runs there by itself, and the promises that hold after every effect.

Servers vote by the list of servers in their **own** database, a leader replicates only with a
write, a hook moves addresses and services when the leader changes, and a boot starts what is
enabled. The promises:

- no two databases of one OpenNebula with different content run, and none runs outside the zone at
  the same time as the zone;
- one server at most accepts writes; it has every acknowledged write, and a majority of the newest
  list of servers supports it;
- no action of ours takes a zone of three or more below quorum;
- no server runs that the leader does not list, or with another ID;
- no server refuses the password with which another server logs in;
- data from before our run that do not belong to the zone stay unchanged.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from tests.simulation.clock import BEGIN, Clock
from tests.simulation.database import Content, Database, Foreign, Pool
from tests.simulation.host import DATABASE_SERVICE, KEYS, ONE_AUTH, ONEADMIN, SimHost, Unit, hook_of
from tests.simulation.product import (
    LED_UNITS,
    STANDALONE_ID,
    RaftStatus,
    State,
    ZoneView,
    quorum,
)

DOMAIN = ".example.org"
Change = Callable[[Content], Content]


class Broken(AssertionError):
    """A promise is broken."""


def require(holds: object, what: str) -> None:
    if not holds:
        raise Broken(what)


@dataclass
class Site:
    """All hosts, by name."""

    hosts: dict[str, SimHost]
    clock: Clock = field(default_factory=Clock)
    busy: bool = False
    """A user writes after every effect."""
    has_name_service: bool = False
    """Every name resolves to its host, and the stack does not change /etc/hosts."""
    stops: bool = False
    """The zone is taken down, or its database gets another version: it may be down."""
    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    """Writes by the identity of the database."""
    newest: dict[str, Pool] = field(default_factory=dict)
    """The list of servers after its last change."""
    led: list[str] = field(default_factory=list)
    """The elected servers, in order."""
    foreign: dict[tuple[str, str], Foreign] = field(default_factory=dict)
    """Databases by host and name that do not belong to the stack."""
    first: dict[str, set[str]] = field(default_factory=dict)
    """The records of each OpenNebula that existed before."""
    slow_hooks: float = 0.0
    """Seconds for which a follower's hook waits before it runs."""
    late: dict[str, float] = field(default_factory=dict)
    """When those that wait run, by host."""
    longest_dark: float = 0.0
    """Longest time, in seconds, for which a leader did not hold the VIP."""
    effects: int = 0
    roles: dict[str, str] = field(default_factory=dict)
    contents: dict[str, set[str]] = field(default_factory=dict)
    """The successive contents of each server's tables, since several were asked at the same time.
    """
    misnumbered: set[str] = field(default_factory=set)
    """Servers whose SERVER_ID was changed by hand."""
    _worked: set[str] = field(default_factory=set)
    _lit: float = BEGIN
    """When the leader last held the VIP, or there was none."""
    _serial: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.clock.wakes = self._wake
        self.remember()

    def remember(self) -> None:
        """Note everything that exists now as existing before our run."""
        for host in self.hosts.values():
            for one in host.all_databases():
                self.acknowledged.setdefault(one.identity, set()).update(one.records)
                self.first.setdefault(one.identity, set()).update(one.records)
                if len(one.pool) >= len(self.newest.get(one.identity, ())):
                    self.newest[one.identity] = one.pool
            for name, there in host.databases.items():
                if isinstance(there, Foreign):
                    self.foreign[host.name, name] = there
        self.happened()

    def _wake(self) -> object:
        self.settle()
        return self.effects, len(self.led)

    def name_of(self, text: str) -> str:
        """Return a new name."""
        return f"{text} {next(self._serial)}"

    def at(self, place: str, by: SimHost | None = None) -> SimHost | None:
        """Return the host with that name or address; a name is resolved as on the host ``by``."""
        if by is not None:
            place = self.address_of(place, by) or place
        return next((h for h in self.hosts.values() if h.address == place), None)

    def address_of(self, name: str, by: SimHost) -> str:
        """Return the address to which a name resolves on a host; empty: it does not resolve."""
        if name.endswith(DOMAIN):
            # That is the operator's own name service.
            return self.hosts[name.removesuffix(DOMAIN)].address
        if name in by.names:
            return by.names[name]
        is_known = name == by.name or (self.has_name_service and name in self.hosts)
        return self.hosts[name].address if is_known else ""

    # Effects of our scripts, and events from outside

    def effect(self) -> None:
        """One effect of ours took place: check the promises."""
        self.effects += 1
        self.settle()
        works = self._working()
        for identity in self._worked - works:
            gone = len(self.newest.get(identity, ())) >= 3 and not self.stops
            require(not gone, "an action of ours took the quorum away")
        self._worked = works
        if self.busy:
            self.use()

    def happened(self) -> None:
        """An event from outside took place."""
        self.effects += 1
        self.settle()
        self._worked = self._working()

    def use(self) -> None:
        """A user writes to the leader or to a standalone server, acknowledged or not."""
        for name in [*self._leaders(), *self._alone()]:
            self.write(name, self.name_of("write"))
        self._note_contents()
        self.settle()

    def begin_together(self) -> None:
        """Several hosts are asked at the same time; here this is one after the other."""
        self.contents.clear()
        self._note_contents()

    def _note_contents(self) -> None:
        if self.busy:
            for name, host in self.hosts.items():
                if host.running and (found := host.database):
                    self.contents.setdefault(name, set()).update(found.checksums().splitlines())

    def power_cut(self) -> None:
        """All hosts lose power."""
        for name in self.hosts:
            self._off(name)
        self.happened()

    def power_off(self, name: str) -> None:
        self._off(name)
        self.happened()

    def _off(self, name: str) -> None:
        host = self.hosts[name]
        for unit in host.units.values():
            unit.active = False
        host.up, host.vips, host.trust, host.stopping = False, {}, False, False
        self.roles.pop(name, None)
        self.late.pop(name, None)

    def boot(self, *names: str) -> None:
        """Boot the hosts, and start all that is enabled."""
        for name in names:
            host = self.hosts[name]
            if host.up:
                continue
            host.up, host.booted = True, self.clock.now
            for one, unit in host.units.items():
                if unit.enabled == "enabled" and one != "opennebula":
                    unit.active, unit.since = True, self.clock.now
            if host.unit("opennebula").enabled == "enabled" and self.can_start(host) == "":
                self.start(host)
        self.happened()

    def stop_oned(self, name: str) -> None:
        """An administrator stops it by hand."""
        self.stop(self.hosts[name])
        self.happened()

    def purge_log(self, keep: int = 1) -> None:
        """The leader sends only its last records from now on."""
        for name in self._leaders():
            own = self.database(name)
            own.begins = max(1, len(own.log) - keep + 1)
            # It knows the position of each of its servers, even while that server is down.
            self.hosts[name].stuck |= {
                entry.name
                for entry in own.pool
                if (there := self.hosts[entry.name].database) and there.fell_out(own)
            }
        self.happened()

    def blank(self, name: str) -> None:
        """Replace it by a blank host."""
        former = self.hosts[name]
        self._off(name)
        self.hosts[name] = SimHost(name, former.address, booted=self.clock.now)
        self.happened()

    # oned

    def can_start(self, host: SimHost) -> str:
        """Return why its oned would not start; empty: it would start."""
        found = host.database_of(host.conf)
        if "opennebula" not in host.packages:
            return "no such unit"
        if found is None and host.server_id != STANDALONE_ID:
            return "no database"
        if found is not None and found.schema != host.schema_needed:
            return f"database version mismatch: {found.schema}, needed {host.schema_needed}"
        if not host.mariadb_runs and "mysql" in host.conf:
            return "Could not connect to database"
        return ""

    def start(self, host: SimHost) -> None:
        """Start its oned with its present files."""
        require(not host.stopping, f"{host.name}: oned is started while it is stopping")
        host.started_with = host.conf
        unit = host.units.setdefault("opennebula", Unit())
        unit.active, unit.since = True, self.clock.now
        if host.database is None:
            made = host.first_database(self.name_of("zone"))
            host.databases[self._database_name(host)] = made
            self.acknowledged[made.identity] = set()
            for name in ("one_key", "sunstone_auth", "oneflow_auth", "onegate_auth"):
                host.put(
                    f"{KEYS}/{name}", self.name_of(name), self.clock.now, mode=0o600, owner=ONEADMIN
                )
        host.stuck = set()
        host.state = State.FOLLOWER if host.is_server else State.SOLO

    def _database_name(self, host: SimHost) -> str:
        require("mysql" in host.conf, f"{host.name}: oned begins a database in SQLite")
        return str(host.conf.split("DB_NAME", 1)[1].split('"', 2)[1])

    def stop(self, host: SimHost, *, waits: bool = True) -> None:
        """Stop its oned; the services that the leader's hook started stop with the unit.

        ``waits``: until it has ended.
        """
        host.stopping = not waits and (host.running or host.stopping)
        if host.is_server:
            self.await_hooks(host)
            self.run_hook(host, "follower")
            self.roles[host.name] = ""
        host.unit("opennebula").active = False

    # Events without an action

    def settle(self) -> None:
        """Servers without a leader become candidates, until no further server can win."""
        for _ in range(20):
            self._beat()
            silent = [name for name in self._servers() if not self._heard(name)]
            if not any(self._stand(name) for name in sorted(silent, key=self._patience)):
                break
        else:
            raise Broken("the servers depose each other for ever")
        self._beat()
        self._run_hooks()
        self._measure()
        self.check()

    def elapse(self) -> None:
        """Time has passed: run the hooks that are due."""
        self._run_late_hooks()
        self._measure()

    def _measure(self) -> None:
        leader = self.hosts.get(self.leader() or "")
        if leader is None or not hook_of(leader.started_with, "leader") or leader.vips:
            self._lit = self.clock.now
        self.longest_dark = max(self.longest_dark, self.clock.now - self._lit)

    def await_hooks(self, host: SimHost) -> None:
        """Wait for the end of that host's hooks."""
        self.clock.now = max(self.clock.now, self.late.get(host.name, 0.0))
        self._run_late_hooks()

    def _run_late_hooks(self) -> None:
        for name, due in list(self.late.items()):
            if due <= self.clock.now:
                del self.late[name]
                self.run_hook(self.hosts[name], "follower")

    def _run_hooks(self) -> None:
        self._run_late_hooks()
        for name, host in self.hosts.items():
            if not host.up:
                continue
            leads = host.is_server and host.state is State.LEADER
            role = ("leader" if leads else "follower") if host.is_server else ""
            former = self.roles.get(name, "")
            if role == former:
                continue
            self.roles[name] = role
            if role == "follower" and self.slow_hooks:
                self.late[name] = self.clock.now + self.slow_hooks
            else:
                self.run_hook(host, "leader" if role == "leader" else "follower")

    def run_hook(self, host: SimHost, role: str) -> None:
        """Add or remove the address, and start or stop the services on the leader."""
        arguments = hook_of(host.started_with, role)
        if not arguments:
            return
        pairs = zip(arguments[1::2], arguments[2::2], strict=True)
        places = {address.partition("/")[0]: interface for interface, address in pairs}
        for address, interface in places.items():
            if role == "leader":
                host.vips[address] = interface
            else:
                host.vips.pop(address, None)
        for name in LED_UNITS:
            if name in host.units:
                host.units[name].active = role == "leader"
                host.units[name].since = self.clock.now

    def _patience(self, name: str) -> tuple[int, str]:
        """The last leader is the last candidate: a leader that restarts waits longest."""
        return max((turn for turn, one in enumerate(self.led) if one == name), default=-1), name

    def _servers(self) -> list[str]:
        return [name for name, one in self.hosts.items() if one.is_server]

    def _leaders(self) -> list[str]:
        return [name for name in self._servers() if self.hosts[name].state is State.LEADER]

    def _alone(self) -> list[str]:
        return [name for name, one in self.hosts.items() if one.running and not one.is_server]

    def _beat(self) -> None:
        for name in sorted(self._leaders(), key=lambda name: -self.database(name).term):
            own, leader = self.database(name), self.hosts[name]
            for other in self._listed(name):
                if leader.state is not State.LEADER:
                    break
                theirs = self.database(other)
                if theirs.term > own.term:
                    own.term, leader.state = theirs.term, State.FOLLOWER
                else:
                    theirs.term, self.hosts[other].state = own.term, State.FOLLOWER

    def heard(self, name: str) -> str:
        """Return the leader that this server follows, or is; empty: it knows none."""
        if self.hosts[name].state is State.LEADER:
            return name
        for leader in self._leaders():
            same = self.database(leader).term == self.database(name).term
            if same and name in self._listed(leader):
                return leader
        return ""

    def _heard(self, name: str) -> bool:
        return bool(self.heard(name))

    def _listed(self, name: str) -> list[str]:
        """Return the other running servers that this server's database lists and its host can
        resolve.
        """
        listed, own = {entry.name for entry in self.database(name).pool}, self.hosts[name]
        return [
            other
            for other in self._servers()
            if other in listed and other != name and self.at(other, by=own) is self.hosts[other]
        ]

    def _stand(self, name: str) -> bool:
        """A candidacy: only the candidate's own list decides who belongs to the majority."""
        own, host = self.database(name), self.hosts[name]
        asked = self._listed(name)
        own.term = 1 + max(self.database(other).term for other in [name, *asked])
        granted = 0
        for other in asked:
            theirs = self.database(other)
            theirs.term, self.hosts[other].state = own.term, State.FOLLOWER
            granted += theirs.position <= own.position
        won = granted >= len(own.pool) // 2
        host.state = State.LEADER if won else State.CANDIDATE
        if won:
            host.stuck = set()
            self.led.append(name)
        return won

    def leader(self) -> str | None:
        """Return the leader that the status of every server shows."""
        return ZoneView((), self.statuses(self.hosts)).leader()

    def statuses(self, names: Iterable[str]) -> dict[str, RaftStatus]:
        return {name: self.status(name) for name in names if self.hosts[name].running}

    def status(self, name: str) -> RaftStatus:
        """Return the status that its oned reports."""
        one, own = self.hosts[name], self.database(name)
        length = len(own.log)
        return RaftStatus(one.running_id, one.state, own.term, length, length)

    def _working(self) -> set[str]:
        """Return zones that accept writes, by identity."""
        return {
            self.database(name).identity for name in self._leaders() if self._takes_writes(name)
        }

    def _takes_writes(self, name: str) -> bool:
        one = self.hosts[name]
        if not one.is_server:
            return True
        return one.state is State.LEADER and self._acknowledges(name, self.database(name).pool)

    def _acknowledges(self, leader: str, pool: Pool) -> bool:
        listed = {*self._listed(leader)} - self.hosts[leader].stuck
        return len({entry.name for entry in pool} & listed) >= len(pool) // 2

    def write(self, name: str, text: str, change: Change | None = None) -> bool:
        """Write through that server; tell whether the write was acknowledged."""
        one, own = self.hosts[name], self.database(name)
        before = own.pool
        own.append(text, logged=one.is_server)
        if change is not None:
            own.set(change(own.content), self.clock.now)
        if one.is_server:
            for other in self._listed(name):
                if other not in one.stuck and not self.database(other).follow(own, self.clock.now):
                    one.stuck.add(other)
        # It does not wait for a server that joins or leaves.
        well = not one.is_server or self._acknowledges(name, min((before, own.pool), key=len))
        if own.pool != before:
            self.newest[own.identity] = own.pool
        if well:
            self.acknowledged.setdefault(own.identity, set()).update(own.records)
        return well

    def database(self, name: str) -> Database:
        database = self.hosts[name].database
        require(database is not None, f"{name} has no database")
        assert database is not None
        return database

    # Promises

    def check(self) -> None:
        running: dict[str, list[str]] = {}
        for name, one in self.hosts.items():
            if one.running:
                running.setdefault(self.database(name).identity, []).append(name)
        for identity, names in running.items():
            self._check_zone(identity, names)
        for (host, name), there in self.foreign.items():
            require(
                self.hosts[host].databases.get(name) == there,
                f"somebody's database {name} on {host} is not what it was",
            )
        held: dict[str, set[str]] = {}
        if self.first:
            for one in self.hosts.values():
                for database in one.all_databases():
                    held.setdefault(database.identity, set()).update(database.records)
        for identity, records in self.first.items():
            lost = records - held.get(identity, set())
            require(not lost, f"data that were there are gone: {sorted(lost)}")

    def _check_zone(self, identity: str, names: list[str]) -> None:
        alone = [name for name in names if not self.hosts[name].is_server]
        require(len(alone) < 2, f"{alone} run outside any zone on the same data")
        beside = f"{alone} runs outside the zone beside {names}"
        require(not alone or len(names) == 1, beside)
        bases = {self.database(name).base for name in names}
        require(len(bases) < 2, f"different data run: {names}")
        terms = [(self.database(n).term, n) for n in names if n in self._leaders()]
        require(len({term for term, _ in terms}) == len(terms), f"two leaders of one term: {terms}")
        writing = [name for name in names if self._takes_writes(name)]
        require(len(writing) < 2, f"{writing} each take writes")
        newest = self.newest.get(identity, ())
        for name in writing:
            lost = self.acknowledged.get(identity, set()) - set(self.database(name).records)
            require(not lost, f"{name} takes writes and lacks {sorted(lost)}")
            up = [e for e in newest if e.name in self.hosts and self.hosts[e.name].is_server]
            is_minority = name not in alone and len(up) < quorum(len(newest))
            require(not is_minority, f"{name} leads a minority")
        leaders = [name for name in names if name in self._leaders()]
        if leaders:
            leader = max(leaders, key=lambda name: self.database(name).term)
            listed = {entry.name: entry.id for entry in self.database(leader).pool}
            for name in names:
                known = listed.get(name) == self.hosts[name].running_id
                require(
                    known or name in self.misnumbered,
                    f"{name} runs as a stranger, or under another's number",
                )
            self._check_logins(leader)

    def _check_logins(self, leader: str) -> None:
        """The leader and each of its followers accept each other's logins."""
        for name in self._listed(leader):
            for one, other in ((leader, name), (name, leader)):
                file = self.hosts[one].files.get(ONE_AUTH)
                word = file.text.partition(":")[2].strip() if file else ""
                is_let_in = word in self.database(other).content.passwords
                require(is_let_in, f"{other} refuses what {one} logs in with")

    def assert_names(self, front_ends: Iterable[str]) -> None:
        """Check that our part of each hosts file has these front-ends, and no others."""
        wanted = {} if self.has_name_service else {n: self.hosts[n].address for n in front_ends}
        for name in front_ends:
            known = self.hosts[name].names
            require(known == wanted, f"the hosts file of {name} has {known}")

    def assert_whole(self, front_ends: Iterable[str], *, highly_available: bool = True) -> None:
        """Check that the zone of exactly these front-ends works and has all acknowledged writes."""
        names = sorted(front_ends)
        running = sorted(name for name, one in self.hosts.items() if one.running)
        require(running == names, f"{running} run, not {names}")
        databases = [self.database(name) for name in names]
        identity = databases[0].identity
        require(len({(one.identity, one.records) for one in databases}) == 1, "the data differ")
        lost = self.acknowledged[identity] - set(databases[0].records)
        require(not lost, f"lost: {sorted(lost)}")
        for name in names:
            host = self.hosts[name]
            require(host.unit("opennebula").enabled == "enabled", f"{name} would not boot")
            require(host.unit(DATABASE_SERVICE).enabled == "enabled", f"{name}'s MariaDB would not")
            require(not host.trust, f"{name} still trusts a transfer's key")
            require(host.incoming is None and not host.has_scratch, f"{name} keeps a transfer's")
            require(not host.claimed, f"{name} is still claimed")
            require(host.conf == host.started_with, f"{name} runs with another configuration")
        listed = {entry.name: entry.id for entry in databases[0].pool}
        if not highly_available:
            require(not listed, f"{listed} are listed in a zone of none")
            require(self.hosts[names[0]].server_id == STANDALONE_ID, "it has a SERVER_ID")
            return
        leader = self.leader()
        require(leader is not None, "there is no leader")
        require(len({one.content for one in databases}) == 1, "the zones differ")
        ids = {name: self.hosts[name].server_id for name in names}
        require(listed == ids, f"{listed} are listed, {ids} run")
        require(len(set(listed.values())) == len(listed), "two of one number")
        keys = [
            {p: t for p, t in self.hosts[n].keys().items() if not p.endswith("id_rsa.pub")}
            for n in names
        ]
        require(all(one == keys[0] for one in keys), "the keys differ")
        holders = [name for name in names if self.hosts[name].vips]
        require(holders in ([leader], []), f"{holders} hold the VIP, {leader} leads")
