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


def until(
    probe: Callable[[], T | None],
    *,
    host: str,
    step: str,
    expected: str,
    seconds: float,
    seen: Callable[[], str],
    remedy: str,
) -> T:
    """Return the first value of the probe that is not None.

    Raises HostError after that many seconds.
    """
    value = repeat(probe, seconds)
    if value is None:
        raise HostError(
            host, step, expected=f"{expected} within {seconds:.0f} s", seen=seen(), remedy=remedy
        )
    return value
