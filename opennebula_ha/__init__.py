"""The public interface of this project, for Pulumi programs of your own.

    import opennebula_ha
    import pulumi

    with opennebula_ha.program():
        zone = opennebula_ha.HighAvailableZone("zone", {})
        pulumi.export("endpoint", zone.endpoint)

The zone's settings are the keys of the stack's config in the namespace ``opennebula-ha``.
Everything else in this distribution may change in each version. See docs/guides/own-program.md.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NotRequired, TypedDict

from pulumi import Input, Output, ResourceOptions

import settings
from components import zone
from components.addresses import Addresses
from providers import runtime

__all__ = ["Dump", "HighAvailableZone", "Server", "Status", "ZoneArgs", "program"]


class ZoneArgs(TypedDict):
    """The arguments of a zone."""

    addresses: NotRequired[Mapping[str, Input[str]]]
    """Front-end to its IPv4 address, if the stack's config has none. Outputs are welcome."""


class Server(TypedDict):
    """A server of the zone."""

    id: int
    """The zone's number for it."""
    endpoint: str
    """URL of its oned."""


class Dump(TypedDict):
    """A dump of the database on a front-end."""

    path: str
    """Its file on the front-end."""
    bytes: int
    """Size of the file."""


class Status(TypedDict):
    """The zone at the last health check."""

    at: str
    """Time of the check, in UTC."""
    leader: str
    """Front-end that led the zone."""
    vip_holder: str | None
    """Front-end that held the VIPs, if there are any."""


class HighAvailableZone(zone.HighAvailableZone):
    """A zone with all front-ends that the stack's config lists under opennebula-ha:frontends."""

    endpoint: Output[str | None]
    """URL at which clients reach the leader; none for a front-end without high availability."""
    servers: Output[dict[str, Server]]
    """The zone's servers by name, with their IDs and endpoints."""
    backups: Output[dict[str, list[Dump]]]
    """Front-end to the dumps of the database that it keeps."""
    status: Output[Status]
    """The leader and the holder of the VIPs at the last health check."""

    def __init__(self, name: str, args: ZoneArgs, opts: ResourceOptions | None = None) -> None:
        """Raise RunError, with all faults, if the stack's config is not valid.

        Addresses that are outputs are checked as soon as they are known, before anything changes on
        a front-end.
        """
        given = args.get("addresses")
        addresses = Addresses(given) if given else None
        found = addresses.settings if addresses else settings.load()
        super().__init__(name, found, opts, addresses=addresses)
        for output, value in self.outputs().items():
            setattr(self, output, Output.from_input(value))


@contextmanager
def program() -> Iterator[None]:
    """Report a fault of the config as one message, and end the program when the engine ends."""
    runtime.exit_with_engine()
    with runtime.reported_once():
        yield
