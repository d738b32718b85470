"""The start of Gate, Flow, Form and FireEdge, and their calls of oned."""

import importlib
import sys
from pathlib import Path
from typing import Any

import yaml

from .wire import CallError, call

TIMEOUT_S = 30.0
OWN = -1
"""ID that stands for the user who calls."""

_FAILED = 1


class ServiceError(Exception):
    """The service cannot start; the message is for the operator."""


class OnedError(Exception):
    """oned rejected a call, or did not answer."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        """oned's error code; None if it did not answer."""


def ask(endpoint: str, session: str, method: str, *params: Any) -> str:
    """Call oned at that endpoint; return its answer. Raises OnedError."""
    try:
        answer = call(endpoint, method, [session, *params], TIMEOUT_S)
    except CallError as error:
        raise OnedError(f"{endpoint}: {error}") from error
    if not answer[0]:
        raise OnedError(str(answer[1]), int(answer[2]))
    return str(answer[1])


def read_settings(path: Path) -> dict[str, Any]:
    """Return a service's configuration; Ruby's symbols keep their colon. Raises ServiceError."""
    try:
        settings = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ServiceError(f"Error parsing config file {path}: {error}") from error
    if not isinstance(settings, dict):
        raise ServiceError(f"Error parsing config file {path}: expected keys, found {settings!r}")
    return settings


def main(arguments: list[str]) -> int:
    """Run the service with that name until the process is ended."""
    name = arguments[0]
    try:
        importlib.import_module(f".{name}", __package__).run()
    except (ServiceError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
    return _FAILED
