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
    """Tells the engine how far the resource with that URN is.

    The engine's address is the provider host's last argument. An engine that does not take the
    message does not stop the work.
    """
    address = sys.argv[-1] if len(sys.argv) > 1 else ""
    if ":" not in address or not urn:
        return lambda _: None
    with _lock:
        channel = _channels.get(address) or grpc.insecure_channel(address)
        _channels[address] = channel
    engine = engine_pb2_grpc.EngineStub(channel)

    def report(message: str) -> None:
        with contextlib.suppress(grpc.RpcError):
            engine.Log(
                engine_pb2.LogRequest(
                    severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True
                ),
                timeout=5,
            )

    return report
