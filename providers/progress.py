"""Progress messages on the row of a resource, through the engine's Log call, and their times."""

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
"""Environment variable: the file that gets the time of each step, for commands/times.py."""

PARENTS = 4
"""How many parents to search for the CLI: a shell or two may have started this process."""

_lock = threading.Lock()
_channels: dict[str, grpc.Channel] = {}
_running: dict[str, str] = {}
"""URN of each resource at work to its present step."""


def reporter(urn: str) -> Callable[[str], None]:
    """Return a function that reports the steps of the resource with that URN to the engine.

    A message that differs from an earlier one only by a part in parentheses, such as a percentage,
    is only reported if the CLI writes to a terminal.
    """
    reported: set[str] = set()

    def report(message: str) -> None:
        step, detail, _ = message.partition(" (")
        is_detail = bool(detail) and step in reported
        is_new = message != _running.get(urn) and (not is_detail or _is_watched())
        reported.add(step)
        if is_new:
            with _lock:
                _running[urn] = message
            _note(urn, message)
            _log(urn, message)

    return report


@contextlib.contextmanager
def operation(urn: str, what: str) -> Iterator[None]:
    """Record begin and end of an operation on the resource with that URN."""
    _note(urn, what, "begin")
    with _lock:
        _running[urn] = what
    try:
        yield
    finally:
        with _lock:
            _running.pop(urn, None)
        _note(urn, what, "end")


def warn_of_running_steps() -> None:
    """Warn on each resource at work which step an interrupted run waits for."""
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
    """Return whether the CLI writes to a terminal; False if that is unknown."""
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
    """Show a warning among the diagnostics of that resource."""
    _log(urn, message, severity=engine_pb2.WARNING)


def note(urn: str, message: str) -> None:
    """Show an information among the diagnostics of that resource."""
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
    """Send a message to the engine, whose address is the provider host's last argument.

    Without a severity it is a progress message. Failures are ignored. The CLI prints it unchanged.
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
