"""Control groups (version 2): what holds a host's processes together."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.machines.faults import LabFault
from lab.machines.shell import wait_until

PATIENCE = 10.0
"""Seconds to try against other labs that end at the same time."""


def mount_point() -> Path | None:
    """Where this machine has its cgroup2 hierarchy, if it has one."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(path)
    return None


def lab_cgroups() -> Path:
    """The directory under which every lab has its control groups."""
    root = mount_point()
    if root is None:
        raise LabFault("the lab needs a cgroup2 hierarchy; mount one with `mount -t cgroup2`")
    return root / "labhosts"


def _make(path: Path) -> None:
    """That directory, though the last lab to end removes the one that all have in common."""
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
    """One control group with all that is below it."""

    path: Path

    def create(self) -> None:
        """Make it, with its parents."""
        _make(self.path)

    def child(self, name: str) -> Path:
        """The path of a group below it, made if need be."""
        path = self.path / name
        _make(path)
        return path

    def processes(self) -> Iterator[int]:
        """The ids of all processes in it and below it."""
        # Groups come and go meanwhile; a walk passes over those that are gone.
        for directory, _, _ in os.walk(self.path):
            with suppress(OSError):
                yield from map(int, Path(directory, "cgroup.procs").read_text().split())

    @property
    def is_populated(self) -> bool:
        """Whether any process is in it or below it."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def freeze(self, frozen: bool) -> None:
        """Stop all its processes where they are, or let them go on."""
        (self.path / "cgroup.freeze").write_text("1" if frozen else "0")
        word = f"frozen {int(frozen)}"
        wait_until(
            lambda: word in (self.path / "cgroup.events").read_text(),
            f"{self.path.name} to report `{word}`",
            timeout=10,
        )

    def destroy(self) -> None:
        """Kill every process in it, without a word to them, and remove it."""
        if not self.path.exists():
            return
        (self.path / "cgroup.kill").write_text("1")
        wait_until(lambda: not self.is_populated, f"the processes of {self.path} to end", 15)
        # The kernel lets go of a group a little after its last process.
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
