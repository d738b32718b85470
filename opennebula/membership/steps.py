"""The steps of a plan of the zone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bootstrap:
    """Start the first server alone with an empty database."""

    host: str


@dataclass(frozen=True)
class Restore:
    """Put a kept dump in the place of the first server's empty database and start it alone."""

    host: str


@dataclass(frozen=True)
class StartStandalone:
    """Start a server that is alone in its database."""

    host: str


@dataclass(frozen=True)
class Register:
    """Enter these front-ends in the pool of the standalone server."""

    host: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Seed:
    """Stop the source, give its whole database and keys to the targets with their SERVER_ID."""

    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class AssignServerId:
    """Give the first server its SERVER_ID: from here on it is a zone server."""

    host: str


@dataclass(frozen=True)
class RefreshServerList:
    """Give these servers, which sleep, the zone's newest list of servers."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class StartTogether:
    """Start these zone servers at once and wait for a leader."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Adopt:
    """A zone is there and works: take it as it is."""

    leader: str


@dataclass(frozen=True)
class SeedAhead:
    """Give the leader's database and keys to those that are about to join, all at once."""

    leader: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Retire:
    """Take the last server of a zone back to standalone."""

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
