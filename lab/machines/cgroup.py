"""Control groups (version 2): each host's processes are in one."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.machines.faults import LabFault
from lab.machines.shell import wait_until

PATIENCE = 10.0
"""Seconds to retry while other labs end at the same time."""


def mount_point() -> Path | None:
    """Return where the cgroup2 hierarchy is mounted, or None."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(path)
    return None


def lab_cgroups() -> Path:
    """Return the directory with the control groups of all labs."""
    root = mount_point()
    if root is None:
        raise LabFault("the lab needs a cgroup2 hierarchy; mount one with `mount -t cgroup2`")
    return root / "labhosts"


def _make(path: Path) -> None:
    """Make the directory, even if a lab that ends removes the common parent at the same time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):
            if time.monotonic() > deadline:
                raise LabFault(f"{path} cannot be made: its parent is gone again") from None
        else:
            return


@dataclass(frozen=True)
class Cgroup:
    """A control group with its descendants."""

    path: Path

    def create(self) -> None:
        """Make the group and its parents."""
        _make(self.path)

    def child(self, name: str) -> Path:
        """Return the path of a child group; make it if it does not exist."""
        path = self.path / name
        _make(path)
        return path

    def processes(self) -> Iterator[int]:
        """Yield the IDs of all processes in the group and its descendants."""
        # Groups may be removed during the walk.
        for directory, _, _ in os.walk(self.path):
            with suppress(OSError):
                yield from map(int, Path(directory, "cgroup.procs").read_text().split())

    @property
    def is_populated(self) -> bool:
        """Whether the group or a descendant has a process."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def freeze(self, frozen: bool) -> None:
        """Freeze all its processes, or let them continue."""
        (self.path / "cgroup.freeze").write_text("1" if frozen else "0")
        word = f"frozen {int(frozen)}"
        wait_until(
            lambda: word in (self.path / "cgroup.events").read_text(),
            f"{self.path.name} to report `{word}`",
            timeout=10,
        )

    def destroy(self) -> None:
        """Kill all its processes with SIGKILL, and remove the group."""
        if not self.path.exists():
            return
        (self.path / "cgroup.kill").write_text("1")
        wait_until(lambda: not self.is_populated, f"the processes of {self.path} to end", 15)
        # The kernel releases a group shortly after its last process has ended.
        wait_until(self._remove, f"{self.path} to be removable", timeout=5)

    def _remove(self) -> bool:
        try:
            for directory in sorted(self.path.rglob("*/"), reverse=True):
                directory.rmdir()
            self.path.rmdir()
        except FileNotFoundError:
            return not self.path.exists()
        except OSError:
            return False
        return True
