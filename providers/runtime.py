"""Everything that depends on how Pulumi's Python SDK runs a program and its providers.

- ``take``, ``config``, ``observes``: the stack's config as the engine hands it to a provider host.
- ``hold``, ``leave_with_engine``, ``reported_once``: how processes end with their engine.
- ``answer_briefly``: errors of operators without a traceback.
- ``when_interrupted``: what to do when the engine is interrupted.
- ``widen``: as many calls at a time as there are front-ends.
- ``recorded``: an update that failed is recorded as such.
- ``hurry``: no garbage collection and no search for plugins in a program that lives for a second.

Several of these rely on parts of the SDK that are not its interface; tests/unit/test_runtime.py
fails where another version of the SDK has them no more.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi import RunError, log
from pulumi.dynamic import Config
from pulumi.runtime import rpc, settings
from pulumi.runtime.proto import provider_pb2, status_pb2

from hosts.errors import HostError

ALREADY_REPORTED = 32
"""Exit status of a program for which the engine needs no message of its own."""
PROVIDER_KEY = "__provider"
"""The SDK's own key for the serialized provider, among a resource's properties."""
INCOMPLETE = "incomplete"
"""Output of a resource whose create or last update failed: which of them."""
ATTEMPTED = "attempted"
"""Output of such a resource: the specs of its updates that failed, since one that did not."""
NO_SPEC = frozenset({PROVIDER_KEY, "after", "one_pass", "secrets", "urn"})
"""Inputs that are no part of what a failed update is recorded to have wanted; no secret is."""
CREATE = "create"
"""It never was complete: what follows is another attempt to create it."""
UPDATE = "update"
_PARTIAL = "_opennebula_ha_partial"

_lock = threading.Lock()
_config: Config | None = None
_started = threading.Lock()
_format_exc = traceback.format_exc


def hurry() -> None:
    """Have a program that lives for a second skip what costs time and brings nothing."""
    gc.disable()
    # pydantic has no plugins here, and would look for them in all that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def take(config: Config) -> None:
    """Keep the stack's config; all providers of a process share the first one.

    It is as it is now in ``up``, also for deletes, and as it was at the last ``up`` in ``refresh``
    and ``destroy``.
    """
    global _config  # noqa: PLW0603 - one per process, as the SDK's provider host is
    with _lock:
        _config = _config or config


def observes() -> bool:
    """Return whether the stack only observes the zone that it adopts."""
    return _config is not None and _config.get("opennebula-ha:adopt") == "observe"


def config() -> Config:
    """What was given."""
    if _config is None:
        raise RuntimeError("the provider was not configured")
    return _config


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


def answer_briefly() -> None:
    """Have the SDK answer an operator's error with its message alone."""
    traceback.format_exc = _clean_format_exc


def _clean_format_exc(limit: int | None = None, chain: bool = True) -> str:
    """An operator's error as its message alone; any other with its traceback.

    The SDK's provider host answers every exception with traceback.format_exc().
    """
    from opennebula.api import ApiError

    error = sys.exc_info()[1]
    text = ""
    if isinstance(error, HostError):
        from procedures.troubleshooting import link

        text = f"{error}\n  see {link(error)}"
    if isinstance(error, ApiError):
        text = f"oned's API: {error}\n  what to do: look at /var/log/one/oned.log, then run again"
    text = text or _format_exc(limit, chain)
    _attach(error, text, sys._getframe(1))
    return text


def when_interrupted(act: Callable[[], None]) -> None:
    """Have that done when the engine is interrupted: it then waits for the calls at work.

    The SDK's provider host answers the engine's Cancel with an empty message, and no more.
    """
    host = sys.modules["__main__"]
    messages = getattr(host, "empty_pb2", None)
    if messages is not empty_pb2:
        return

    class Answers:
        """The module of that message, whose making is seen."""

        @staticmethod
        def Empty() -> Any:
            if sys._getframe(1).f_code.co_name == "Cancel":
                threading.Thread(target=act, daemon=True).start()
            return empty_pb2.Empty()

    host.__dict__["empty_pb2"] = Answers


def widen(threads: int) -> None:
    """Have the pool that the calling thread works for that many threads, if it has fewer.

    The SDK's provider host has four threads, whatever the engine asks for: see ``main`` of
    ``pulumi.dynamic.__main__``. A fifth front-end would wait for its packages until another has
    them.

    Does nothing where there is no such pool, or no way to tell it: then four are at work.
    """
    # A pool names its threads after itself.
    mine = threading.current_thread().name.rpartition("_")[0]
    for pool in gc.get_objects():
        if type(pool) is ThreadPoolExecutor and getattr(pool, "_thread_name_prefix", "") == mine:
            missing = threads - getattr(pool, "_max_workers", threads)
            if missing > 0:
                pool._max_workers = threads
            for _ in range(missing):
                # Each thread begins with something to do; what waits already is taken on then.
                pool.submit(int)


@contextmanager
def recorded(identifier: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Iterator[None]:
    """Have an error that leaves this block recorded with the former outputs of the resource.

    The SDK's provider host answers an exception with its text alone. The engine then keeps the
    record from before. A config that is put back looks like no change at all, whatever a failed
    update had written, and of a failed create there is no record: what it left on a host stays
    there when the host leaves the stack. The engine's protocol has an answer for this case: an
    ``ErrorResourceInitFailed`` among the details of the status (pkg/resource/plugin,
    ``parseError``). The next ``up`` updates such a resource again, whatever its config says, and
    deletes it where it is no longer part of the stack.

    What the resource was before, such as its front-ends, is what the next update starts from, too;
    and what this one was to make of it.
    """
    try:
        yield
    except Exception as error:
        outputs = {**incomplete(olds, news), PROVIDER_KEY: news[PROVIDER_KEY]}
        setattr(error, _PARTIAL, (identifier, outputs))
        raise


def incomplete(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a resource with ``olds`` of which an update to ``news`` failed."""
    attempted = [*olds.get(ATTEMPTED, ())]
    wanted = {k: v for k, v in news.items() if k not in NO_SPEC and v is not None}
    if wanted not in attempted and any(olds.get(key) != value for key, value in wanted.items()):
        attempted.append(wanted)
    new = {INCOMPLETE: olds.get(INCOMPLETE) or UPDATE, ATTEMPTED: attempted}
    return {**olds, **{key: value for key, value in new.items() if value}}


@contextmanager
def recorded_create(
    identifier: str, props: Mapping[str, Any], *, changed: Callable[[], bool]
) -> Iterator[None]:
    """Have an error that leaves this block recorded as a create that is not complete.

    Where nothing had ``changed`` by then nothing is recorded: the resource is not ours to delete.
    """
    try:
        yield
    except Exception as error:
        if changed():
            setattr(error, _PARTIAL, (identifier, {**props, INCOMPLETE: CREATE}))
        raise


def _attach(error: BaseException | None, text: str, frame: FrameType | None) -> None:
    """Add the record to the answer that the provider host is about to give for this error.

    ``text`` is what the engine shows. ``frame`` is that of the SDK's handler of exceptions, which
    holds the call's gRPC context. Does nothing without a record, or without such a context.
    """
    partial = getattr(error, _PARTIAL, None)
    context = frame.f_locals.get("context") if frame is not None else None
    if partial is None or not isinstance(context, grpc.ServicerContext):
        return
    identifier, outputs = partial
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=identifier, properties=_serialized(outputs), reasons=[text]
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text)
    status.details.append(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))


def _serialized(outputs: Mapping[str, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(rpc.serialize_properties(dict(outputs), {}))
    finally:
        loop.close()
