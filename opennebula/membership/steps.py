"""The steps of a plan of the zone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bootstrap:
    """Start the first server alone with an empty database."""

    host: str


@dataclass(frozen=True)
class Restore:
    """Restore a dump on the first server, which has no data, and start it alone."""

    host: str


@dataclass(frozen=True)
class StartStandalone:
    """Start a standalone server."""

    host: str


@dataclass(frozen=True)
class Register:
    """Add these front-ends to the pool of the standalone server."""

    host: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Seed:
    """Stop the source, and copy its database and keys to the targets, with their SERVER_ID."""

    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class AssignServerId:
    """Set the first server's SERVER_ID, which makes it a zone server."""

    host: str


@dataclass(frozen=True)
class RefreshServerList:
    """Write the zone's newest list of servers to these stopped servers."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class StartTogether:
    """Start these zone servers together, and wait for a leader."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Adopt:
    """Adopt a running zone unchanged."""

    leader: str


@dataclass(frozen=True)
class SeedAhead:
    """Copy the leader's database and keys to all front-ends that are about to join."""

    leader: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Retire:
    """Make the last server of a zone standalone."""

    host: str


ZoneStep = (
    Bootstrap
    | Restore
    | StartStandalone
    | Register
    | Seed
    | AssignServerId
    | RefreshServerList
    | StartTogether
    | Adopt
    | SeedAhead
    | Retire
)
