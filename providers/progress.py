"""Progress on a resource's own row, through the engine's Log call, and when it was made."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

TIMES = "OPENNEBULA_HA_TIMES"
"""In the environment, the file that each step is written to: what commands/times.py reads."""

_lock = threading.Lock()
_channels: dict[str, grpc.Channel] = {}


def reporter(urn: str) -> Callable[[str], None]:
    """Tells the engine how far the resource with that URN is."""

    def report(message: str) -> None:
        _note(urn, message)
        _log(urn, message)

    return report


@contextlib.contextmanager
def operation(urn: str, what: str) -> Iterator[None]:
    """Report what the resource with that URN does."""
    _note(urn, what, "begin")
    try:
        yield
    finally:
        _note(urn, what, "end")


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

    An engine that does not take the message does not stop the work.

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
                message=message,
                urn=urn,
                ephemeral=severity is None,
            ),
            timeout=5,
        )
