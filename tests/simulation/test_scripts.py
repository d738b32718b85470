"""The simulated scripts, compared with the program's own."""

import inspect

import pytest

from tests.simulation import product
from tests.simulation.remote import SimApi
from tests.simulation.scripts import SCRIPTS

NOT_SIMULATED = {
    *("authorize", "convert_database", "login_keys", "oned_log", "refused_logins", "snapshot"),
    *("storage", "timed_dump", "try_logins", "unhold", "web_server"),
}
"""Scripts that no simulated stack runs: running one fails at once."""


def test_every_script_is_simulated_or_listed_as_not() -> None:
    assert SCRIPTS.keys() | NOT_SIMULATED == product.scripts().keys()
    assert not SCRIPTS.keys() & NOT_SIMULATED


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_simulated_script_takes_the_scripts_variables(name: str) -> None:
    """The program itself checks the variables of a run against the declarations."""
    declared = product.declarations(name)
    more = product.declarations("observe") if name == "preflight" else {}
    for kind, own in (
        ("variable", SCRIPTS[name].variables),
        ("secret", SCRIPTS[name].secrets),
    ):
        wanted = {*declared[kind], *more.get(kind, ())}
        assert {one.replace("text_*", "text_N") for one in wanted} == own


def test_the_simulated_api_has_the_same_calls() -> None:
    def calls(of: type) -> dict[str, list[str]]:
        found = inspect.getmembers(of, inspect.isfunction)
        return {
            name: [*inspect.signature(function).parameters]
            for name, function in found
            if not name.startswith("_")
        }

    assert calls(SimApi) == calls(product.Api)
