"""Take a lab down after the process that it was booted for has ended, also if it was killed."""

import os
import select
import sys
from contextlib import suppress
from pathlib import Path

from lab.machines.lab import Lab
from lab.machines.processes import ProcessId


def reap(lab: Lab, runner: ProcessId) -> None:
    """Wait for the end of the process, then take the lab down."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(runner.pid)
        print("ready", flush=True)
        if runner.is_alive:
            select.select([handle], [], [])
    lab.down()


if __name__ == "__main__":
    name, state, pid, started = sys.argv[1:]
    reap(Lab(name, Path(state)), ProcessId(int(pid), int(started)))
