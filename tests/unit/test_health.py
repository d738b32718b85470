"""The health check of a zone that changes during the check. The faults are in test_zone."""

from dataclasses import replace
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.api import ApiError
from opennebula.zone import RaftStatus, ServerEntry, State, ZoneView, endpoint
from procedures import health, zone_data, zone_leader
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.install.configuration import with_server_id
from procedures.specs import ZoneSpec
from procedures.vip.address import LeaderChanged
from tests.unit.test_procedures import facts

NAMES = ("n1", "n2", "n3")
HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1]}") for name in NAMES}
SPEC = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=True)
POOL = tuple(ServerEntry(number, name, endpoint(name)) for number, name in enumerate(NAMES))


class Zone:
    """Three servers. A lagging follower gets missing records with the next write of its leader."""

    def __init__(self) -> None:
        self.leader, self.term, self.index = "n1", 1, 41
        self.lag = 0
        self.elects_after_a_write = ""

    def view(self, *_: Any) -> ZoneView:
        return ZoneView(POOL, {name: self._status(name) for name in NAMES})

    def write(self, *_: Any) -> None:
        self.index, self.lag = self.index + 1, 0
        if self.elects_after_a_write:
            # A majority has the record; n3 lacks it, and is not the leader.
            self.leader, self.elects_after_a_write = self.elects_after_a_write, ""
            self.term, self.lag = self.term + 1, 1

    def _status(self, name: str) -> RaftStatus:
        index = self.index - (self.lag if name == "n3" else 0)
        state = State.LEADER if name == self.leader else State.FOLLOWER
        return RaftStatus(
            server_id=NAMES.index(name), state=state, term=self.term, commit=index, index=index
        )


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    zone = Zone()
    monkeypatch.setattr(zone_leader, "zone_view", zone.view)
    monkeypatch.setattr(zone_leader, "write", zone.write)
    monkeypatch.setattr(health, "CONVERGENCE", 2.0)
    return zone


def converged(without: frozenset[str] = frozenset()) -> ZoneView:
    access = Access(cast(Any, None), cast(Any, None), lambda said: None)
    return health._converged(access, HOSTS, without)


def test_a_leader_gets_one_write(zone: Zone) -> None:
    assert converged().statuses["n3"].index == 42


def test_a_lagging_follower_gets_the_write_of_a_new_leader(
    zone: Zone,
) -> None:
    zone.elects_after_a_write = "n2"
    seen = converged()
    assert seen.leader() == "n2"
    assert seen.statuses["n3"].index == seen.statuses["n2"].index


class Busy:
    """Servers whose users change all the time; a look at all tables takes too long."""

    def __init__(self, *, lost: str = "") -> None:
        self.watched: list[str] = []
        self.lost = lost
        self.report = lambda said: None

    def facts(self) -> dict[str, Facts]:
        return {
            name: facts(name, checksums=f"one.images\t7\none.users\t{number}")
            for number, name in enumerate(NAMES)
        }

    def run(self, host: Host, _: str, *, variables: dict[str, str], **__: Any) -> Output:
        self.watched.append(variables["tables"])
        first = 10 + len(self.watched) + (100 if host.name == self.lost else 0)
        return Output({"checksums": "\n".join(f"one.users\t{first + n}" for n in range(9))})


def compared(busy: Busy, monkeypatch: pytest.MonkeyPatch, *, but: str = "") -> None:
    monkeypatch.setattr(zone_data, "CONVERGENCE", 0.0)
    hosts = {name: host for name, host in HOSTS.items() if name != but}
    zone_data.require_equal(cast(Any, busy), SPEC, hosts, busy.facts())


def test_only_tables_that_change_all_the_time_are_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Busy()
    compared(busy, monkeypatch)
    assert busy.watched == ["users"] * 3


def test_a_server_that_never_has_the_same_data_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(HostError, match=r"different one\.users"):
        compared(Busy(lost="n3"), monkeypatch)
    compared(Busy(lost="n3"), monkeypatch, but="n3")


