"""Have the engine record an update that failed, with what may be left of it on the hosts.

The SDK's provider host answers an exception with its text alone. The engine then keeps the record
from before the update, and a config that is put back looks like no change at all, whatever the
update had written by then. The engine's protocol has an answer for this case: an
``ErrorResourceInitFailed`` among the details of the status (pkg/resource/plugin, ``parseError``).
The next ``up`` updates such a resource again, whatever its config says.
"""

import asyncio
from collections.abc import Iterator, Mapping
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
"""Output of a resource whose last update failed."""
_PARTIAL = "_opennebula_ha_partial"


@contextmanager
def recorded(identifier: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Iterator[None]:
    """Have an error that leaves this block recorded with the former outputs of the resource.

    What the resource was before, such as its front-ends, is what the next update starts from, too.
    """
    try:
        yield
    except Exception as error:
        provider = {PROVIDER_KEY: news[PROVIDER_KEY]}
        setattr(error, _PARTIAL, (identifier, {**olds, **provider, INCOMPLETE: True}))
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
