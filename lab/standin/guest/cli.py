"""What the command-line tools have in common."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from .conf import read_document
from .paths import read_one_auth
from .wire import CallError, call

FAILED = 255
TIMEOUT_S = 30.0
DEFAULT_ENDPOINT = "http://localhost:2633/RPC2"


class CommandError(Exception):
    """The command failed; the message is what the user reads."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def run(action: Callable[[], int | None]) -> int:
    """Execute a command; return its exit status."""
    try:
        return action() or 0
    except (CommandError, ValueError) as error:
        print(error, file=sys.stderr)
        return error.status if isinstance(error, CommandError) else FAILED


def endpoint() -> str:
    """Return the endpoint that commands use."""
    return os.environ.get("ONE_XMLRPC") or DEFAULT_ENDPOINT


def ask(method: str, *params: Any, at: str | None = None, timeout: float = TIMEOUT_S) -> Any:
    """Call a method of oned; return its answer."""
    try:
        answer = call(at or endpoint(), method, [read_one_auth(), *params], timeout)
    except CallError as error:
        cause = "Net::ReadTimeout" if "timed out" in str(error) else str(error)
        raise CommandError(cause) from error
    if not answer[0]:
        raise CommandError(str(answer[1]))
    return answer[1]


def ask_xml(method: str, *params: Any) -> ElementTree.Element:
    """Call a method that returns a document."""
    return read_document(str(ask(method, *params)))


def as_data(element: ElementTree.Element) -> Any:
    """Return an element in the tools' JSON: strings, and lists only for repeated names."""
    if not len(element):
        return element.text or {} if element.text else ("" if element.text == "" else {})
    data: dict[str, Any] = {}
    for child in element:
        value = as_data(child)
        if child.tag in data:
            known = data[child.tag]
            data[child.tag] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            data[child.tag] = value
    return data


def table(columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[str]]) -> str:
    """Return rows in columns; a negative width aligns left, as in a format string."""
    lines = [[name for name, _ in columns], *rows]
    return "\n".join(
        " ".join(
            cell[: abs(width)].ljust(-width) if width < 0 else cell[:width].rjust(width)
            for cell, (_, width) in zip(line, columns, strict=True)
        ).rstrip()
        for line in lines
    )


def find_id(pool_method: str, name_or_id: str, kind: str) -> int:
    """Return the ID of an object that is given by ID or name."""
    if name_or_id.isdigit():
        return int(name_or_id)
    for item in ask_xml(pool_method):
        if item.findtext("NAME") == name_or_id:
            return int(item.findtext("ID", "-1"))
    raise CommandError(f"{kind} named {name_or_id} not found.")
