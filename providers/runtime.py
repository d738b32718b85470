"""Everything that depends on how Pulumi's Python SDK runs a program and its providers.

Some of it relies on internals of the SDK; tests/unit/test_runtime.py fails if another version of
the SDK lacks them.
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
from types import FrameType
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi import RunError, log
from pulumi.dynamic import Config
from pulumi.runtime import rpc, settings
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc, status_pb2

from hosts.errors import HostError

ALREADY_REPORTED = 32
"""Exit status of a program that has reported its error itself."""
PROVIDER_KEY = "__provider"
"""The SDK's key for the serialized provider among a resource's properties."""
INCOMPLETE = "incomplete"
"""Output of a resource whose create or last update failed: CREATE or UPDATE."""
ATTEMPTED = "attempted"
"""Output of such a resource: the specs of all failed updates since the last successful one."""
NO_SPEC = frozenset({PROVIDER_KEY, "after", "one_pass", "secrets", "urn"})
"""Inputs that are not recorded for a failed update. No secret is."""
CREATE = "create"
"""The resource was never complete: the next update resumes its create."""
UPDATE = "update"
_PARTIAL = "_opennebula_ha_partial"

_lock = threading.Lock()
_config: Config | None = None
_refused_call: object = None
_started = threading.Lock()
_format_exc = traceback.format_exc


def speed_up() -> None:
    """Skip what a program that runs for a second does not need, and start the provider host."""
    gc.disable()
    # There are no plugins of pydantic; it would search all installed packages for them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _start_provider_host()


def _start_provider_host() -> None:
    """Have the engine start the provider host now, while the program loads its own modules.

    Otherwise the engine starts it for the first dynamic resource. It also does so for the first
    call of a method, and then reads the arguments. It refuses these: the provider host receives no
    call.
    """
    global _refused_call  # noqa: PLW0603 - a call that nothing refers to is cancelled
    monitor = settings.get_monitor()
    if isinstance(monitor, resource_pb2_grpc.ResourceMonitorStub):
        call = resource_pb2.ResourceCallRequest(tok="pulumi-python:dynamic:start")
        call.args["unreadable"] = {rpc._special_sig_key: "unknown"}
        _refused_call = monitor.Call.future(call)


def store(config: Config) -> None:
    """Store the stack's config; all providers of a process share the first one.

    In ``up`` it is the present config, also for deletes; in ``refresh`` and ``destroy`` it is the
    one of the last ``up``.
    """
    global _config  # noqa: PLW0603 - one per process, as the SDK's provider host is
    with _lock:
        _config = _config or config


def observes() -> bool:
    """Return whether the stack only observes the zone that it adopts."""
    return _config is not None and _config.get("opennebula-ha:adopt") == "observe"


def config() -> Config:
    """Return the stored config."""
    if _config is None:
        raise RuntimeError("the provider was not configured")
    return _config


def end_with_engine() -> None:
    """End this provider host as soon as its engine ends. Its address is the last argument."""
    host, colon, port = sys.argv[-1].rpartition(":")
    if colon and port.isdigit() and _started.acquire(blocking=False):
        threading.Thread(target=_watch, args=(host, int(port)), daemon=True).start()


def _watch(host: str, port: int) -> None:
    """Wait for the end of a connection to the engine, and exit if there is no engine any more.

    The engine may also close an idle connection: then the next one is opened.
    """
    while True:
        try:
            connection = socket.create_connection((host, port))
        except OSError:
            os._exit(1)
        with connection, contextlib.suppress(OSError):
            while connection.recv(4096):
                pass


def exit_with_engine() -> None:
    """Exit at once and without a message when the engine interrupts the program, or ends.

    The engine has reported the reason. The SDK would report it again, as an error or a traceback.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(ALREADY_REPORTED))
    to_exception = settings.grpc_error_to_exception

    def exit_or_raise(exn: grpc.RpcError) -> Exception:
        if exn.code() == grpc.StatusCode.UNAVAILABLE:
            os._exit(ALREADY_REPORTED)
        return to_exception(exn)

    settings.grpc_error_to_exception = exit_or_raise


@contextlib.contextmanager
def reported_once() -> Iterator[None]:
    """Report a RunError of the program, and exit so that the engine adds no message."""
    try:
        yield
    except RunError as error:
        log.error(str(error))
        sys.exit(ALREADY_REPORTED)


