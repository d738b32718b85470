"""A founding and its joins, killed after every single effect, against a model of the hosts.

The model knows what each step does to a host, effect by effect, in the order of the scripts. It
stops a run where it is told to, has the plan made anew from what can be observed, and looks after
every effect at the promises: no two databases of different content ever run, no oned runs outside
the zone on a copy, the founder is enlisted last, and no record is lost.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opennebula.membership import (
    Adopt,
    Bootstrap,
    Enlist,
    FrontEndView,
    JoinPlan,
    Refusal,
    Register,
    Seed,
    StartSolo,
    StartTogether,
    ZoneStep,
    plan_join,
    plan_zone,
)
from opennebula.zone import SOLO_ID, RaftStatus, ServerEntry, State, endpoint, quorum


@dataclass
class Database:
    """What a host keeps. ``records`` are all writes that it holds, in their order."""

    identity: str
    records: tuple[str, ...] = ()
    pool: tuple[ServerEntry, ...] = ()
    log_index: int = 0

    def copy(self) -> "Database":
        return Database(self.identity, self.records, self.pool, self.log_index)


@dataclass
class HostModel:
    """One host: its configuration, its database, and whether its oned runs."""

    server_id: int = SOLO_ID
    database: Database | None = None
    running: bool = False

    @property
    def leads_nobody(self) -> bool:
        return self.running and self.server_id == SOLO_ID


class Killed(Exception):
    """The operator's run ended here."""


@dataclass
class Site:
    """All hosts, and how many more effects there are before the run is killed."""

    hosts: dict[str, HostModel]
    left: int = 10**6
    effects: int = 0
    founder_enlisted: bool = False
    _serial: Iterator[int] = field(default_factory=count)

    def effect(self) -> None:
        """One effect took place: the promises hold, and the run may end."""
        self.effects += 1
        self.elect()
        self.check()
        self.left -= 1
        if self.left < 0:
            raise Killed

    def check(self) -> None:
        running = [one for one in self.hosts.values() if one.running and one.database]
        alone = [one for one in running if one.leads_nobody]
        assert len(alone) < 2, "two servers run outside any zone"
        assert not alone or len(running) == 1, "one runs outside the zone beside its servers"
        assert len({one.database.identity for one in running if one.database}) < 2

    # What runs by itself

    def elect(self) -> None:
        """Where a majority of servers runs, the newest leads and the others get its records."""
        leader = self.leader()
        if leader is None:
            return
        newest = self.database(leader)
        for one in self.hosts.values():
            if one.running and one.database and one is not self.hosts[leader]:
                assert newest.records[: len(one.database.records)] == one.database.records
                one.database = newest.copy()

    def leader(self) -> str | None:
        servers = {
            name: one.database
            for name, one in self.hosts.items()
            if one.running and one.database and one.server_id != SOLO_ID
        }
        if not servers:
            return None
        name = max(servers, key=lambda name: (servers[name].log_index, name))
        listed = {entry.name for entry in servers[name].pool}
        up = listed & servers.keys()
        return name if name in listed and len(up) >= quorum(len(listed)) else None

    def use(self) -> None:
        """Somebody writes to whatever takes writes."""
        leader = self.leader()
        for name, one in self.hosts.items():
            if one.database and (one.leads_nobody or name == leader):
                one.database.records += (f"write {next(self._serial)}",)
                one.database.log_index += 0 if one.leads_nobody else 1
        self.elect()

    def power_cut(self) -> None:
        """Every host goes down; none comes back by itself."""
        for one in self.hosts.values():
            one.running = False

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
            log_index=seen.log_index if one.database else -1,
            log_term=0 if one.database else -1,
            status=self.status(name),
        )

    def status(self, name: str) -> RaftStatus | None:
        one = self.hosts[name]
        if not one.running or one.database is None:
            return None
        leader = self.leader()
        state = State.LEADER if name == leader else State.FOLLOWER if leader else State.CANDIDATE
        if one.leads_nobody:
            state = State.SOLO
        index = one.database.log_index
        return RaftStatus(one.server_id, state, 0, index, index)

    # What each step does

    def found(self) -> None:
        plan = plan_zone([self.view(name) for name in reversed(self.hosts)], highly_available=True)
        assert not isinstance(plan, Refusal), plan
        for step in plan:
            self.do(step)

    def do(self, step: ZoneStep) -> None:
        match step:
            case Bootstrap(host):
                self.bootstrap(self.hosts[host])
            case StartSolo(host):
                assert self.hosts[host].server_id == SOLO_ID
                self.start(host)
            case Register(host, missing):
                assert self.hosts[host].running, "an entry needs an oned that takes it"
                for name in missing:
                    self.register(self.database(host), name)
            case Seed(source, targets):
                self.stop(source)
                for name in targets:
                    self.receive(source, name, self.number(source, name))
            case Enlist(host):
                self.enlist(host)
            case StartTogether(names):
                for name in names:
                    self.start(name)
            case Adopt(leader):
                assert self.leader() == leader

    def bootstrap(self, host: HostModel) -> None:
        host.database = None
        self.effect()
        assert host.server_id == SOLO_ID, "oned refuses an empty database beside a SERVER_ID"
        host.database, host.running = Database(f"zone {next(self._serial)}"), True
        self.effect()

    def register(self, database: Database, name: str) -> None:
        number = max((entry.id for entry in database.pool), default=-1) + 1
        database.pool += (ServerEntry(number, name, endpoint(name)),)
        self.effect()

    def receive(self, source: str, target: str, number: int) -> None:
        self.stop(target)
        dump = self.database(source).copy()
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
        for name, one in self.hosts.items():
            assert not one.running, "somebody runs while the founder is enlisted"
            assert one.database is not None, f"{name} has no database when the founder is enlisted"
            assert one.database.records == whole.records, f"{name} lacks records of the founder"
            assert name == founder or one.server_id == self.number(founder, name)
        self.hosts[founder].server_id = self.number(founder, founder)
        self.founder_enlisted = True
        self.effect()

    def start(self, name: str) -> None:
        assert self.database(name)
        self.hosts[name].running = True
        self.effect()

    def stop(self, name: str) -> None:
        self.hosts[name].running = False
        self.effect()

    def number(self, source: str, name: str) -> int:
        return next(entry.id for entry in self.database(source).pool if entry.name == name)

    def join(self, name: str) -> None:
        leader = self.leader()
        assert leader is not None
        pool = self.database(leader).pool
        plan = plan_join(self.view(name), self.view(leader), pool)
        assert isinstance(plan, JoinPlan), plan
        listed = any(entry.name == name for entry in pool)
        if plan.seed:
            expected = self.number(leader, name) if listed else max(e.id for e in pool) + 1
            self.receive(leader, name, expected)
        if plan.register:
            self.database(leader).log_index += 1
            self.register(self.database(leader), name)
        if plan.start:
            newest = self.database(self.leader() or leader)
            if not self.hosts[name].running:
                self.hosts[name].server_id = self.number(leader, name)
                self.effect()
                self.database(name).pool = newest.pool
                self.effect()
            self.start(name)

    def run(self) -> None:
        """A whole ``up``: found, then have every front-end take its place."""
        self.found()
        for name in self.hosts:
            self.join(name)

    def killed_after(self, effects: int) -> bool:
        """A run that is killed after that many effects; whether it was."""
        self.left = effects
        try:
            self.run()
        except Killed:
            return True
        finally:
            self.left = 10**6
        return False

    def assert_whole(self) -> None:
        assert self.leader() is not None
        assert all(one.running for one in self.hosts.values())
        databases = [self.database(name) for name in self.hosts]
        assert len({one.identity for one in databases}) == 1
        assert len({one.records for one in databases}) == 1
        listed = {entry.name: entry.id for entry in databases[0].pool}
        assert listed == {name: one.server_id for name, one in self.hosts.items()}
        assert len(set(listed.values())) == len(listed)


