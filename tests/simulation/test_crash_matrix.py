"""Every change of a stack, cut off at its remote executions, in every way.

``make campaign`` runs all cells; here it is every so many of them.
"""

import contextlib
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.builders import CAMPAIGN, examples
from tests.simulation.driver import Failed
from tests.simulation.faults import Fault, How
from tests.simulation.scenarios import (
    SCENARIOS,
    THEN,
    begin,
    beginning,
    check,
    fault_at,
    faults,
    interrupt,
    undisturbed,
)

CELLS = 8
"""Of each change, where it is not the campaign."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_interrupted_anywhere_the_next_run_ends_the_same(name: str) -> None:
    cells = faults(name)
    if CAMPAIGN:
        for then in THEN.values():
            for fault in cells:
                interrupt(name, fault, then)
        return
    for fault, then in zip(cells[:: max(1, len(cells) // CELLS)], cycle(THEN.values())):
        interrupt(name, fault, then)


KNOWN = [
    # The config lists three by then, the state knows of one outside any zone.
    ("convert to three", ("n1 stop", How.BEFORE), "a refresh"),
    # What has left still has a name on the others, and no restart may wait for what is stopped.
    ("shrink", ("n4 stop", How.AFTER), "a refresh"),
    ("shrink to one", ("n2 stop", How.AFTER), "a refresh"),
    ("shrink what others registered", ("n4 stop", How.AFTER), "a refresh"),
    # A leader and one follower run on, and nobody may start the other one.
    ("upgrade the database", ("n3 stop", How.BEFORE), "a refresh"),
    # The database is in place, what it came with is still there.
    ("upgrade the database", ("n3 restore", How.INSIDE, 12), "nothing"),
    ("go back", ("n3 restore", How.INSIDE, 14), "nothing"),
]
"""Cells in which something went wrong once."""


@pytest.mark.parametrize(("name", "at", "then"), KNOWN)
def test_cells_that_are_known(name: str, at: tuple[Any, ...], then: str) -> None:
    interrupt(name, fault_at(name, *at), THEN[then])


def test_a_copy_of_a_site_is_one_of_its_own() -> None:
    before = beginning("grow").site.effects
    undisturbed("grow")
    assert beginning("grow").site.effects == before


kills = st.tuples(
    st.builds(Fault, st.integers(0, 90), st.sampled_from(How), st.integers(0, 8)),
    st.sampled_from(sorted(THEN)),
)


@settings(max_examples=examples(30))
@given(st.sampled_from(sorted(SCENARIOS)), st.lists(kills, max_size=4))
def test_interrupted_again_and_again_it_still_ends_whole(
    name: str, cut: list[tuple[Fault, str]]
) -> None:
    config = SCENARIOS[name].config
    operator = begin(name, len(cut))
    for fault, then in cut:
        with contextlib.suppress(Failed):
            operator.up(config, fault)
        THEN[then](operator, config)
    operator.up(config)
    check(operator, config)
