"""Messages of a failed run, as the operator reads them."""

import re
from dataclasses import dataclass

from tests.lab.operators import DB_PASSWORD, ONE_PASS, Run


@dataclass(frozen=True)
class Message:
    """One message as the operator reads it."""

    host: str
    step: str
    expected: str
    seen: str
    remedy: str


_MESSAGE = re.compile(
    r"^ +(?:error: )?(?!warning:)(?P<host>[^:\n]+): (?P<step>.+?): expected (?P<expected>.+?)"
    r", saw (?P<seen>.+)"
    r"\n +what to do: (?P<remedy>.+)$",
    re.MULTILINE,
)


_WARNING = re.compile(r"^ +warning: (.+)(?:\n +what to do: .+)?$", re.MULTILINE)


def all_messages(run: Run) -> list[Message]:
    """Return all messages of a failed run; check that it printed only messages and warnings."""
    print(run.output)
    assert run.status != 0
    for unwanted in ("Traceback", 'File "', "paramiko", "Errno", ONE_PASS, DB_PASSWORD):
        assert unwanted not in run.output
    # After a failed update the CLI shows a list of one error.
    output = re.sub(r"error: 1 error occurred:\s+\* ", "error: ", run.output)
    diagnostics = _WARNING.sub("", output.partition("\nDiagnostics:")[2])
    found = [Message(**match.groupdict()) for match in _MESSAGE.finditer(diagnostics)]
    # The CLI adds a message of its own about the stack.
    rest = _MESSAGE.sub("", diagnostics).replace("error: update failed", "")
    assert "error:" not in rest
    assert "what to do:" not in rest
    return found


def warnings(run: Run) -> list[str]:
    """Return the first lines of a run's warnings."""
    return _WARNING.findall(run.output.partition("\nDiagnostics:")[2])


def messages(run: Run) -> dict[str, Message]:
    """Return the messages by host, at most one per host."""
    found = all_messages(run)
    by_host = {message.host: message for message in found}
    assert len(by_host) == len(found) > 0
    return by_host


def only(run: Run, host: str) -> Message:
    """Return the only message of a failed run, which is about that host."""
    found = messages(run)
    assert list(found) == [host]
    return found[host]
