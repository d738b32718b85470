"""Read the output of a host up to a size and until a deadline: a faulty host may never stop."""

import time
from collections.abc import Callable

import paramiko

MOST = 32 << 20
"""Largest output in bytes. Our scripts print a few megabytes at most."""


class EndlessError(Exception):
    """An output is larger than MOST. ``start`` is its beginning."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.start = bytes(data[:200]).decode(errors="replace")
        super().__init__()


def check(deadline: float, *answers: bytes | bytearray) -> None:
    """Raise TimeoutError after the deadline (monotonic), or EndlessError for too much output."""
    if sum(map(len, answers)) > MOST:
        raise EndlessError(max(answers, key=len))
    if time.monotonic() > deadline:
        raise TimeoutError


def more(
    channel: paramiko.Channel,
    read: Callable[[int], bytes],
    output: bytearray,
    deadline: float,
    *others: bytearray,
) -> bool:
    """Append what ``read``, a method of the channel, returns next; return False at its end.

    Raises TimeoutError and EndlessError as ``check`` does, also for the ``others``.
    """
    check(deadline, output, *others)
    channel.settimeout(max(deadline - time.monotonic(), 0.01))
    data = read(65536)
    output += data
    return bool(data)


def read_all(channel: paramiko.Channel, read: Callable[[int], bytes], deadline: float) -> bytes:
    """Return everything that ``read`` returns until its end. Raises what ``more`` does."""
    output = bytearray()
    while more(channel, read, output, deadline):
        pass
    return bytes(output)


def exit_status(channel: paramiko.Channel, deadline: float) -> int:
    """Return the exit status of a command whose output has ended; -1 if none arrives in time."""
    if not channel.status_event.wait(max(deadline - time.monotonic(), 0.01)):
        return -1
    return channel.recv_exit_status()
