"""A model of hosts, of the zone that they form, and of the runs that change it, effect by effect.

It knows what each step of a run does to a host, in the order of the procedures and their scripts,
and what oned does by itself: servers vote by the list in their **own** database, a leader
replicates at a write only, a hook or a boot starts what is enabled. A run is stopped where it is
told to. After every effect the promises are looked after:

- no two databases of different content run, and none runs outside the zone beside the zone;
- one server at most takes writes, it has every write that was acknowledged, and a majority of
  the newest list of servers stands behind it;
- no action of ours takes a zone of three or more below quorum;
- no server runs that the leader does not list, or under another number;
- a database with content is replaced by one of its own zone alone.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from opennebula.membership import (
    Adopt,
    Bootstrap,
    Enlist,
    FrontEndView,
    RefreshServerList,
    Refusal,
    Register,
    Retire,
    Seed,
    SeedAhead,
    StartSolo,
    StartTogether,
    ZoneStep,
    check_leave,
    check_shrink,
    plan_join,
    plan_zone,
)
from opennebula.zone import (
    SOLO_ID,
    RaftStatus,
    ServerEntry,
    State,
    ZoneView,
    endpoint,
    faults,
    quorum,
)

Pool = tuple[ServerEntry, ...]
FOR_EVER = 10**6


@dataclass
class Database:
    """What a host keeps. ``records`` are all writes that it holds, ``log`` those made in a zone."""

    identity: str
    records: tuple[str, ...] = ()
    pool: Pool = ()
    log: tuple[tuple[int, str], ...] = ()
    term: int = 0

    @property
    def position(self) -> tuple[int, int]:
        """Of its last record: the higher, the newer."""
        return self.log[-1][0] if self.log else 0, len(self.log)

    @property
    def base(self) -> frozenset[str]:
        """What no log can bring."""
        return frozenset(self.records) - {text for _, text in self.log}

    def append(self, text: str, *, logged: bool) -> None:
        self.records += (text,)
        if logged:
            self.log += ((self.term, text),)

    def follow(self, leader: "Database") -> None:
        """Take the leader's log from where the two part."""
        pairs = zip(self.log, leader.log, strict=False)
        common = next(
            (index for index, (mine, other) in enumerate(pairs) if mine != other),
            min(len(self.log), len(leader.log)),
        )
        gone = {text for _, text in self.log[common:]}
        kept = tuple(text for text in self.records if text not in gone)
        self.records = kept + tuple(text for _, text in leader.log[common:])
        self.log, self.pool = leader.log, leader.pool


@dataclass
class HostModel:
    """One host: its configuration, its database, and whether it and its oned run."""

    server_id: int = SOLO_ID
    database: Database | None = None
    running: bool = False
    enabled: bool = False
    up: bool = True
    state: State = State.SOLO

    @property
    def is_server(self) -> bool:
        """Its oned runs as a zone server."""
        return self.running and self.server_id != SOLO_ID


class Killed(Exception):
    """The operator's run ended here."""


class Stopped(Exception):
    """A procedure gives up: what it waits for does not come."""


class Refused(Stopped):
    """A planner says no."""


class StrangeLeader(Stopped):
    """One that is about to leave leads, and the operator is asked to restart its oned."""


@dataclass(frozen=True)
class Config:
    """What the operator asks for."""

    front_ends: frozenset[str]
    lost: frozenset[str] = frozenset()
    force_ha: bool = True

    @property
    def highly_available(self) -> bool:
        return self.force_ha or len(self.front_ends) > 1


