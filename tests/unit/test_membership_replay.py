"""A founding and its joins, killed after every single effect, against the model in ``site``."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opennebula.zone import SOLO_ID
from tests.unit.site import Database, HostModel, Site


def three_blank() -> Site:
    return Site({name: HostModel() for name in ("n1", "n2", "n3")})


def five_blank() -> Site:
    return Site({name: HostModel() for name in ("n1", "n2", "n3", "n4", "n5")})


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


BEGINNINGS = [
    three_blank,
    five_blank,
    one_with_content,
    one_stopped_with_content,
    one_alone,
    two_more,
]
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
        site.run()
        site.assert_whole()
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
