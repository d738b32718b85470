"""A change of the config that fails anywhere and is reverted leaves the hosts as before."""

import contextlib
import random
from collections.abc import Callable
from copy import deepcopy
from functools import cache

import pytest

from tests.runs import CAMPAIGN
from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.faults import Fault, How, every
from tests.simulation.product import hook_path
from tests.simulation.scenarios import (
    FIVE,
    ONE,
    THREE,
    check,
    end,
    nothing,
    power_cut,
    refresh,
    settled,
)

CELLS = 6
"""The number of faults of each change, outside the campaign."""
CHANGED = THREE.but(oned={"LOG_CALL_FORMAT": "x"})

CHANGES: dict[str, tuple[Config, Config]] = {
    "an attribute": (THREE, CHANGED),
    "an attribute less": (CHANGED, THREE),
    "the VIP": (THREE, THREE.but(one_vip="10.0.0.101")),
    "a second VIP": (THREE, THREE.but(one_vips=({"address": "10.0.0.102", "cidr": 24},))),
    "the password": (THREE, THREE.but(one_pass="another")),
    "the database's password": (THREE, THREE.but(db_password="another")),
    "an address of Gate's": (THREE, THREE.but(gate_bind_addr="10.0.0.99")),
    "the check of the leader": (THREE, THREE.but(leader_check={"port": 2636})),
    "dumps on a timer": (THREE, THREE.but(backup={"schedule": "daily"})),
    "migrations": (THREE, THREE.but(unsafe_migrations=False)),
    "a scheduler": (THREE, THREE.but(sched_drs={"PREDICT": 1})),
    "two more": (THREE, FIVE),
    "another one": (THREE, Config.of("n2", "n3", "n4")),
    "two more than one": (ONE, THREE),
    "two less": (THREE, ONE),
    "more, and an attribute": (THREE, FIVE.but(oned={"LOG_CALL_FORMAT": "x"})),
    "a patch": (THREE.but(one_version="7.2.0"), THREE.but(one_version="7.2.1")),
}


@cache
def before(name: str) -> Operator:
    return settled(CHANGES[name][0])


def start(name: str) -> Operator:
    operator = deepcopy(before(name))
    operator.order = random.Random(0)
    return operator


@cache
def faults(name: str) -> list[Fault]:
    operator = start(name)
    operator.up(CHANGES[name][1])
    return every(operator.faults.seen)


def left(operator: Operator, config: Config) -> object:
    """Return what is on the hosts, without our hook and the package that it needs.

    Packages stay, and an oned that has not restarted may still run the hook.
    """
    site = deepcopy(operator.site)
    for host in site.hosts.values():
        host.files.pop(hook_path("raft/vips.sh"), None)
        host.packages.pop("python3", None)
    return end(site, config)


def put_back(name: str, fault: Fault, *, refreshed: bool) -> None:
    config, changed = CHANGES[name]
    operator = start(name)
    was = left(operator, config)
    operator.settles = True
    at = ""
    try:
        with contextlib.suppress(Failed):
            operator.up(changed, fault)
        at = operator.faults.seen[-1][0]
        if refreshed:
            refresh(operator, changed)
        if operator.asked_to_refresh:
            operator.refresh(changed)
        try:
            operator.up(config)
        except Failed as error:
            assert "pulumi refresh, then pulumi up" in str(error), error
            operator.refresh(config)
            operator.up(config)
        check(operator, config)
        assert left(operator, config) == was
    except (AssertionError, Failed) as error:
        raise AssertionError(f"{name}: {fault} at {at}: {error}") from error


@pytest.mark.parametrize("name", CHANGES)
def test_a_failed_and_reverted_change_leaves_nothing(name: str) -> None:
    cells = faults(name)
    for number, fault in enumerate(cells if CAMPAIGN else cells[:: max(1, len(cells) // CELLS)]):
        put_back(name, fault, refreshed=bool(number % 2))


@pytest.mark.parametrize("refreshed", [False, True])
@pytest.mark.parametrize("how", [How.INSIDE, How.AFTER])
@pytest.mark.parametrize(("name", "leaving"), [("two less", "n3"), ("another one", "n1")])
def test_a_server_whose_leave_was_interrupted_returns(
    name: str, leaving: str, how: How, *, refreshed: bool
) -> None:
    operator = start(name)
    operator.up(CHANGES[name][1])
    executions = [what for what, _, _ in operator.faults.seen]
    put_back(name, Fault(executions.index(f"{leaving} stop"), how), refreshed=refreshed)


@pytest.mark.parametrize("refreshed", [False, True])
def test_a_name_goes_also_of_one_that_was_never_installed(*, refreshed: bool) -> None:
    operator = start("two more")
    operator.up(FIVE)
    executions = [what for what, _, _ in operator.faults.seen]
    cut = Fault(executions.index("n1 configure") + 1, How.BEFORE)
    put_back("two more", cut, refreshed=refreshed)


@pytest.mark.parametrize("then", [nothing, refresh, power_cut])
@pytest.mark.parametrize("name", ["two more than one", "two more"])
def test_a_server_that_the_state_does_not_have_is_not_stopped(
    name: str, then: Callable[[Operator, Config], None]
) -> None:
    """The CLI alone does not record a create that was killed: only ``make up`` does."""
    config, changed = CHANGES[name]
    operator = start(name)
    operator.up(changed)
    executions = [what for what, _, _ in operator.faults.seen]
    cells = faults(name)
    sample = cells if CAMPAIGN else cells[:: max(1, len(cells) // CELLS)]
    newcomer = "n2" if config == ONE else "n4"
    starts = Fault(executions.index(f"{newcomer} start"), How.AFTER)
    messages = []
    for fault in [*sample, starts]:
        operator = start(name)
        with contextlib.suppress(Failed):
            operator.up(changed, fault)
        then(operator, changed)
        try:
            operator.up(config)
        except Failed as error:
            messages.append(str(error))
            # As the remedy says.
            operator.up(changed)
            operator.up(config)
        # Names of hosts that the state never had may be left in /etc/hosts.
        operator.refresh(config)
        operator.up(config)
        check(operator, config)
    remedy = "under opennebula-ha:frontends again, and run pulumi up"
    assert messages
    assert all(remedy in message for message in messages), messages
