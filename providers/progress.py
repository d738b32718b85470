"""Progress on a resource's own row, through the engine's Log call."""

import contextlib
import sys
import threading
from collections.abc import Callable

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_lock = threading.Lock()
_channels: dict[str, grpc.Channel] = {}


def reporter(urn: str) -> Callable[[str], None]:
    """Tells the engine how far the resource with that URN is."""
    return lambda message: _log(urn, message)


def warn(urn: str, message: str) -> None:
    """Have the engine show it among the diagnostics of that resource."""
    _log(urn, message, lasting=True)


def _log(urn: str, message: str, *, lasting: bool = False) -> None:
    """An engine that does not take the message does not stop the work.

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
                severity=engine_pb2.WARNING if lasting else engine_pb2.INFO,
                message=message,
                urn=urn,
                ephemeral=not lasting,
            ),
            timeout=5,
        )
