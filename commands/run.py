"""Run a command of the CLI, and settle what it leaves if it fails.

A terminal also sends SIGINT to the command: it is not forwarded, otherwise it would count twice.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType


def run(argv: Sequence[str]) -> int:
    """Return the exit status of the command, as in a shell."""
    command: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if command is None:
            early.append(number)
        else:
            command.send_signal(number)

    signal.signal(signal.SIGINT, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    command = subprocess.Popen(argv)
    for signal_number in early:
        command.send_signal(signal_number)
    status = command.wait()
    return status if status >= 0 else 128 - status


def main(argv: Sequence[str]) -> int:
    """Return the command's exit status."""
    status = run(argv)
    if status:
        from commands.pending import settle  # noqa: PLC0415 - only a run that fails needs it

        # Locked: by a killed run until `cancel`, or by another one that still runs.
        with suppress(subprocess.CalledProcessError):
            settle()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
