"""How long things take: the real waits times a factor that tests may lower."""

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
"""A candidate gives up its election only this long after it was told to stop."""

# Below these a loaded machine would take a slow answer for a dead leader.
_SHORTEST_ELECTION_S = 1.0
_SHORTEST_BROADCAST_S = 0.1
_SHORTEST_CALL_S = 0.5


STOP_RACE_S = (0.85, 1.3)
"""Stopped so long after it was ready the real daemon hangs in its exit, if the signal reaches its
drivers, too. Not scaled: those who stop it that early do so at their own pace."""


@dataclass(frozen=True)
class Pace:
    """The factor on all waits, 1.0 being the real ones."""

    scale: float = 1.0
    stop_race: bool = False
    """Whether a stop hangs when the real one does."""
    hangs: bool = False
    """Whether each stop hangs, as the real one does now and then."""

    def races(self, seconds: float) -> bool:
        """Whether a stop hangs so long after it was ready, if its drivers are stopped with it."""
        return self.stop_race and STOP_RACE_S[0] < seconds < STOP_RACE_S[1]

    def wait(self, seconds: float) -> float:
        """An artificial wait at this pace."""
        return seconds * self.scale

    def election(self, seconds: float) -> float:
        """The election timeout at this pace, never so short that load looks like a dead leader."""
        return self._timeout(seconds, _SHORTEST_ELECTION_S)

    def broadcast(self, seconds: float) -> float:
        """The heartbeat's period at this pace."""
        return self._timeout(seconds, _SHORTEST_BROADCAST_S)

    def call(self, seconds: float) -> float:
        """The timeout of a call between servers at this pace; 0 means none, as in oned.conf."""
        return self._timeout(seconds, _SHORTEST_CALL_S)

    def _timeout(self, seconds: float, shortest: float) -> float:
        return max(seconds * self.scale, min(seconds, shortest))


def read_pace(path: Path) -> Pace:
    """The pace that the file asks for; without a file, the real one."""
    if not path.exists():
        return Pace()
    read = json.loads(path.read_text())
    return Pace(
        float(read.get("wait_scale", 1.0)),
        stop_race=bool(read.get("stop_race")),
        hangs=bool(read.get("hangs")),
    )
