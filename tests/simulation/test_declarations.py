"""A simulated script has the variables that the real one declares."""

import re

import pytest

from procedures.script_text import declarations
from tests.simulation.scripts import SCRIPTS

TOGETHER = {"preflight": ("preflight", "observe")}
"""Scripts that are run as one."""


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_simulated_script_takes_the_declared_variables(name: str) -> None:
    for kind, simulated in (
        ("variable", SCRIPTS[name].variables),
        ("secret", SCRIPTS[name].secrets),
    ):
        declared = {
            re.sub(r"^text_\*$", "text_N", variable)
            for script in TOGETHER.get(name, (name,))
            for variable in declarations(script)[kind]
        }
        assert declared == simulated
