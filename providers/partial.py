"""Have the engine record a create or an update that failed after it had changed something.

The SDK's provider host answers an exception with its text alone. The engine then keeps the record
from before. A config that is put back looks like no change at all, whatever a failed update had
written, and of a failed create there is no record: whatever it left on a host stays there when the
host leaves the stack. The engine's protocol has an answer for this case: an
``ErrorResourceInitFailed`` among the details of the status (pkg/resource/plugin, ``parseError``).
The next ``up`` updates such a resource again, whatever its config says, and deletes it where it is
no longer part of the stack.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import grpc
from google.protobuf import any_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, status_pb2

PROVIDER_KEY = "__provider"
"""The SDK's own key for the serialized provider, among a resource's properties."""
INCOMPLETE = "incomplete"
"""Output of a resource whose create or last update failed: which of them."""
CREATE = "create"
"""It never was complete: what follows is another attempt to create it."""
UPDATE = "update"
_PARTIAL = "_opennebula_ha_partial"


@contextmanager
def recorded(identifier: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Iterator[None]:
    """Have an error that leaves this block recorded with the former outputs of the resource.

    What the resource was before, such as its front-ends, is what the next update starts from, too.
    """
    try:
        yield
    except Exception as error:
        new = {PROVIDER_KEY: news[PROVIDER_KEY], INCOMPLETE: olds.get(INCOMPLETE) or UPDATE}
        setattr(error, _PARTIAL, (identifier, {**olds, **new}))
        raise


@contextmanager
def recorded_create(
    identifier: Callable[[], str], props: Mapping[str, Any], *, changed: Callable[[], bool]
) -> Iterator[None]:
    """Have an error that leaves this block recorded as a create that is not complete.

    Where nothing had ``changed`` by then nothing is recorded: the resource is not ours to delete.
    """
    try:
        yield
    except Exception as error:
        if changed():
            setattr(error, _PARTIAL, (identifier(), {**props, INCOMPLETE: CREATE}))
        raise


def attach(error: BaseException | None, text: str, frame: FrameType | None) -> None:
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