@dataclass
class Site:
    """All hosts, what the stack's state says, and when the run is killed."""

    hosts: dict[str, HostModel]
    left: int = FOR_EVER
    effects: int = 0
    busy: bool = False
    """Somebody writes after every effect."""
    writes_newest_list: bool = True
    """Whether a join gives the newcomer the newest list of servers; it must."""
    newest: Pool = ()
    """The list of servers as it was changed last."""
    acknowledged: set[str] = field(default_factory=set)
    led: list[str] = field(default_factory=list)
    """Who was elected, the last one last."""
    zone: Config | None = None
    drift: bool = False
    """A refresh found the zone without a leader; it stays noted until an ``up`` has mended it."""
    rolled_out: Config | None = None
    members: set[str] = field(default_factory=set)
    seeded: set[str] = field(default_factory=set)
    """Those that got the zone's data in this run, before they join."""
    _pool: Pool = ()
    _worked: bool = False
    _serial: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for one in self.hosts.values():
            self.acknowledged |= set(one.database.records if one.database else ())
            one.enabled = one.running

    def effect(self) -> None:
        """One effect took place: the promises hold, and the run may end."""
        self.effects += 1
        self.settle()
        assert self._works() or not self._worked or len(self.newest) < 3, "we took the quorum away"
        self._worked = self._works()
        if self.busy:
            self.use()
        self.left -= 1
        if self.left < 0:
            raise Killed

    def check(self) -> None:
        running = {name: one for name, one in self.hosts.items() if one.running and one.database}
        databases = [one.database for one in running.values() if one.database]
        alone = [name for name, one in running.items() if not one.is_server]
        assert len(alone) < 2, f"{alone} run outside any zone"
        assert not alone or len(running) == 1, f"{alone} runs outside the zone beside {running}"
        assert len({one.identity for one in databases}) < 2, f"two zones run: {sorted(running)}"
        assert len({one.base for one in databases}) < 2, f"different data run: {sorted(running)}"
        writing = [name for name in running if self._takes_writes(name)]
        assert len(writing) < 2, f"{writing} each take writes"
        for name in writing:
            lost = self.acknowledged - set(self.database(name).records)
            assert not lost, f"{name} takes writes and lacks {sorted(lost)}"
            up = [entry for entry in self.newest if self.hosts[entry.name].is_server]
            assert name in alone or len(up) >= quorum(len(self.newest)), f"{name} leads a minority"
        leader = self.leader()
        if leader is not None:
            listed = {entry.name: entry.id for entry in self.database(leader).pool}
            for name, one in running.items():
                assert listed.get(name) == one.server_id, f"{name} runs as a stranger"

    # What runs by itself

    def settle(self) -> None:
        """Who hears no leader stands for election, until nobody is left who can win."""
        for _ in range(20):
            self._beat()
            silent = [name for name in self._servers() if not self._heard(name)]
            if not any(self._stand(name) for name in sorted(silent, key=self._patience)):
                break
        else:
            raise AssertionError("the servers depose each other for ever")
        self._beat()
        self.check()

    def _patience(self, name: str) -> tuple[int, str]:
        """Who led last stands last: a leader that restarts waits longest, and each has its turn."""
        return max((turn for turn, one in enumerate(self.led) if one == name), default=-1), name

    def _servers(self) -> list[str]:
        return [name for name, one in self.hosts.items() if one.is_server and one.database]

    def _leaders(self) -> list[str]:
        return [name for name in self._servers() if self.hosts[name].state is State.LEADER]

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

    def _heard(self, name: str) -> bool:
        return self.hosts[name].state is State.LEADER or any(
            name in self._listed(leader) and self.database(leader).term == self.database(name).term
            for leader in self._leaders()
        )

    def _listed(self, name: str) -> list[str]:
        """The other servers that run, of those that this one's own database lists."""
        listed = {entry.name for entry in self.database(name).pool}
        return [other for other in self._servers() if other in listed and other != name]

    def _stand(self, name: str) -> bool:
        """A candidacy: membership is weighed by the candidate's own list, and by nobody else's."""
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
        self.led += [name] if won else []
        return won

    def leader(self) -> str | None:
        """The one that a look at every server shows to lead."""
        return ZoneView((), self.statuses(self.hosts)).leader()

    def _works(self) -> bool:
        """A zone of three or more takes writes; one of two cannot change without a pause."""
        return len(self.newest) > 2 and any(map(self._takes_writes, self._leaders()))

    def _takes_writes(self, name: str) -> bool:
        one = self.hosts[name]
        if not one.running or one.database is None or not one.is_server:
            return one.running and one.database is not None
        return one.state is State.LEADER and self._acknowledges(name, one.database.pool)

    def _acknowledges(self, leader: str, pool: Pool) -> bool:
        asked = {entry.name for entry in pool} & set(self._listed(leader))
        return len(asked) >= len(pool) // 2

    def write(self, name: str, text: str, pool: Pool | None = None) -> bool:
        """A write through that server; whether it was acknowledged."""
        one, own = self.hosts[name], self.database(name)
        own.append(text, logged=one.is_server)
        # A newcomer is not waited for, nor one that goes.
        asked = min((own.pool, pool), key=len) if pool is not None else own.pool
        well = not one.is_server or self._acknowledges(name, asked)
        if pool is not None:
            own.pool = self.newest = pool
        if one.is_server:
            for other in self._listed(name):
                self.database(other).follow(own)
        if well:
            self.acknowledged |= set(own.records)
        return well

    def use(self) -> None:
        """Somebody writes to whoever leads or is alone, whether that is acknowledged or not."""
        for name in [*self._leaders(), *self._alone()]:
            self.write(name, f"write {next(self._serial)}")
        self.settle()

    def _alone(self) -> list[str]:
        running = [name for name, one in self.hosts.items() if one.running and one.database]
        return [name for name in running if not self.hosts[name].is_server]

    def power_cut(self) -> None:
        """Every host's oned goes down; none comes back by itself."""
        for one in self.hosts.values():
            one.running = False
        self._happened()

    def power_off(self, name: str) -> None:
        self.hosts[name].up = self.hosts[name].running = False
        self._happened()

    def boot(self, *names: str) -> None:
        """The hosts come up, and with them each oned that is enabled."""
        for name in names:
            one = self.hosts[name]
            one.up = True
            if one.enabled and not one.running:
                self._run(name)
        self._happened()

    def stop_oned(self, name: str) -> None:
        """Somebody stops it by hand."""
        self.hosts[name].running = False
        self._happened()

    def blank(self, name: str) -> None:
        """Another machine takes its place: nothing is on it."""
        self.hosts[name] = HostModel()
        self._happened()

    def _happened(self) -> None:
        self.settle()
        self._worked = self._works()

    def _run(self, name: str) -> None:
        one = self.hosts[name]
        if one.database is None:
            if one.server_id != SOLO_ID:
                return
            one.database = Database(f"zone {next(self._serial)}")
        one.running = True
        one.state = State.FOLLOWER if one.is_server else State.SOLO

    def database(self, name: str) -> Database:
        database = self.hosts[name].database
        assert database is not None, f"{name} has no database"
        return database

    # What is observed

    def view(self, name: str) -> FrontEndView:
        one = self.hosts[name]
        seen = one.database or Database("")
        return FrontEndView(
            name=name,
            running=one.running,
            server_id=one.server_id,
            has_content=one.database is not None,
            identity=seen.identity,
            pool=seen.pool,
            log_index=len(seen.log) if one.database else -1,
            log_term=seen.position[0] if one.database else -1,
            status=self.statuses([name]).get(name),
        )

    def statuses(self, names: Iterable[str]) -> dict[str, RaftStatus]:
        return {
            name: RaftStatus(one.server_id, one.state, one.database.term, len(one.database.log), 0)
            for name in names
            if (one := self.hosts[name]).running and one.database
        }

    def zone_view(self, names: Iterable[str]) -> ZoneView:
        answered = self.statuses(names)
        known = ZoneView((), answered).leader() or min(answered, default=None)
        if known is None:
            return ZoneView((), {})
        pool = self.database(known).pool
        view = ZoneView(pool, answered | self.statuses(entry.name for entry in pool))
        return view if view.leader() else ZoneView((), answered)

    def wait_for_leader(self, names: Iterable[str]) -> ZoneView:
        view = self.zone_view(names)
        if not view.leader() or not view.pool:
            raise Stopped("no leader")
        return view

    def touch(self, names: Iterable[str]) -> None:
        leader = self.wait_for_leader(names).leader() or ""
        if not self.write(leader, f"touch {next(self._serial)}"):
            raise Stopped("no majority acknowledges a write")

    def verify(self, names: Collection[str], without: Collection[str] = ()) -> None:
        self.touch(names)
        view = self.wait_for_leader(names)
        if found := faults(view, without=set(without)):
            raise Stopped("; ".join(found))
        known = [entry.name for entry in view.pool if entry.name in {*names} - {*without}]
        assert len({self.database(name).records for name in known}) == 1, "the data differ"

    # What each step does

    def found(self, staying: Iterable[str], leaving: Iterable[str], *, ha: bool) -> None:
        staying = list(staying)
        if not all(self.hosts[name].up for name in staying):
            raise Stopped("a host does not answer")
        seen = [*staying, *(name for name in leaving if self.hosts[name].up)]
        views = [self.view(name) for name in reversed(seen)]
        plan = plan_zone(views, highly_available=ha, leaving=tuple(leaving))
        if isinstance(plan, Refusal):
            raise Refused(str(plan))
        holding = [view for view in views if view.has_content]
        newest = max(holding, key=lambda view: view.log_position, default=None)
        self._pool = newest.pool if newest else ()
        for step in plan:
            self.do(step)

    def do(self, step: ZoneStep) -> None:  # noqa: PLR0912 - one for each step
        match step:
            case Bootstrap(host):
                self.bootstrap(host)
            case StartSolo(host):
                assert self.hosts[host].server_id == SOLO_ID
                self.start(host, SOLO_ID)
            case Register(host, missing):
                assert self.hosts[host].running, "an entry needs an oned that takes it"
                for name in missing:
                    self.register(host, name)
                self._pool = self.database(host).pool
            case Seed(source, targets):
                self.stop(source)
                dump = self.database(source)
                for name in targets:
                    self.receive(dump, name, self._number(name))
            case Enlist(host):
                self.enlist(host)
            case RefreshServerList(names):
                for name in names:
                    self.relist(name, self._pool)
            case StartTogether(names):
                for name in names:
                    self.start(name, self._number(name))
                self.wait_for_leader(names)
            case Retire(host):
                self.alone(host, {entry.name for entry in self.database(host).pool})
            case Adopt(leader):
                assert self.leader() == leader
            case SeedAhead(leader, targets):
                following = 1 + max(entry.id for entry in self.database(leader).pool)
                dump = replace(self.database(leader))
                for number, name in enumerate(targets):
                    assert name not in {entry.name for entry in dump.pool}
                    self.receive(dump, name, following + number)
                self.seeded = set(targets)

    def bootstrap(self, name: str) -> None:
        host = self.hosts[name]
        host.database = None
        self.effect()
        host.server_id, host.enabled = SOLO_ID, True
        self._run(name)
        self.effect()

    def register(self, at: str, name: str) -> None:
        pool = self.database(at).pool
        number = max((entry.id for entry in pool), default=-1) + 1
        entry = ServerEntry(number, name, endpoint(name))
        if not self.write(at, f"add {name} {next(self._serial)}", (*pool, entry)):
            raise Stopped("the entry was not acknowledged")
        self.effect()

    def delete(self, at: str, name: str) -> None:
        left = tuple(entry for entry in self.database(at).pool if entry.name != name)
        if not self.write(at, f"delete {name} {next(self._serial)}", left):
            raise Stopped("the deletion was not acknowledged")
        self.effect()

    def receive(self, source: Database, target: str, number: int) -> None:
        if not self.hosts[target].up:
            raise Stopped("the target does not answer")
        self.stop(target)
        dump = replace(source)
        self.effect()
        host = self.hosts[target]
        if host.database is not None:
            assert host.database.identity == dump.identity, "another zone's data is replaced"
        host.server_id = number
        self.effect()
        host.database = None
        self.effect()
        host.database = dump
        self.effect()

    def enlist(self, founder: str) -> None:
        whole = self.database(founder)
        for entry in self._pool:
            one = self.hosts[entry.name]
            assert not one.running, "somebody runs while the founder is enlisted"
            assert one.database is not None, f"{entry.name} has no database before the founder"
            assert one.database.records == whole.records, f"{entry.name} lacks the founder's data"
            assert entry.name == founder or one.server_id == entry.id
        self.hosts[founder].server_id = self._number(founder)
        self.effect()

    def relist(self, name: str, newest: Pool) -> None:
        assert not self.hosts[name].running, "its database is changed under a running oned"
        if self.writes_newest_list:
            self.database(name).pool = newest
            self.effect()

    def start(self, name: str, number: int) -> None:
        host = self.hosts[name]
        if not host.up:
            raise Stopped(f"{name} does not answer")
        assert host.server_id == number, f"{name} would start with another SERVER_ID"
        if not host.running:
            self.database(name)
            host.enabled = True
            self._run(name)
        self.effect()

    def stop(self, name: str) -> None:
        if not self.hosts[name].up:
            raise Stopped(f"{name} does not answer")
        self.hosts[name].running = self.hosts[name].enabled = False
        self.effect()

    def restart(self, name: str) -> None:
        if not self.hosts[name].up:
            raise Stopped(f"{name} does not answer")
        self.led.append(name)
        self.hosts[name].running = False
        self._run(name)
        self.effect()

    def _number(self, name: str) -> int:
        return next(entry.id for entry in self._pool if entry.name == name)

    def join(self, name: str, names: Collection[str]) -> None:
        if self._is_sound(name, names):
            return
        view = self.wait_for_leader(names)
        leader = view.leader() or ""
        down = {entry.name for entry in view.pool} - view.statuses.keys()
        missing = down - {name} if name in down else set()
        found = [
            fault for fault in faults(view, without=missing | {name}) if " index " not in fault
        ]
        if found:
            raise Stopped("; ".join(found))
        if leader not in names:
            raise StrangeLeader(leader)
        if not self.hosts[name].up:
            raise Stopped(f"{name} does not answer")
        plan = plan_join(self.view(name), self.view(leader), view.pool, seeded=name in self.seeded)
        if isinstance(plan, Refusal):
            raise Refused(str(plan))
        numbers = {entry.name: entry.id for entry in view.pool}
        if plan.seed:
            expected = numbers.get(name, max(numbers.values()) + 1)
            self.receive(self.database(leader), name, expected)
        if plan.register:
            self.register(leader, name)
        if plan.start:
            newest = self.database(self.wait_for_leader(names).leader() or "").pool
            number = next(entry.id for entry in newest if entry.name == name)
            host = self.hosts[name]
            if not host.running:
                host.server_id = number
                self.effect()
                self.relist(name, newest)
            self.start(name, number)
        self.verify(names, missing)

    def _is_sound(self, name: str, names: Collection[str]) -> bool:
        view = self.zone_view(names)
        own = tuple(entry for entry in view.pool if entry.name == name)
        if own and faults(ZoneView(own, view.statuses)):
            self.write(view.leader() or name, f"touch {next(self._serial)}")
            view = self.zone_view(names)
        return bool(own) and not faults(ZoneView(own, view.statuses))

    # Leaving

    def prepare(self, staying: Collection[str], leaving: Collection[str]) -> bool:
        everybody = [*leaving, *staying]
        view = self.zone_view(everybody)
        if not view.pool:
            return False
        refusal = check_shrink(view, list(leaving), allow_degraded=False)
        if refusal is not None:
            raise Refused(str(refusal))
        listed = {entry.name for entry in view.pool}
        silent = sorted((listed & set(leaving)) - view.statuses.keys())
        if any(not self.hosts[name].up for name in silent):
            raise Refused("one that leaves does not answer")
        for name in silent:
            self.leave(name, staying)
        successors = listed & set(staying)
        if view.leader() in leaving and successors:
            self.switch_over(everybody, successors)
        return True

    def switch_over(self, names: Collection[str], to: Collection[str]) -> None:
        for _ in range(4 * len(names)):
            leader = self.wait_for_leader(names).leader() or ""
            self.touch(names)
            if leader in to:
                return
            self.restart(leader)
        raise Stopped("nobody of those is elected")

    def leave(self, name: str, staying: Collection[str]) -> None:
        names = {name, *staying}
        others = names - {name}
        if self._last_two(name, others):
            return
        view = self.wait_for_leader(names)
        listed = name in {entry.name for entry in view.pool}
        if listed:
            dead = [e.name for e in view.pool if e.name != name and not self.hosts[e.name].up]
            refusal = check_leave(view, name, dead)
            if refusal is not None:
                raise Refused(str(refusal))
            if len(view.pool) == 2 and view.leader() == name:
                (heir,) = (entry.name for entry in view.pool if entry.name != name)
                self.switch_over({name, heir}, {heir})
            self.wait_for_leader(names)
        self.stop(name)
        if listed:
            self._delete(name, others)

    def _last_two(self, name: str, others: Collection[str]) -> bool:
        if ZoneView((), self.statuses(others)).leader() is not None:
            return False
        staying = [
            other
            for other in others
            if self.hosts[other].up
            and self.hosts[other].database
            and {entry.name for entry in self.database(other).pool} == {other, name}
        ]
        if not self.hosts[name].up or self.hosts[name].running or len(staying) != 1:
            return False
        self.survive(staying[0])
        return True

    def _delete(self, name: str, others: Collection[str]) -> None:
        leader = self.wait_for_leader(others).leader() or ""
        if name in {entry.name for entry in self.database(leader).pool}:
            self.delete(leader, name)
        self.touch(others)

    def forget(self, lost: Collection[str], staying: Collection[str]) -> None:
        holding = [name for name in staying if self.hosts[name].up and self.hosts[name].database]
        listed = {entry.name for name in holding for entry in self.database(name).pool}
        gone = listed & set(lost)
        if not gone:
            return
        leader = ZoneView((), self.statuses(holding)).leader()
        if leader is None and len(holding) == 1 and listed - set(lost) == set(holding):
            self.survive(holding[0])
            return
        self.wait_for_leader(staying)
        for name in sorted(gone):
            self._delete(name, staying)

    def alone(self, name: str, goes: Collection[str]) -> None:
        """It runs outside the zone and takes those out of its list."""
        host = self.hosts[name]
        if host.server_id != SOLO_ID:
            self.stop(name)
            host.server_id = SOLO_ID
            self.effect()
        self.start(name, SOLO_ID)
        for entry in self.database(name).pool:
            if entry.name in goes:
                self.delete(name, entry.name)

    def survive(self, name: str) -> None:
        pool = self.database(name).pool
        self.alone(name, {entry.name for entry in pool} - {name})
        (entry,) = self.database(name).pool
        self.stop(name)
        self.hosts[name].server_id = entry.id
        self.effect()
        self.start(name, entry.id)
        self.wait_for_leader([name])

    # A whole run

    def up(self, config: Config) -> None:
        """A whole ``up``: the zone, its members one by one, then those that leave."""
        names = sorted(config.front_ends)
        self.seeded = set()
        if config.highly_available and self.zone_view(names).leader() is None:
            self.drift = True
        if self.zone != config or self.drift:
            self._change_zone(config)
        if config.highly_available:
            for name in names:
                self.join(name, names)
                self.members.add(name)
            if self.rolled_out != config:
                before = self.rolled_out.front_ends if self.rolled_out else frozenset()
                leaving = before - config.front_ends - config.lost
                self.verify(leaving | config.front_ends)
                self.rolled_out = config
        for name in sorted(self.members - config.front_ends):
            if name not in config.lost:
                self.leave(name, names)
                self.stop(name)
            self.members.discard(name)
        if not config.highly_available:
            self.members.clear()

    def _change_zone(self, config: Config) -> None:
        before = self.zone.front_ends if self.zone else frozenset()
        leaving = sorted(before - config.front_ends - config.lost)
        names = sorted(config.front_ends)
        if self.zone and config.highly_available and config.lost:
            self.forget(config.lost, names)
        shrinks = config.highly_available and bool(leaving)
        prepared = shrinks and self.prepare(names, leaving)
        self.found(names, leaving, ha=config.highly_available)
        if shrinks and not prepared:
            self.prepare(names, leaving)
        self.zone, self.drift = config, False

    def run(self) -> None:
        """An ``up`` with every host there is."""
        self.up(Config(frozenset(self.hosts)))

    def killed_after(self, effects: int, config: Config | None = None) -> bool:
        """A run that is killed after that many effects; whether it was."""
        self.left = effects
        try:
            self.up(config or Config(frozenset(self.hosts)))
        except Killed:
            return True
        finally:
            self.left = FOR_EVER
        return False

    def assert_whole(self, config: Config | None = None) -> None:
        config = config or Config(frozenset(self.hosts))
        names = sorted(config.front_ends)
        assert {name for name, one in self.hosts.items() if one.running} == config.front_ends
        databases = [self.database(name) for name in names]
        assert len({one.records for one in databases}) == 1
        assert self.acknowledged <= set(databases[0].records)
        listed = {entry.name: entry.id for entry in databases[0].pool}
        if not config.highly_available:
            assert not listed
            assert self.hosts[names[0]].server_id == SOLO_ID
            return
        assert self.leader() is not None
        assert all(one.pool == databases[0].pool for one in databases)
        assert listed == {name: self.hosts[name].server_id for name in names}
        assert len(set(listed.values())) == len(listed)
