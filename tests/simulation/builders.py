"""What tests of simulated sites have in common."""

import os

from tests.simulation.host import SimHost
from tests.simulation.site import Site

CAMPAIGN = int(os.environ.get("SIMULATION_RUNS", "0"))
"""Runs of each property, where more than the usual few are asked for."""


def examples(usual: int) -> int:
    """How many runs a property is held to."""
    return max(CAMPAIGN, usual) if CAMPAIGN else usual


def blank(*names: str) -> Site:
    """Hosts with nothing on them, each with an address of its own."""
    hosts = {name: SimHost(name, address(name)) for name in names}
    return Site(hosts)


def address(name: str) -> str:
    return f"10.0.0.{int(name[1:]) + 10}"
