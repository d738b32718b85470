"""When a run of the program is interrupted, and how."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.simulation.product import HostError


class Killed(BaseException):
    """The run ended here, with all its running calls."""


class How(StrEnum):
    BEFORE = "killed before"
    INSIDE = "killed inside"
    AFTER = "killed after"
    LOST = "answer lost"
    UNREACHED = "not reached"


@dataclass(frozen=True)
class Fault:
    """In the execution of that number; ``step``: the number of effects before the interruption."""

    execution: int
    how: How
    step: int = 0


@dataclass
class Faults:
    """Counts the remote executions of a run, and triggers its fault."""

    fault: Fault | None = None
    seen: list[tuple[str, int, bool]] = field(default_factory=list)
    """For each execution its name, its number of effects, and whether it changes anything."""
    dead: bool = False

    def begin(self, what: str, *, changes: bool) -> None:
        """An execution will be sent now."""
        self.live()
        self.seen.append((what, 0, changes))
        if self._is_now(How.BEFORE):
            self._kill()
        if self._is_now(How.UNREACHED):
            raise lost(what)

    def step(self) -> None:
        """One of its effects took place, and more follow."""
        what, steps, changes = self.seen[-1]
        self.seen[-1] = (what, steps + 1, changes)
        if self._is_now(How.INSIDE) and self.fault is not None and steps == self.fault.step:
            self._kill()

    def end(self) -> None:
        """All its effects took place."""
        if self._is_now(How.AFTER, How.INSIDE):
            self._kill()
        if self._is_now(How.LOST):
            raise lost(self.seen[-1][0])

    def live(self) -> None:
        """Check that the run has not ended: an ended run does nothing."""
        if self.dead:
            raise Killed

    def _is_now(self, *hows: How) -> bool:
        fault = self.fault
        return fault is not None and fault.execution == len(self.seen) - 1 and fault.how in hows

    def _kill(self) -> None:
        self.dead = True
        raise Killed


def lost(what: str) -> HostError:
    """Return the error that a broken connection raises."""
    return HostError(
        what.partition(" ")[0],
        what,
        expected="the connection to last",
        seen="it broke off",
        remedy="check the host and the network, then run again: it resumes here",
    )


def every(seen: Sequence[tuple[str, int, bool]]) -> list[Fault]:
    """Return each fault that a run with these executions can have."""
    found = []
    for number, (_, steps, changes) in enumerate(seen):
        hows = (How.BEFORE, How.AFTER, How.LOST, How.UNREACHED)
        found += [Fault(number, how) for how in (hows if changes else hows[2:])]
        found += [Fault(number, How.INSIDE, step) for step in range(steps if changes else 0)]
    return found
