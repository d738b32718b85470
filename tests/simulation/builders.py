"""Helpers for tests of simulated sites."""

from tests.simulation.host import SimHost
from tests.simulation.site import Site


def blank(*names: str) -> Site:
    """Make hosts with nothing on them, each with its own address."""
    hosts = {name: SimHost(name, address(name)) for name in names}
    return Site(hosts)


def address(name: str) -> str:
    return f"10.0.0.{int(name[1:]) + 10}"