def hide_tracebacks() -> None:
    """Have the SDK report an error for the operator without a traceback."""
    traceback.format_exc = _clean_format_exc


def _clean_format_exc(limit: int | None = None, chain: bool = True) -> str:
    """Return the message of an error for the operator; of any other error, its traceback.

    The SDK's provider host reports every exception with traceback.format_exc().
    """
    from opennebula.api import ApiError

    error = sys.exc_info()[1]
    text = ""
    if isinstance(error, HostError):
        from procedures.troubleshooting import explained

        text = explained(error)
    if isinstance(error, ApiError):
        text = f"oned's API: {error}\n  what to do: look at /var/log/one/oned.log, then run again"
    text = text or _format_exc(limit, chain)
    _attach(error, text, sys._getframe(1))
    return text


def on_interrupt(act: Callable[[], None]) -> None:
    """Call ``act`` when the engine is interrupted and waits for the running calls.

    The SDK's provider host only answers the engine's Cancel with an empty message.
    """
    host = sys.modules["__main__"]
    messages = getattr(host, "empty_pb2", None)
    if messages is not empty_pb2:
        return

    class Answers:
        """Takes the place of the module of that message, to notice the answer to Cancel."""

        @staticmethod
        def Empty() -> Any:
            if sys._getframe(1).f_code.co_name == "Cancel":
                threading.Thread(target=act, daemon=True).start()
            return empty_pb2.Empty()

    host.__dict__["empty_pb2"] = Answers


def widen(threads: int) -> None:
    """Give the thread pool of the calling thread that many threads, if it has fewer.

    The SDK's provider host has four threads: see ``main`` of ``pulumi.dynamic.__main__``. A fifth
    front-end would be installed only after another one. Does nothing if the pool is not found.
    """
    # A pool's threads have its name as a prefix.
    mine = threading.current_thread().name.rpartition("_")[0]
    for pool in gc.get_objects():
        if type(pool) is ThreadPoolExecutor and getattr(pool, "_thread_name_prefix", "") == mine:
            missing = threads - getattr(pool, "_max_workers", threads)
            if missing > 0:
                pool._max_workers = threads
            for _ in range(missing):
                # A submitted task starts a thread, which then also takes waiting tasks.
                pool.submit(int)


@contextlib.contextmanager
def recorded(identifier: str, outputs: Callable[[], Mapping[str, Any] | bool]) -> Iterator[None]:
    """Record an error that leaves this block, with these outputs of the resource; False: do not.

    The SDK answers with the error's text alone. The engine then keeps the former record: a config
    that is put back looks like no change, whatever was written, and a failed create is never
    deleted. With an ``ErrorResourceInitFailed`` in the answer (pkg/resource/plugin, ``parseError``)
    the next ``up`` updates the resource, whatever its config is, or deletes it if it left.
    """
    try:
        yield
    except Exception as error:
        if partial := outputs():
            setattr(error, _PARTIAL, (identifier, partial))
        raise


def incomplete(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a resource with ``olds`` after a failed update to ``news``.

    They also have the inputs of that update, which the next one may have to revert.
    """
    attempted = [*olds.get(ATTEMPTED, ())]
    wanted = {k: v for k, v in news.items() if k not in NO_SPEC and v is not None}
    if wanted not in attempted and any(olds.get(key) != value for key, value in wanted.items()):
        attempted.append(wanted)
    new = {INCOMPLETE: olds.get(INCOMPLETE) or UPDATE, ATTEMPTED: attempted}
    return {**olds, **{key: value for key, value in new.items() if value}}


def _attach(error: BaseException | None, text: str, frame: FrameType | None) -> None:
    """Add the record to the answer that the provider host is about to send for this error.

    ``text`` is the message that the engine shows. ``frame`` is the one of the SDK's exception
    handler, which has the call's gRPC context. Does nothing without a record or such a context.
    """
    partial = getattr(error, _PARTIAL, None)
    context = frame.f_locals.get("context") if frame is not None else None
    if partial is None or not isinstance(context, grpc.ServicerContext):
        return
    identifier, outputs = partial
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        properties = loop.run_until_complete(rpc.serialize_properties(dict(outputs), {}))
    failed = provider_pb2.ErrorResourceInitFailed(
        id=identifier, properties=properties, reasons=[text]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text)
    status.details.add().Pack(failed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
