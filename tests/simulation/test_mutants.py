"""Deliberate mistakes: the simulation finds each of them."""

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from tests.simulation import product, scenarios
from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.faults import Fault, How
from tests.simulation.scenarios import SCENARIOS, THEN, begin, check, faults
from tests.simulation.site import Broken
from tests.simulation.test_signs import signed

Patch = Callable[..., Any]


def every_cell(name: str, todo: list[Fault]) -> None:
    """Run the change, then each of its cells, with a power cut after it."""
    config = SCENARIOS[name].config
    operator = begin(name, 0)
    operator.up(config)
    check(operator, config)
    for fault in todo:
        operator = begin(name, 0)
        with contextlib.suppress(Failed):
            operator.up(config, fault)
        THEN["a power cut"](operator, config)
        operator.up(config)
        check(operator, config)


CUT = ("bootstrap", "convert to three", "change the password")
"""Changes in which a mistake shows only if they are interrupted."""


def cells(name: str) -> list[Fault]:
    if name not in CUT:
        return []
    return [one for one in faults(name) if one.how in (How.BEFORE, How.INSIDE)]


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def backwards(plan: Callable[..., list[Any]]) -> Patch:
    """The first server gets its SERVER_ID before the others have its data."""

    def mutant(*args: Any, **more: Any) -> list[Any]:
        steps = plan(*args, **more)
        places = [
            n for n, one in enumerate(steps) if type(one).__name__ in ("Seed", "AssignServerId")
        ]
        if len(places) == 2:
            first, second = places
            steps[first], steps[second] = steps[second], steps[first]
        return steps

    return mutant


MUTANTS: dict[str, tuple[str, Any, str, Callable[[Any], Any]]] = {
    "the leader does not check again": (
        "rejoin one that fell out",
        product.join_server.Join,
        "_reset",
        lambda _: nothing,
    ),
    "the first server gets its SERVER_ID before its copies are there": (
        "bootstrap",
        product.zone_plan,
        "_bootstrap",
        backwards,
    ),
    "a server that leaves runs on": ("shrink", product.leave, "stop", lambda _: nothing),
    "a SERVER_ID is not written": (
        "bootstrap",
        product.configuration,
        "with_server_id",
        lambda _: lambda text, _id: text,
    ),
    "files change before the new password is let in": (
        "change the password",
        product.password,
        "_admit",
        lambda _: nothing,
    ),
    "the source of a copy keeps running": (
        "convert to three",
        product.seed,
        "oned_service",
        lambda there: SimpleNamespace(stop=nothing, STOP=there.STOP),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_deliberate_mistake_is_found(name: str) -> None:
    scenario, owner, attribute, mutate = MUTANTS[name]
    todo = cells(scenario)
    scenarios.beginning(scenario)
    with (
        patch.object(owner, attribute, mutate(getattr(owner, attribute))),
        pytest.raises((AssertionError, Failed)),
    ):
        every_cell(scenario, todo)


SIGNS = ("application", "external", "keys", "another_name")


@pytest.mark.parametrize("sign", SIGNS)
def test_an_ignored_sign_is_found(sign: str) -> None:
    site = signed([("n1", sign)])
    host = site.hosts["n1"]
    before = (host.fingerprint(), host.keys())
    with patch.object(product.signs, "signs", lambda *_, **__: []):
        try:
            Operator(site).up(Config.of("n1", "n2", "n3"))
        except (Broken, Failed):
            assert host.fingerprint() != before[0]
            return
    data = {text for records in site.first.values() for text in records}
    is_lost = data - set(site.database("n1").records)
    assert is_lost or not before[1].items() <= host.keys().items()


@pytest.mark.parametrize("newest", [True, False])
def test_a_new_server_without_the_newest_list_leads_alone(newest: bool) -> None:
    """Why the newest list is needed: without it a new server elects itself by an older list."""
    real = product.oned_service.assign_server_id

    def without(access: Any, zone: Any, seen: Any, server_id: int, body: str = "") -> Any:
        return real(access, zone, seen, server_id, body if newest else "")

    name = "grow from one"
    seen_alone = False
    todo = [one for one in faults(name) if one.how is How.AFTER]
    with patch.object(product.join_server, "assign_server_id", without):
        for fault in todo:
            operator = begin(name, 0)
            operator.up(SCENARIOS[name].config, fault)
            try:
                operator.site.power_off("n1")
            except Broken as broken:
                seen_alone = seen_alone or "takes writes and lacks" in str(broken)
                seen_alone = seen_alone or "minority" in str(broken)
    assert seen_alone is not newest
