"""How the processes of a run end with its engine.

An engine that was killed leaves its provider host behind, at work on hosts to which the next run
comes as well; and one that stops early interrupts the program, having said why.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import grpc
from pulumi import RunError, log
from pulumi.runtime import settings

ALREADY_REPORTED = 32
"""Exit status of a program for which the engine needs no message of its own."""

_started = threading.Lock()


def hold() -> None:
    """End this process as soon as its engine is gone. The engine's address is the last argument."""
    host, colon, port = sys.argv[-1].rpartition(":")
    if colon and port.isdigit() and _started.acquire(blocking=False):
        threading.Thread(target=_watch, args=(host, int(port)), daemon=True).start()


def _watch(host: str, port: int) -> None:
    """Wait for the end of a connection, which comes with the end of the engine.

    The engine may also close it for its silence: then the next one is made.
    """
    while True:
        try:
            connection = socket.create_connection((host, port))
        except OSError:
            os._exit(1)
        with connection, contextlib.suppress(OSError):
            while connection.recv(4096):
                pass


def leave_with_engine() -> None:
    """End the program at once, and quietly, when the engine interrupts it or is closed to it.

    It has said why by then. The SDK would report it once more, with a traceback or as an error.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(ALREADY_REPORTED))
    to_exception = settings.grpc_error_to_exception

    def leave_or_raise(exn: grpc.RpcError) -> Exception:
        if exn.code() == grpc.StatusCode.UNAVAILABLE:
            os._exit(ALREADY_REPORTED)
        return to_exception(exn)

    settings.grpc_error_to_exception = leave_or_raise


@contextlib.contextmanager
def reported_once() -> Iterator[None]:
    """Show an error that the program raises on purpose, and have the engine add nothing to it."""
    try:
        yield
    except RunError as error:
        log.error(str(error))
        sys.exit(ALREADY_REPORTED)
