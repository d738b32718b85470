"""Run the same work on several hosts in parallel, and collect all errors."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from hosts.errors import HostError
from hosts.models import Host

T = TypeVar("T")
K = TypeVar("K")


class HostErrors(HostError):
    """Several errors of hosts; its text has all of them."""

    def __init__(self, errors: list[HostError]) -> None:
        self.errors = errors
        first = errors[0]
        super().__init__(
            first.host, first.step, expected=first.expected, seen=first.seen, remedy=first.remedy
        )

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def raise_all(errors: list[HostError]) -> None:
    """Raise these errors as one, if there are any."""
    if errors:
        raise errors[0] if len(errors) == 1 else HostErrors(errors)


def on_each(hosts: Mapping[str, Host], work: Callable[[Host], T]) -> dict[str, T]:
    """Run that on all those hosts in parallel, to the end. Raises as ``side_by_side`` does."""
    return side_by_side({name: partial(work, host) for name, host in hosts.items()})


def side_by_side(work: Mapping[K, Callable[[], T]]) -> dict[K, T]:
    """Run all tasks in parallel, to the end. Raises HostErrors if any of them raised HostError."""
    if not work:
        return {}
    with ThreadPoolExecutor(max_workers=len(work)) as workers:
        futures = {key: workers.submit(task) for key, task in work.items()}
    errors = [error for future in futures.values() if (error := future.exception())]
    for error in errors:
        if not isinstance(error, HostError):
            raise error
    raise_all([error for error in errors if isinstance(error, HostError)])
    return {key: future.result() for key, future in futures.items()}
