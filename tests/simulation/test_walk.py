"""Random walks: grow, shrink, replace, convert and lose, with faults in the runs and on the hosts.

After every effect the promises of the site hold. Whatever came before, an undisturbed ``up`` with
all hosts back ends in a healthy zone. A failure prints its walk, and a line that replays it.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs import examples
from tests.simulation.faults import Fault, How
from tests.simulation.walk import NAMES, Again, Happens, Life, Lose, Move, Run

SIZES = (1, 3, 5)
WALKS = 200

names = st.sampled_from(NAMES)
faults = st.one_of(
    st.none(),
    st.builds(Fault, st.integers(0, 150), st.sampled_from(How), st.integers(0, 8)),
)
front_ends = st.sampled_from(SIZES).flatmap(
    lambda size: st.permutations(NAMES).map(lambda order: tuple(sorted(order[:size])))
)
runs = st.builds(Run, front_ends, st.just(True), faults, st.booleans())
converts = st.builds(Run, names.map(lambda name: (name,)), st.booleans(), faults, st.booleans())
happenings = st.one_of(
    st.builds(Happens, st.sampled_from(["write", "power_cut", "all_up", "refresh", "purge_log"])),
    st.builds(
        Happens, st.sampled_from(["power_off", "boot", "stop_oned", "replace", "restart"]), names
    ),
)
moves = st.one_of(
    runs,
    converts,
    st.builds(Again, faults, st.booleans()),
    st.builds(Lose, names, faults),
    happenings,
)


def live(seed: int, walk: list[Move]) -> Life:
    life = Life(seed)
    try:
        for move in walk:
            life.take(move)
        life.end_whole()
    except Exception as error:
        told = "\n".join([f"live({seed}, {walk})", *life.said])
        raise AssertionError(f"{error}\n{told}") from error
    return life


@settings(max_examples=examples(WALKS))
@given(st.integers(0, 99), st.lists(moves, min_size=2, max_size=10))
def test_promises_hold_and_the_next_run_ends_in_a_healthy_zone(seed: int, walk: list[Move]) -> None:
    live(seed, walk)


N3 = ("n0", "n1", "n2")


def _falls_behind(name: str) -> list[Move]:
    """That server runs, and needs records that the leader has purged."""
    return [
        Happens("power_off", name),
        Happens("write"),
        Happens("write"),
        Happens("purge_log"),
        Happens("boot", name),
    ]


WALKED: dict[str, list[Move]] = {
    "grow and shrink": [Run(N3), Run(NAMES[:5]), Run(("n3", "n4", "n0")), Run(("n3",))],
    "one joins, one leaves": [Run(N3), Run(("n1", "n2", "n3"))],
    "alone and back": [Run(("n0",), force_ha=False), Run(N3), Run(("n0",)), Run(("n0",), False)],
    "a newcomer is needed for the quorum": [
        Run(("n0",)),
        Run(N3, fault=Fault(70, How.BEFORE)),
        Happens("power_cut"),
    ],
    "one that is down leaves with others": [
        Run(NAMES[:5]),
        Happens("replace", "n3"),
        Run(("n0",)),
    ],
    "the one that stays lags": [
        Run(N3),
        Happens("power_off", "n0"),
        Run(("n0",)),
        Happens("write"),
    ],
    "one fell out of the log": [
        Run(N3),
        Happens("stop_oned", "n1"),
        Happens("write"),
        Happens("write"),
        Happens("purge_log"),
    ],
    "one is lost": [Run(N3), Lose("n1")],
    "others join next to one that lags": [Run(N3), *_falls_behind("n0"), Run(NAMES[:5])],
    "one that lags leaves as others join": [
        Run(N3),
        *_falls_behind("n0"),
        Run(("n2", "n5", "n6")),
    ],
    "one leaves next to one that lags": [Run(N3), *_falls_behind("n0"), Run(("n0",))],
    "two lag, and one of them leaves": [
        Run(NAMES[:5]),
        *_falls_behind("n1"),
        *_falls_behind("n2"),
        Run(("n1", "n3", "n4")),
    ],
    "one lags, and another one is stopped": [
        Run(N3),
        *_falls_behind("n0"),
        Happens("stop_oned", "n1"),
        Again(),
    ],
}


@pytest.mark.parametrize("name", WALKED)
def test_known_walks(name: str) -> None:
    for seed in range(4):
        live(seed, WALKED[name])


@pytest.mark.parametrize("kept", [("n0", "n1", "n2"), ("n2",)], ids=len)
def test_a_shrink_is_resumed_next_to_a_server_that_lags_since(kept: tuple[str, ...]) -> None:
    """The resumed run finds the zone prepared by the first one: nothing else looks for a lag."""
    for execution in range(16, 44, 3):
        shrink = Run(kept, fault=Fault(execution, How.BEFORE))
        live(execution, [Run(NAMES[:5]), shrink, *_falls_behind("n0"), Again()])
