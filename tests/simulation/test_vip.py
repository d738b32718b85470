"""The leader has the VIP all the time, also if Raft's hooks are slow."""

from copy import deepcopy

import pytest

from tests.simulation.driver import Config
from tests.simulation.scenarios import FIVE, THREE, check, settled

SLOW = 45.0
"""Seconds: a follower that started becomes the leader before its hook has run."""
DARK = 10.0
CHANGES = {
    "an attribute": (THREE, THREE.but(oned={"LOG_CALL_FORMAT": "x"})),
    "the VIP": (THREE, THREE.but(one_vip="10.0.0.101")),
    "the database's password": (THREE, THREE.but(db_password="another")),
    "a patch": (THREE, THREE.but(one_version="7.2.1")),
    "two more": (THREE, FIVE),
    "two less": (FIVE, Config.of("n2", "n3", "n4")),
    "another one": (THREE, Config.of("n2", "n3", "n4")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_late_hook_does_not_take_the_vip_away_for_long(name: str) -> None:
    before, after = CHANGES[name]
    operator = deepcopy(settled(before))
    site = operator.site
    site.slow_hooks = SLOW
    # The zone has just started.
    site.late = {n: site.clock.now + SLOW for n in before.front_ends if n != site.leader()}
    operator.up(after)
    assert site.longest_dark < DARK
    # What is still to come takes nothing away either.
    site.clock.now += SLOW
    site.elapse()
    assert site.hosts[site.leader() or ""].vips
    check(operator, after)
