"""Processes that outlive the one that started them; a process that reuses an ID is another one."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A process, by its ID and its start time (in clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Return the process with this ID."""
        return cls(pid, _start_time(pid) or 0)

    @classmethod
    def load(cls, path: Path) -> "ProcessId | None":
        """Return the process saved in a file, or None if the file is missing or not readable."""
        try:
            pid, started = path.read_text().split()
        except (OSError, ValueError):
            return None
        return cls(int(pid), int(started))

    def save(self, path: Path) -> None:
        """Save the process in a file."""
        path.write_text(f"{self.pid} {self.started}\n")

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.started != 0 and _start_time(self.pid) == self.started

    def terminate(self) -> None:
        """Send it SIGTERM, if it still runs."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGTERM)


def _start_time(pid: int) -> int | None:
    try:
        # The second field, the command's name, may contain spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
