"""The URNs of our resources, before they are registered. Progress is shown under them."""

from collections.abc import Sequence

import pulumi

ZONE = "opennebula-ha:zone:HighAvailableZone"
FRONT_END = "opennebula-ha:zone:FrontEnd"


def urn(parents: Sequence[str], kind: str, name: str) -> str:
    """Return the URN of a dynamic resource of that kind, below components of those types."""
    types = "$".join([*parents, f"pulumi-python:dynamic/opennebula:{kind}"])
    return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{types}::{name}"
