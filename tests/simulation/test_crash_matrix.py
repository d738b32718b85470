"""Every change of a stack, interrupted at its remote executions in every way.

``make campaign`` runs all cells; this file runs a sample of them.
"""

import contextlib
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs import CAMPAIGN, examples
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

EACH = 2
"""The number of cells of each kind of remote execution in a change, outside the campaign."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_interrupted_run_ends_like_an_undisturbed_one(name: str) -> None:
    if CAMPAIGN:
        for then in THEN.values():
            for fault in faults(name):
                interrupt(name, fault, then)
        return
    for fault, then in zip(sample(name), cycle(THEN.values())):
        interrupt(name, fault, then)


def sample(name: str) -> list[Fault]:
    """Return some faults of each kind of remote execution, at different moments."""
    kinds: dict[str, list[Fault]] = {}
    for fault in faults(name):
        what = undisturbed(name)[0][fault.execution][0]
        # Without the names of hosts.
        kind = " ".join(word for word in what.split() if not word[-1].isdigit())
        kinds.setdefault(kind, []).append(fault)
    return [
        found[len(found) * (number + 1) // (EACH + 2)]
        for found in kinds.values()
        for number in range(min(EACH, len(found)))
    ]


def test_a_sample_has_every_kind_of_execution() -> None:
    executions = [said for said, _, _ in undisturbed("bootstrap")[0]]
    seen = {executions[fault.execution].split()[1] for fault in sample("bootstrap")}
    assert seen == {said.split()[1] for said in executions}


KNOWN = [
    # oned has its database, but the mark of a blank host still exists; at the boot oned starts.
    ("bootstrap one", ("n1 bootstrap", How.INSIDE, 5), "a power cut"),
    ("bootstrap", ("n2 start", How.INSIDE, 2), "a power cut"),
    # The second server is registered, but not started: the first one is no majority of two.
    ("grow from one", ("n1 api add n2", How.AFTER), "a power cut"),
    ("grow from one", ("n2 assign_server_id", How.INSIDE), "a power cut"),
    # oned runs with its new configuration; the former file still exists.
    ("change oned", ("n1 restart", How.INSIDE, 3), "nothing"),
    ("change oned", ("n1 restart", How.INSIDE, 2), "a power cut"),
    # The config already lists three; the state has one outside any zone.
    ("convert to three", ("n1 stop", How.BEFORE), "a refresh"),
    # What has left still has a name on the others, and no restart may wait for what is stopped.
    ("shrink", ("n4 stop", How.AFTER), "a refresh"),
    ("shrink to one", ("n2 stop", How.AFTER), "a refresh"),
    ("shrink what others registered", ("n4 stop", How.AFTER), "a refresh"),
    # A leader and one follower are running; the other one must not be started.
    ("upgrade the database", ("n3 stop", How.BEFORE), "a refresh"),
    # The database is in place; the received copy still exists.
    ("upgrade the database", ("n3 restore", How.INSIDE, 12), "nothing"),
    # The database has no version of a release.
    ("upgrade the database", ("n2 upgrade_database", How.INSIDE, 1), "nothing"),
    # The upgrade has ended on this server, except for the start of oned.
    ("upgrade the database", ("n1 end_upgrade", How.INSIDE, 3), "nothing"),
    ("go back", ("n3 end_upgrade", How.INSIDE, 3), "nothing"),
    # The new opennebula is installed, but not all of its other packages.
    ("upgrade the database", ("n2 swap", How.INSIDE, 3), "nothing"),
    ("go back", ("n3 restore", How.INSIDE, 14), "nothing"),
]
"""Cells that failed once."""


@pytest.mark.parametrize(("name", "at", "then"), KNOWN)
def test_known_cells_end_like_an_undisturbed_run(name: str, at: tuple[Any, ...], then: str) -> None:
    interrupt(name, fault_at(name, *at), THEN[then])


def test_a_copy_of_a_site_is_independent() -> None:
    before = beginning("grow").site.effects
    undisturbed("grow")
    assert beginning("grow").site.effects == before


kills = st.tuples(
    st.builds(Fault, st.integers(0, 90), st.sampled_from(How), st.integers(0, 8)),
    st.sampled_from(sorted(THEN)),
)


@settings(max_examples=examples(30))
@given(st.sampled_from(sorted(SCENARIOS)), st.lists(kills, max_size=4))
def test_repeated_interruptions_end_in_a_healthy_zone(
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
