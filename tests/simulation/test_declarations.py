"""A simulated script takes what the real one declares."""

import re

import pytest

from procedures.script_text import declarations
from tests.simulation.scripts import SCRIPTS

TOGETHER = {"preflight": ("preflight", "observe")}
"""Scripts that are run as one."""


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_what_is_simulated_takes_what_the_script_declares(name: str) -> None:
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
