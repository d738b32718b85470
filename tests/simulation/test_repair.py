"""Faults of servers are repaired in the same ``up`` as other changes, without losing quorum."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from procedures.facts import observe
from procedures.membership import member_status
from tests.simulation.builders import blank
from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.host import KEYS
from tests.simulation.product import State, ZoneView
from tests.simulation.scenarios import (
    FIVE,
    THREE,
    TWO,
    change_data,
    check,
    drop_data,
    misnumber,
    settled,
)
from tests.simulation.site import Site


def change_key(site: Site, name: str) -> None:
    """Give a front-end another key than the others have."""
    host = site.hosts[name]
    path = f"{KEYS}/one_key"
    host.files[path] = replace(host.files[path], text="by hand")


def restore_by_hand(site: Site, name: str) -> None:
    """Give a server that fell out a copy of the leader's database, without a reset.

    The leader continues to search for its place among records that it has purged.
    """
    site.stop_oned(name)
    site.use()
    site.use()
    site.purge_log()
    leader = site.leader()
    assert leader
    host = site.hosts[name]
    host.databases = dict.fromkeys(host.databases, site.database(leader).copy())
    site.start(host)
    site.happened()
    site.use()


def follower(site: Site) -> str:
    return min(set(site.hosts) - {site.leader()})


@pytest.mark.parametrize("broken", ["n1", "n3", "n5"])
@pytest.mark.parametrize(
    "damage", [Site.blank, drop_data, Site.stop_oned, misnumber, change_data, restore_by_hand]
)
def test_growth_repairs_servers_first(damage: Callable[[Site, str], None], broken: str) -> None:
    """In whichever order their names are: a new server needs all others up."""
    operator = Operator(blank(*FIVE.front_ends))
    operator.up(Config.of("n1", "n3", "n5"))
    if damage is restore_by_hand and operator.site.leader() == broken:
        broken = follower(operator.site)
    damage(operator.site, broken)
    operator.refresh(FIVE)
    operator.up(FIVE)
    operator.site.assert_whole(FIVE.front_ends)


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize(("before", "after"), [(THREE, Config.of("n1", "n2", "n4")), (FIVE, THREE)])
def test_servers_that_leave_count_for_the_quorum_of_a_repair(
    before: Config, after: Config, which: int
) -> None:
    operator = settled(before)
    site = operator.site
    staying = {*before.front_ends} & {*after.front_ends} - {site.leader()}
    broken = sorted(staying)[which]
    change_key(site, broken)
    operator.refresh(before)
    operator.up(after)
    check(operator, after)
    # It did not become the leader in place of one that leaves: its key would be the zone's.
    assert "by hand" not in site.hosts[broken].keys().values()


def test_a_server_restored_by_hand_gets_a_copy_again() -> None:
    operator = settled(THREE)
    restore_by_hand(operator.site, follower(operator.site))
    assert operator.refresh(THREE) != []
    operator.up(THREE)
    check(operator, THREE)


@pytest.mark.parametrize("broken", ["n1", "n2"])
@pytest.mark.parametrize("refreshed", [True, False])
def test_a_zone_of_two_grows_before_a_repair(broken: str, refreshed: bool) -> None:
    """It has no quorum without the server that is repaired."""
    operator = settled(TWO)
    change_key(operator.site, broken)
    if refreshed:
        operator.refresh(TWO)
        with pytest.raises(Failed, match="add a front-end to the stack first"):
            operator.up(TWO)
    operator.up(THREE)
    operator.refresh(THREE)
    operator.up(THREE)
    check(operator, THREE)


def test_no_server_is_stopped_for_a_repair_while_the_leader_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = settled(THREE)
    site = operator.site
    leader, broken = site.leader() or "", follower(site)
    change_key(site, broken)
    operator.refresh(THREE)
    look = observe.elected_view
    looks = count()

    def in_between(*given: Any) -> ZoneView:
        if next(looks):
            return look(*given)
        site.power_off(leader)
        statuses = look(*given).statuses.items()
        return ZoneView((), {name: replace(one, state=State.FOLLOWER) for name, one in statuses})

    monkeypatch.setattr(member_status, "elected_view", in_between)
    with pytest.raises(Failed, match=f"bring {leader} back first"):
        operator.up(THREE)
    site.boot(leader)
    operator.up(THREE)
    check(operator, THREE)
