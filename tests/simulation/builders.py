"""Helpers for tests of simulated sites."""

import os

from tests.simulation.host import SimHost
from tests.simulation.site import Site

CAMPAIGN = int(os.environ.get("SIMULATION_RUNS", "0"))
"""Number of runs of each property, if more than the usual few are requested."""


def examples(usual: int) -> int:
    """Return the number of runs of a property."""
    return max(CAMPAIGN, usual) if CAMPAIGN else usual


def blank(*names: str) -> Site:
    """Make hosts with nothing on them, each with its own address."""
    hosts = {name: SimHost(name, address(name)) for name in names}
    return Site(hosts)


def address(name: str) -> str:
    return f"10.0.0.{int(name[1:]) + 10}"
