"""Processes that outlive the one that started them, told apart from those that reuse their id."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A process by its id and its start time (in clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """The process that has this id now."""
        return cls(pid, _start_time(pid) or 0)

    @classmethod
    def load(cls, path: Path) -> "ProcessId | None":
        """The process noted in a file, or None if nothing readable is noted."""
        try:
            pid, started = path.read_text().split()
        except (OSError, ValueError):
            return None
        return cls(int(pid), int(started))

    def save(self, path: Path) -> None:
        """Note the process in a file."""
        path.write_text(f"{self.pid} {self.started}\n")

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.started != 0 and _start_time(self.pid) == self.started

    def terminate(self) -> None:
        """Ask it to end, if it still runs."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGTERM)


def _start_time(pid: int) -> int | None:
    try:
        # The second field, the command's name, may hold blanks and brackets of its own.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
