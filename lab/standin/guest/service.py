"""The way into Gate, Flow, Form and FireEdge, and oned as they ask it."""

import importlib
import sys
from typing import Any

from .wire import CallError, call

TIMEOUT_S = 30.0
OWN = -1
"""The number of the user who asks."""

_FAILED = 1


class ServiceError(Exception):
    """The service cannot start like this; the message is for the operator."""


class OnedError(Exception):
    """oned does not do it."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        """As oned gives it; None where it was not reached."""


def ask(endpoint: str, session: str, method: str, *params: Any) -> str:
    """What oned answers there; OnedError where it refuses, or cannot be asked."""
    try:
        answer = call(endpoint, method, [session, *params], TIMEOUT_S)
    except CallError as error:
        raise OnedError(f"{endpoint}: {error}") from error
    if not answer[0]:
        raise OnedError(str(answer[1]), int(answer[2]))
    return str(answer[1])


def main(arguments: list[str]) -> int:
    """Run the service of that name until the process is ended."""
    name = arguments[0]
    try:
        importlib.import_module(f".{name}", __package__).run()
    except (ServiceError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
    return _FAILED
