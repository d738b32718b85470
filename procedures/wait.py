"""Wait until a condition holds, with a deadline and an error that names the condition."""

import time
from collections.abc import Callable
from typing import TypeVar

from hosts.errors import HostError

T = TypeVar("T")

INTERVAL = 0.1
"""Seconds between two attempts."""


def repeat(probe: Callable[[], T | None], seconds: float) -> T | None:
    """Return the first value of the probe that is not None; None after that many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value is not None or time.monotonic() >= deadline:
            return value
        time.sleep(INTERVAL)


class NotYet(Exception):
    """What a probe waits for has not happened; the text is what it saw."""


def until(
    probe: Callable[[], T], *, host: str, step: str, expected: str, seconds: float, remedy: str
) -> T:
    """Return what the probe returns as soon as it does not raise NotYet.

    Raises HostError after that many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return probe()
        except NotYet as seen:
            if time.monotonic() >= deadline:
                within = f"{expected} within {seconds:.0f} s"
                raise HostError(
                    host, step, expected=within, seen=str(seen), remedy=remedy
                ) from None
        time.sleep(INTERVAL)
