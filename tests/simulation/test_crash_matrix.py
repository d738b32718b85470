"""Every change of a stack, cut off at its remote executions, in every way.

All cells are run in the campaign; here every so many of them, from another one on each day.
"""

from datetime import UTC, datetime

import pytest

from tests.simulation.builders import CAMPAIGN
from tests.simulation.scenarios import SCENARIOS, beginning, faults, interrupt, undisturbed

CELLS = 12
"""Of each change, where it is not the campaign."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_undisturbed_change_ends_whole(name: str) -> None:
    executions, _ = undisturbed(name)
    assert executions


@pytest.mark.parametrize("name", SCENARIOS)
def test_interrupted_anywhere_the_next_run_ends_the_same(name: str) -> None:
    cells = faults(name)
    step = 1 if CAMPAIGN else max(1, len(cells) // CELLS)
    today = datetime.now(UTC).toordinal()
    for fault in cells[today % step :: step]:
        interrupt(name, fault)


def test_a_copy_of_a_site_is_one_of_its_own() -> None:
    before = beginning("grow").site.effects
    undisturbed("grow")
    assert beginning("grow").site.effects == before
