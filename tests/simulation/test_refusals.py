"""A change that the zone refuses leaves the hosts as they were, and the zone as tolerant."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import pytest

from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.product import State
from tests.simulation.scenarios import (
    ALONE,
    FIVE,
    ONE,
    THREE,
    adopted,
    registered,
    settled,
)
from tests.simulation.site import Site


@dataclass(frozen=True)
class Refused:
    """A zone of three, or part of one, the change that it refuses, and words of the refusal."""

    before: Callable[[], Operator]
    config: Config
    words: str


def without(*names: str) -> Operator:
    """Make a zone of three on which these oneds are stopped."""
    operator = settled(THREE)
    for name in names:
        operator.site.stop_oned(name)
    return operator


def unreachable(name: str) -> Operator:
    operator = settled(THREE)
    operator.site.power_off(name)
    return operator


def another_zone(*names: str) -> Operator:
    """Make a zone of three next to an OpenNebula of another stack."""
    operator = settled(THREE)
    Operator(operator.site).up(
        Config.of(*names, force_ha=True, one_vip="10.0.0.110", allow_even=True)
    )
    operator.site.use()
    operator.site.remember()
    return operator


def forgotten(operator: Operator) -> Operator:
    """The state is lost."""
    return Operator(operator.site)


def returning() -> Operator:
    """Make a zone of three, whose state is lost; two more front-ends left it and hold old data."""
    operator = settled(FIVE)
    operator.up(THREE)
    operator.site.use()
    return forgotten(operator)


REFUSED = {
    "to standalone at once": Refused(
        lambda: settled(THREE), ALONE, "shrink it to one with force_ha: true first"
    ),
    "a shrink to a server that is down": Refused(lambda: without("n1"), ONE, "n1 down"),
    "a shrink without a quorum": Refused(
        lambda: without("n1"), ONE.but(allow_degraded=True), "would lose quorum"
    ),
    "a server that leaves is unreachable": Refused(lambda: unreachable("n3"), ONE, "n3"),
    "servers that the config does not list": Refused(lambda: forgotten(settled(THREE)), ONE, "n2"),
    "a front-end of another OpenNebula": Refused(
        lambda: another_zone("n4"), FIVE, "data of another OpenNebula"
    ),
    "two zones": Refused(
        lambda: forgotten(another_zone("n4", "n5")), FIVE, "each lead a zone of their own"
    ),
    "a password while a server is down": Refused(
        lambda: without("n2"), THREE.but(one_pass="another"), "no answer of the oned on n2"
    ),
    "a password that does not fit": Refused(
        lambda: settled(THREE), THREE.but(one_pass="a<b"), "without any of"
    ),
    "an upgrade of the database without consent": Refused(
        lambda: settled(THREE), THREE.but(one_version="7.4"), "upgrade_database"
    ),
    "growth of a zone that is adopted in the same run": Refused(
        adopted, FIVE, "saw n4 at no address, n5 at no address"
    ),
    "the same of a zone that another program built": Refused(
        lambda: registered(adopted()), FIVE, "run up without n4, n5 first"
    ),
    "a lost server that still runs": Refused(
        lambda: settled(THREE), Config.of("n1", "n2", "n4", lost=("n3",)), "lost servers stay off"
    ),
    "lost servers without a leader": Refused(
        lambda: without("n1", "n2", "n3"),
        Config.of("n1", "n2", "n4", lost=("n3",)),
        "no leader; stopped: n1, n2",
    ),
}
KINDS: Mapping[str, Mapping[str, object]] = {
    "nothing else": {},
    "an attribute": {"oned": {"LOG_CALL_FORMAT": "x"}},
    "an address of Gate's": {"gate_bind_addr": "10.0.0.99"},
    "the check of the leader": {"leader_check": {"port": 2636}},
    "the VIP": {"one_vip": "10.0.0.101"},
    "a second VIP": {"one_vips": ({"address": "10.0.0.102", "cidr": 24},)},
    "the database's password": {"db_password": "another"},
    "a patch": {"one_version": "7.2.1"},
    "a scheduler": {"sched_drs": {"PREDICT": 1}},
}
"""Changes in the same ``up``."""


@cache
def before(name: str) -> Operator:
    return REFUSED[name].before()


def everything(site: Site) -> object:
    """Return what is on the hosts, and what runs there."""
    return {
        name: (host.fingerprint(), sorted(host.vips), host.staged)
        for name, host in site.hosts.items()
    }


def survivors(site: Site) -> list[list[str]]:
    """Return who leads after the loss of each host."""
    found = []
    for name in site.hosts:
        cut = deepcopy(site)
        cut.power_off(name)
        answers = cut.statuses(cut.hosts).items()
        found.append([name for name, answer in answers if answer.state is State.LEADER])
    return found


CASES = [
    (name, kind)
    for name, case in REFUSED.items()
    for kind, keys in KINDS.items()
    # A standalone front-end has neither a VIP nor a check of the leader.
    if case.config.highly_available or not {*keys} & {"one_vip", "one_vips", "leader_check"}
    if not {*keys} & dict(case.config.more).keys()
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_refused_change_leaves_the_zone_as_it_was(name: str, kind: str) -> None:
    case = REFUSED[name]
    operator = deepcopy(before(name))
    site = operator.site
    was, tolerant = everything(site), survivors(site)
    # The second one finds what the first one left in the state.
    for _ in range(2):
        with pytest.raises(Failed) as refused:
            operator.up(case.config.but(**KINDS[kind]))
        assert case.words in str(refused.value)
        assert everything(site) == was
    assert survivors(site) == tolerant


@pytest.mark.parametrize("zone", [adopted, lambda: registered(adopted()), returning])
def test_an_adopted_zone_grows_in_two_runs(zone: Callable[[], Operator]) -> None:
    operator = zone()
    operator.up(THREE)
    operator.up(FIVE)
    answers = operator.site.statuses(operator.site.hosts)
    assert {name for name, found in answers.items() if found.server_id >= 0} == {*FIVE.front_ends}
