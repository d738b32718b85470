"""The steps of a plan of the zone."""

from dataclasses import dataclass


class ZoneStep:
    """A step: its class says what is done."""


@dataclass(frozen=True)
class _OnOne(ZoneStep):
    host: str


@dataclass(frozen=True)
class _OnSeveral(ZoneStep):
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class _Copy(ZoneStep):
    source: str
    targets: tuple[str, ...]


class Bootstrap(_OnOne):
    """Start the first server alone with an empty database."""


class Restore(_OnOne):
    """Restore a dump on the first server, which has no data, and start it alone."""


class StartStandalone(_OnOne):
    """Start a standalone server."""


@dataclass(frozen=True)
class Register(_OnOne):
    """Add these front-ends to the pool of the standalone server."""

    missing: tuple[str, ...]


class Seed(_Copy):
    """Stop the source, and copy its database and keys to the targets, with their SERVER_ID."""


class AssignServerId(_OnOne):
    """Set the first server's SERVER_ID, which makes it a zone server."""


class RefreshServerList(_OnSeveral):
    """Write the zone's newest list of servers to these stopped servers."""


class StartTogether(_OnSeveral):
    """Start these zone servers together, and wait for a leader."""


class Adopt(_OnOne):
    """Adopt a running zone, which this host leads, unchanged."""


class SeedAhead(_Copy):
    """Copy the leader's database and keys to all front-ends that are about to join."""


class Retire(_OnOne):
    """Make the last server of a zone standalone."""