def three_blank() -> Site:
    return Site({name: HostModel() for name in ("n1", "n2", "n3")})


def one_with_content() -> Site:
    database = Database("old", ("users", "images"))
    return Site({"n1": HostModel(), "n2": HostModel(SOLO_ID, database, True), "n3": HostModel()})


def one_stopped_with_content() -> Site:
    site = one_with_content()
    site.hosts["n2"].running = False
    return site


def one_alone() -> Site:
    return Site({"n1": HostModel()})


def two_more() -> Site:
    """A zone of three that is to become one of five."""
    site = three_blank()
    site.run()
    site.use()
    site.hosts |= {"n4": HostModel(), "n0": HostModel()}
    return site


def use_then_power_cut(site: Site) -> None:
    site.use()
    site.power_cut()


BEGINNINGS = [three_blank, one_with_content, one_stopped_with_content, one_alone, two_more]
AFTERWARDS: dict[str, Callable[[Site], object]] = {
    "nothing happens": lambda site: None,
    "somebody writes": Site.use,
    "the power fails": Site.power_cut,
    "somebody writes, then the power fails": use_then_power_cut,
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_an_undisturbed_run_ends_as_a_whole_zone(beginning: Callable[[], Site]) -> None:
    site = beginning()
    before = max((one.database.records for one in site.hosts.values() if one.database), default=())
    site.run()
    site.assert_whole()
    assert site.database("n1").records[: len(before)] == before
    effects = site.effects
    site.run()
    assert site.effects == effects, "a second run changed something"


@pytest.mark.parametrize("then", AFTERWARDS)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_killed_after_any_effect_the_next_run_ends_the_same(
    beginning: Callable[[], Site], then: str
) -> None:
    for effects in range(1000):
        site = beginning()
        killed = site.killed_after(effects)
        AFTERWARDS[then](site)
        written = max(
            (one.database.records for one in site.hosts.values() if one.database),
            key=len,
            default=(),
        )
        site.run()
        site.assert_whole()
        if site.database("n1").identity == "old" or site.founder_enlisted:
            assert site.database("n1").records[: len(written)] == written, "a record is lost"
        if not killed:
            return
    raise AssertionError("the run never ended by itself")


@settings(max_examples=80)
@given(
    st.sampled_from(BEGINNINGS),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(sorted(AFTERWARDS))), max_size=5),
)
def test_killed_again_and_again_it_still_ends_the_same(
    beginning: Callable[[], Site], kills: list[tuple[int, str]]
) -> None:
    site = beginning()
    for effects, then in kills:
        site.killed_after(effects)
        AFTERWARDS[then](site)
    site.run()
    site.assert_whole()
