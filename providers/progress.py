"""Progress on a resource's own row, through the engine's Log call, and when it was made."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from hosts.errors import printable

TIMES = "OPENNEBULA_HA_TIMES"
"""In the environment, the file that each step is written to: what commands/times.py reads."""

PARENTS = 4
"""The CLI is the parent of this process, or of a shell or two that started it."""

_lock = threading.Lock()
_channels: dict[str, grpc.Channel] = {}


_running: dict[str, str] = {}
"""What each resource is at, by URN."""


def reporter(urn: str) -> Callable[[str], None]:
    """Return what tells the engine how far the resource with that URN is.

    A message that only adds something in parentheses to one before, such as a percentage, is for
    people who watch: in a log without a terminal it would be one more line.
    """
    said: set[str] = set()

    def report(message: str) -> None:
        step, adds, _ = message.partition(" (")
        is_news = message != _running.get(urn) and not (adds and step in said and not _is_watched())
        said.add(step)
        if is_news:
            with _lock:
                _running[urn] = message
            _note(urn, message)
            _log(urn, message)

    return report


@contextlib.contextmanager
def operation(urn: str, what: str) -> Iterator[None]:
    """Report what the resource with that URN does."""
    _note(urn, what, "begin")
    with _lock:
        _running[urn] = what
    try:
        yield
    finally:
        with _lock:
            _running.pop(urn, None)
        _note(urn, what, "end")


def say_what_runs_on() -> None:
    """Say of each resource that is at work what an interrupted run waits for."""
    with _lock:
        running = dict(_running)
    for urn, step in running.items():
        warn(
            urn,
            f"interrupted: still at '{step}', and this run ends after it; the next up continues"
            " from the actual state of the hosts",
        )


@cache
def _is_watched() -> bool:
    """Return whether the CLI writes to a terminal, as far as it can be seen."""
    process = os.getppid()
    for _ in range(PARENTS):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if Path(f"/proc/{process}/comm").read_text().strip() == "pulumi":
                output = str(Path(f"/proc/{process}/fd/1").readlink())
                return output.startswith(("/dev/pts/", "/dev/tty"))
            stat = Path(f"/proc/{process}/stat").read_text()
            process = int(stat.rpartition(")")[2].split()[1])
    return False


def warn(urn: str, message: str) -> None:
    """Have the engine show it among the diagnostics of that resource."""
    _log(urn, message, severity=engine_pb2.WARNING)


def note(urn: str, message: str) -> None:
    """Have the engine show it among the diagnostics of that resource, as information."""
    _log(urn, message, severity=engine_pb2.INFO)


def _note(urn: str, what: str, kind: str = "step") -> None:
    if file := os.environ.get(TIMES):
        kind_of, name = urn.split("::")[-2:] if "::" in urn else ("", urn)
        resource = f"{kind_of.rpartition(':')[2]} {name}"
        line = {"at": time.time(), "resource": resource, "kind": kind, "what": what}
        with _lock, open(file, "a", encoding="utf-8") as out:  # noqa: PTH123 - a name of the user's
            out.write(json.dumps(line) + "\n")


def _log(
    urn: str, message: str, *, severity: "engine_pb2.LogSeverity.ValueType | None" = None
) -> None:
    """Send a message to the engine; without a severity it is progress, shown for a moment.

    An engine that does not take the message does not stop the work. The CLI prints it as it is.

    Its address is the provider host's last argument.
    """
    address = sys.argv[-1] if len(sys.argv) > 1 else ""
    if ":" not in address or not urn:
        return
    with _lock:
        channel = _channels.get(address) or grpc.insecure_channel(address)
        _channels[address] = channel
    with contextlib.suppress(grpc.RpcError):
        engine_pb2_grpc.EngineStub(channel).Log(
            engine_pb2.LogRequest(
                severity=engine_pb2.INFO if severity is None else severity,
                message=printable(message),
                urn=urn,
                ephemeral=severity is None,
            ),
            timeout=5,
        )
