"""What every plugin of the Pulumi CLI does: serve, print its port, and end with the CLI."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, NoReturn

import grpc

GRACE_SECONDS = 5.0
"""Seconds for running calls to end after the CLI has interrupted the plugin."""
LARGEST_MESSAGE = 400 << 20
"""Bytes, as in Pulumi's own plugins."""
_LOOK_SECONDS = 0.2


def serve(add_to: Callable[[grpc.Server], None], cancel: Callable[[], None]) -> None:
    """Serve until the CLI sends SIGINT or ends; then cancel the running calls."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    engine = os.getppid()
    server = grpc.server(
        futures.ThreadPoolExecutor(),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ],
    )
    add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Thread(target=_end_with, args=(engine, cancel), daemon=True).start()
    ended.wait()
    server.stop(GRACE_SECONDS).wait()
    cancel()


def _end_with(engine: int, cancel: Callable[[], None]) -> None:
    """End this process when its parent ends, also if that is killed."""
    while os.getppid() == engine:
        time.sleep(_LOOK_SECONDS)
    cancel()
    os._exit(1)


def refuse_the_rest(servicer: type[Any], known: type[Any], who: str) -> None:
    """Answer each call that `servicer` does not implement with its name."""
    for name, method in vars(known).items():
        if not name.startswith("_") and getattr(servicer, name) is method:
            setattr(servicer, name, _refusal(name, who))


def _refusal(name: str, who: str) -> Callable[[Any, Any, grpc.ServicerContext], NoReturn]:
    def refuse(_self: object, _request: object, context: grpc.ServicerContext) -> NoReturn:
        abort(context, f"{who} does not do {name}", grpc.StatusCode.UNIMPLEMENTED)

    return refuse


def abort(
    context: grpc.ServicerContext,
    message: str,
    code: grpc.StatusCode = grpc.StatusCode.FAILED_PRECONDITION,
) -> NoReturn:
    """Answer a call with an error."""
    context.abort(code, message)
    raise AssertionError("abort() does not return")
