"""The time of a simulated site. It passes with each wait and with each remote execution."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

BEGIN = 1_800_000_000.0
"""Seconds since the epoch."""
LONGEST = 20.0
"""Seconds of one wait in which nothing happens."""


class Clock:
    """Replaces the module ``time`` in the program."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.wakes: Callable[[], object] = lambda: None
        """Called after each wait; its result changes when something has happened."""
        self._state: object = None
        self._wait = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wait. While nothing happens, each wait takes twice as long as the one before."""
        state = self.wakes()
        self._wait = min(self._wait * 2, LONGEST) if state == self._state else 0.0
        self._wait = max(self._wait, seconds)
        self.now += self._wait
        self._state = self.wakes()

    def datetime(self) -> type:
        """Return the class ``datetime`` with this clock."""
        clock = self

        class Simulated(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> "Simulated":
                clock.now += 0.001
                return cls.fromtimestamp(clock.now, tz or UTC)

        return Simulated