class Quiet:
    """Servers with equal data; the checks of each are recorded."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.report = lambda said: None

    def facts(self, _: Any, hosts: dict[str, Host], *__: Any, **___: Any) -> dict[str, Facts]:
        self.asked |= dict.fromkeys(hosts, "all")
        return {name: self._facts(name) for name in hosts}

    def run(self, host: Host, _: str, *, variables: dict[str, str], **__: Any) -> Output:
        self.asked[host.name] = f"{variables['tables']} for {variables['seconds']} s"
        return Output({"checksums": self._facts(host.name).checksums})

    def _facts(self, name: str) -> Facts:
        one = facts(name, checksums="one.acl\t7\none.users\t8")
        return replace(one, oned_conf=with_server_id(one.oned_conf, NAMES.index(name)))


@pytest.mark.parametrize(
    ("before", "renewed", "of_the_others"),
    [
        (("n1", 1), "n2", "acl users for 0 s"),
        (("n3", 0), "n2", "all"),
        # Another server led in between, and may have left an address.
        (("n1", 1), "n1", "all"),
        # The same one was elected again, and its hooks may have come in the wrong order.
        (("n1", 0), "n2", "all"),
    ],
)
def test_unchanged_servers_are_checked_again_only_for_their_data(
    zone: Zone,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[str, int],
    renewed: str,
    of_the_others: str,
) -> None:
    quiet = Quiet()
    elections: list[bool] = []

    def to_leader(*given: Any, elected: bool) -> Any:
        elections.append(elected)
        return given[4]

    monkeypatch.setattr(zone_data, "all_facts", quiet.facts)
    monkeypatch.setattr(health, "_same_answers", lambda *_: None)
    monkeypatch.setattr(health, "to_leader", to_leader)
    zone.leader, zone.term = before
    whole = health.verify(cast(Any, quiet), SPEC, HOSTS)
    quiet.asked.clear()
    zone.leader, zone.term = "n1", 1
    after = health.verify(cast(Any, quiet), SPEC, HOSTS, before=whole, renewed=renewed)
    others = [name for name in NAMES if name != renewed]
    assert quiet.asked == {renewed: "all", **dict.fromkeys(others, of_the_others)}
    assert after.facts == whole.facts
    assert elections == [True, before != ("n1", 1)]


class Answers:
    """Servers that forward calls, or cannot for a while; the API is the same for all."""

    named = staticmethod(tuple)

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.report = lambda said: None

    def api(self, host: Host, timeout: float = 8) -> "Answers":
        return self

    def servers(self) -> tuple[ServerEntry, ...]:
        return POOL

    def version(self) -> str:
        self.refusals -= 1
        if self.refusals >= 0:
            raise ApiError("Cannot process request, no leader found")
        return "7.2.0"

    touch = delete_server = lambda self, *_: self.version()


def test_a_call_that_cannot_be_forwarded_waits_for_the_election(zone: Zone) -> None:
    answers = Answers(refusals=7)
    health._same_answers(cast(Any, answers), HOSTS, HOSTS, zone.view())
    assert answers.refusals < 0


def test_a_follower_that_never_forwards_calls_is_at_fault(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "WRITE", 0.3)
    followers = {name: host for name, host in HOSTS.items() if name != "n1"}
    with pytest.raises(HostError, match="restart opennebula on that follower"):
        health._same_answers(cast(Any, Answers(10**6)), HOSTS, followers, zone.view())


def test_the_remedy_after_a_change_of_leader_is_not_a_restart(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "WRITE", 0.3)
    before = zone.view()
    zone.leader, zone.term = "n2", 2
    with pytest.raises(HostError) as caught:
        health._same_answers(cast(Any, Answers(10**6)), HOSTS, HOSTS, before)
    assert "restart" not in caught.value.remedy
    assert "the leader changed" in caught.value.remedy


def test_a_write_refused_during_an_election_is_repeated(zone: Zone) -> None:
    answers = Answers(refusals=3)
    zone_leader.ask(
        cast(Any, answers), HOSTS, lambda api: api.version(), step="write", expected="a write"
    )
    assert answers.refusals < 0


def test_all_is_checked_again_if_the_leader_changes_before_the_vips(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Quiet()
    looks: list[str] = []

    def to_leader(*given: Any, elected: bool) -> Any:
        looks.append(given[3])
        if len(looks) == 1:
            zone.leader, zone.term = "n2", 2
            raise LeaderChanged
        return given[4]

    monkeypatch.setattr(zone_data, "all_facts", quiet.facts)
    monkeypatch.setattr(health, "_same_answers", lambda *_: None)
    monkeypatch.setattr(health, "to_leader", to_leader)
    assert health.verify(cast(Any, quiet), SPEC, HOSTS).leader == "n2"
    assert looks == ["n1", "n2"]
