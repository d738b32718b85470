"""A zone of three, bootstrapped by the program itself, and interrupted at every remote execution."""

from collections.abc import Callable

import pytest

from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.faults import Fault, every
from tests.simulation.host import SimHost
from tests.simulation.site import Site

THREE = Config.of("n1", "n2", "n3")
NAMES = ("n1", "n2", "n3")


def blank(*names: str) -> Site:
    """Hosts with nothing on them."""
    return Site({name: SimHost(name, f"10.0.0.{number}") for number, name in enumerate(names, 1)})


def run(operator: Operator, config: Config, fault: Fault | None) -> None:
    try:
        operator.up(config, fault)
    except Failed:
        assert fault is not None


def faults_of_a_bootstrap() -> list[Fault]:
    operator = Operator(blank(*NAMES))
    operator.up(THREE)
    return every(operator.faults.seen)


FAULTS = faults_of_a_bootstrap()


def test_an_undisturbed_run_ends_whole_and_a_second_one_does_nothing() -> None:
    operator = Operator(blank(*NAMES))
    operator.up(THREE)
    operator.site.assert_whole(NAMES)
    effects = operator.site.effects
    assert operator.refresh(THREE) == []
    operator.up(THREE)
    assert operator.faults.seen == []
    assert operator.site.effects == effects


AFTERWARDS: dict[str, Callable[[Site], object]] = {
    "nothing": lambda site: None,
    "a write": Site.use,
    "a power cut": lambda site: (site.power_cut(), site.boot(*site.hosts)),
}


@pytest.mark.parametrize("then", AFTERWARDS)
def test_interrupted_anywhere_the_next_run_ends_the_same(then: str) -> None:
    for fault in FAULTS:
        operator = Operator(blank(*NAMES))
        try:
            run(operator, THREE, fault)
            AFTERWARDS[then](operator.site)
            operator.up(THREE)
            operator.site.assert_whole(NAMES)
            assert operator.refresh(THREE) == []
        except (AssertionError, Failed) as error:
            raise AssertionError(f"{fault}, then {then}: {error}") from error
