"""The life of a zone as a random walk: changes, failures and killed runs against the model.

After every effect the model looks after the design's promises; whatever came before, an
undisturbed ``up`` with every host back ends whole.
"""

from copy import deepcopy
from dataclasses import dataclass

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from opennebula.zone import quorum
from tests.unit.site import FOR_EVER, Config, HostModel, Pool, Refused, Site, Stopped, StrangeLeader

NAMES = ("n0", "n1", "n2", "n3", "n4", "n5", "n6")
SIZES = (1, 3, 5)


@dataclass(frozen=True)
class Run:
    """An ``up`` with that config; killed after so many effects."""

    front_ends: tuple[str, ...]
    force_ha: bool = True
    killed_after: int = FOR_EVER
    busy: bool = False


@dataclass(frozen=True)
class Again:
    """The same ``up`` once more."""

    killed_after: int = FOR_EVER
    busy: bool = False


@dataclass(frozen=True)
class Lose:
    """A host is gone for good; the next ``up`` has that many others, and names it as lost."""

    name: str
    killed_after: int = FOR_EVER


@dataclass(frozen=True)
class Happens:
    """What needs no run of ours: the name of the walk's method, and the host."""

    what: str
    name: str = ""


Move = Run | Again | Lose | Happens


class Walk:
    """A site and the config that the operator has for it at the moment."""

    def __init__(self, led: list[str]) -> None:
        self.site = Site({name: HostModel() for name in NAMES}, led=list(led))
        self.config = Config(frozenset(NAMES[:3]))

    def take(self, move: Move) -> None:
        match move:
            case Run(front_ends, force_ha, killed_after, busy):
                config = Config(frozenset(front_ends), self.config.lost - {*front_ends}, force_ha)
                if not self.site.effects or self._is_sensible(config):
                    self.config = config
                self.up(killed_after, busy=busy)
            case Again(killed_after, busy):
                self.up(killed_after, busy=busy)
            case Lose(name, killed_after):
                self.lose(name, killed_after)
            case Happens(what, name):
                getattr(self, what)(name)

    def up(self, killed_after: int = FOR_EVER, *, busy: bool = False) -> None:
        self.site.busy = busy
        before = self._servers()
        try:
            self.site.killed_after(killed_after, self.config)
        except Refused as refusal:
            # What an interrupted run has begun is ended: the entry of a stopped server may go.
            assert self._nobody_came_or_went(before), f"refused after a change: {refusal}"
        except Stopped:
            pass
        finally:
            self.site.busy = False

    def _servers(self) -> tuple[Pool, frozenset[str]]:
        """Who is listed, and whose oned runs."""
        running = frozenset(name for name in NAMES if self.site.hosts[name].running)
        return self.site.zone_view(NAMES).pool, running

    def _nobody_came_or_went(self, before: tuple[Pool, frozenset[str]]) -> bool:
        (listed, running), (now_listed, now_running) = before, self._servers()
        gone = set(listed) - set(now_listed)
        return (
            running == now_running
            and set(now_listed) <= set(listed)
            and not running & {entry.name for entry in gone}
        )

    def end_whole(self) -> None:
        """The last run, disturbed by nobody; the operator does what it says that he has to."""
        site, before = self.site, self.site.effects
        for _ in range(2 * len(NAMES)):
            try:
                site.up(self.config)
            except StrangeLeader as leader:
                site.restart(str(leader))
            except Refused as refusal:
                assert site.effects == before, refusal
            else:
                site.assert_whole(self.config)
            return
        raise AssertionError("one that is to leave leads again and again")

    # What happens without us

    def write(self, _: str) -> None:
        self.site.use()

    def power_cut(self, _: str) -> None:
        for name in NAMES:
            self.site.hosts[name].up = False
        self.site.power_cut()

    def all_up(self, _: str) -> None:
        self.site.boot(*NAMES)

    def power_off(self, name: str) -> None:
        self.site.power_off(name)

    def boot(self, name: str) -> None:
        self.site.boot(name)

    def stop_oned(self, name: str) -> None:
        self.site.stop_oned(name)

    def replace(self, name: str) -> None:
        """A blank host takes the place and the name of one; not where nobody could forgive it."""
        if self._is_settled() and self._can_miss(name):
            self.site.blank(name)

    def lose(self, name: str, killed_after: int) -> None:
        spare = [
            one
            for one in NAMES
            if one not in self.config.front_ends and one not in self.config.lost
        ]
        if name in self.config.front_ends and spare and self._can_miss(name):
            others = self.config.front_ends - {name}
            config = Config(others | {spare[0]}, self.config.lost | {name})
            if not self._is_sensible(config):
                return
            self.site.power_off(name)
            self.site.blank(name)
            self.site.hosts[name].up = False
            self.config = config
            self.up(killed_after)

    def _is_sensible(self, config: Config) -> bool:
        """Somebody who has all stays, and nobody who stays is blank: a newcomer waits for that."""
        stays = self.config.front_ends & config.front_ends
        return (
            self._is_settled()
            and bool(self._whole() & stays)
            and all(self.site.hosts[name].database for name in stays)
        )

    def _is_settled(self) -> bool:
        """An interrupted change was brought to its end: the zone is the config's.

        The stack's state does not know who was about to join, nor the zone who was to leave.
        """
        listed = {entry.name for entry in self.site.newest}
        servers = self.config.front_ends if self.config.highly_available else set()
        return self.site.zone == self.config and self.site.members == listed == servers

    def _can_miss(self, name: str) -> bool:
        """Without that host a majority of the zone stays that has all and starts by itself."""
        enabled = {one for one, host in self.site.hosts.items() if host.enabled}
        whole = self._whole() & self.config.front_ends & enabled - {name}
        return len(whole) >= quorum(len(self.site.newest))

    def _whole(self) -> set[str]:
        """The zone servers that have all that was acknowledged."""
        return {
            entry.name
            for entry in self.site.newest
            if (database := self.site.hosts[entry.name].database)
            and self.site.acknowledged <= set(database.records)
        }


PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]

# Walks in which a run, an election or a quorum went wrong before.
A_NEWCOMER_IS_NEEDED_FOR_THE_QUORUM = [
    Run(("n0",)),
    Run(("n0", "n1", "n2"), killed_after=5),
    Happens("power_cut"),
]
ONE_THAT_IS_DOWN_LEAVES_WITH_OTHERS = [
    Run(("n0", "n1", "n2", "n3", "n4")),
    Happens("replace", "n3"),
    Run(("n0",)),
]
THE_HEIR_LAGS = [
    Run(("n0", "n1", "n2")),
    Happens("power_off", "n0"),
    Run(("n0",)),
    Happens("write"),
]
A_LEAVER_DIES_BETWEEN_TWO_RUNS = [
    Run(("n0", "n1", "n2", "n3", "n5")),
    Run(("n5",), killed_after=0),
    Again(0),
    Happens("power_off", "n2"),
    Again(),
]
names = st.sampled_from(NAMES)
kills = st.one_of(st.just(FOR_EVER), st.integers(0, 40))
front_ends = st.sampled_from(SIZES).flatmap(
    lambda size: st.permutations(NAMES).map(lambda order: tuple(sorted(order[:size])))
)
runs = st.builds(Run, front_ends, st.just(True), kills, st.booleans())
converts = st.builds(Run, names.map(lambda name: (name,)), st.booleans(), kills, st.booleans())
happenings = st.one_of(
    st.builds(Happens, st.sampled_from(["write", "power_cut", "all_up"])),
    st.builds(Happens, st.sampled_from(["power_off", "boot", "stop_oned", "replace"]), names),
)
moves = st.one_of(
    runs,
    converts,
    st.builds(Again, kills, st.booleans()),
    st.builds(Lose, names, kills),
    happenings,
)


@settings(max_examples=1200, phases=PHASES, report_multiple_bugs=False)
@given(st.permutations(NAMES), st.lists(moves, min_size=3, max_size=12))
@example(list(NAMES), A_NEWCOMER_IS_NEEDED_FOR_THE_QUORUM)
@example(list(NAMES), ONE_THAT_IS_DOWN_LEAVES_WITH_OTHERS)
@example(list(NAMES), THE_HEIR_LAGS)
@example(["n0", "n5", "n2", "n3", "n4", "n1", "n6"], A_LEAVER_DIES_BETWEEN_TWO_RUNS)
def test_whatever_happens_the_promises_hold_and_the_next_run_ends_whole(
    led: list[str], walk: list[Move]
) -> None:
    life = Walk(led)
    for move in walk:
        life.take(move)
    life.all_up("")
    life.end_whole()


@pytest.mark.parametrize("newest", [True, False])
def test_a_newcomer_whose_join_leaves_out_the_newest_list_leads_alone(newest: bool) -> None:
    """What the newest list is for: the model shows its lack."""
    one = Site({"n0": HostModel()}, writes_newest_list=newest)
    one.run()
    one.hosts |= {"n1": HostModel(), "n2": HostModel()}
    sites = (deepcopy(one) for _ in range(20))
    site = next(
        site
        for effects, site in enumerate(sites)
        if site.killed_after(effects) and site.hosts["n1"].running
    )
    if newest:
        site.power_off("n0")
        assert site.leader() is None
    else:
        with pytest.raises(AssertionError, match="n1 takes writes and lacks"):
            site.power_off("n0")
