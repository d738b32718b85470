"""The duration of waits: the real ones times a factor, which tests may lower."""

import json
from dataclasses import dataclass
from pathlib import Path

START_S = 6.0
"""From the Raft manager's start until the API answers: the real daemon loads its drivers."""
STOP_S = 6.0
"""From the API's end until the process ends: the real daemon waits for its drivers."""
WARM_UP_S = 15.0
"""A new follower waits this much longer than the election timeout for its first heartbeat."""
CANDIDATE_STOP_S = 84.0
"""A candidate gives up its election only this long after a stop was requested."""

# Minimums: on a loaded machine a slow answer must not look like a dead leader.
_SHORTEST_ELECTION_S = 1.0
_SHORTEST_BROADCAST_S = 0.1
_SHORTEST_CALL_S = 0.5


STOP_RACE_S = (0.85, 1.3)
"""If the real daemon is stopped in this interval after it was ready, and the signal also reaches
its drivers, it hangs in its exit. Not scaled: the callers are not either."""


@dataclass(frozen=True)
class Pace:
    """The factor of all waits; 1.0: the real ones."""

    scale: float = 1.0
    stop_race: bool = False
    """Whether a stop hangs when the real daemon's does."""
    hangs: bool = False
    """Whether each stop hangs, as the real one sometimes does."""

    def races(self, seconds: float) -> bool:
        """Return whether a stop so long after the start hangs, if it reaches the drivers."""
        return self.stop_race and STOP_RACE_S[0] < seconds < STOP_RACE_S[1]

    def wait(self, seconds: float) -> float:
        """Return an artificial wait at this pace."""
        return seconds * self.scale

    def election(self, seconds: float) -> float:
        """Return the election timeout at this pace, but not less than the minimum."""
        return self._timeout(seconds, _SHORTEST_ELECTION_S)

    def broadcast(self, seconds: float) -> float:
        """Return the heartbeat's period at this pace."""
        return self._timeout(seconds, _SHORTEST_BROADCAST_S)

    def call(self, seconds: float) -> float:
        """Return the timeout of a call between servers at this pace; 0: none, as in oned.conf."""
        return self._timeout(seconds, _SHORTEST_CALL_S)

    def _timeout(self, seconds: float, shortest: float) -> float:
        return max(seconds * self.scale, min(seconds, shortest))


def read_pace(path: Path) -> Pace:
    """Return the pace in the file; without a file, the real one."""
    if not path.exists():
        return Pace()
    read = json.loads(path.read_text())
    return Pace(
        float(read.get("wait_scale", 1.0)),
        stop_race=bool(read.get("stop_race")),
        hangs=bool(read.get("hangs")),
    )
