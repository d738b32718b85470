"""What a sign of an abnormal state is, and where it was seen. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from commands.status.situation import Situation

COMMANDS = ("make ", "systemctl ")
"""How the lines of a cure begin that are commands."""
REPAIR = ("make refresh STACK={stack}", "make up STACK={stack}")
UP = ("make up STACK={stack}",)
LOGS = "make logs STACK={stack} OPTIONS='--since 1h'"


class Level(StrEnum):
    """How much a sign matters."""

    WARNING = "warning"
    """The zone works, but something is wrong."""
    CRITICAL = "critical"
    """Clients cannot use the zone, or its data are at risk."""


@dataclass(frozen=True)
class Found:
    """One place where a sign was seen."""

    host: str
    """The front-end; empty for the whole zone."""
    seen: str
    cure: tuple[str, ...] = ()
    """Where the cure depends on what was seen."""
    step: str = ""
    """The step that failed, where the sign is an error."""


@dataclass(frozen=True)
class Sign:
    """One abnormal state."""

    find: Callable[[Situation], Iterator[Found]]
    means: str
    """The state in a few words, for the table in the docs."""
    cause: str
    cure: tuple[str, ...] = REPAIR
    """Commands, one per line, and sentences; ``{host}`` and ``{stack}`` are filled in."""
    level: Level = Level.WARNING

    @property
    def name(self) -> str:
        """The name, which is that of the function that finds it."""
        return self.find.__name__
