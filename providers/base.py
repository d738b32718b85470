"""What all our dynamic providers share.

Instances keep no attributes and their classes live in importable modules, so that the state
refers to them by name. Never rename one without keeping the old name importable.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown
from pulumi.runtime import rpc
from pydantic import BaseModel

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.api import ApiError
from procedures.access import Access
from procedures.specs import Spec
from providers import progress, stack

S = TypeVar("S", bound=Spec)

Outputs = dict[str, Any]

PROVIDER_KEY = "__provider"
"""The SDK's own key for the serialized provider, among a resource's properties."""

_format_exc = traceback.format_exc


def _clean_format_exc(limit: int | None = None, chain: bool = True) -> str:
    """An operator's error as its message alone; any other with its traceback.

    The SDK's provider host answers every exception with traceback.format_exc().
    """
    error = sys.exc_info()[1]
    if isinstance(error, ApiError):
        return f"oned's API: {error}\n  what to do: look at /var/log/one/oned.log, then run again"
    return str(error) if isinstance(error, HostError) else _format_exc(limit, chain)


class Provider(ResourceProvider, Generic[S]):
    """A resource whose inputs are one typed spec; its outputs are the inputs and what was seen."""

    serialize_as_secret_always = False
    spec_type: ClassVar[type[Spec]]
    identity: ClassVar[tuple[str, ...]] = ()
    """Fields of the spec whose change replaces the resource, as dotted paths."""

    def configure(self, req: ConfigureRequest) -> None:
        """Take the stack's config."""
        traceback.format_exc = _clean_format_exc
        stack.configure(req.config)

    def check(self, _olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Inputs are made by the program from a validated config: nothing to add."""
        return CheckResult(news, [])

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Whether the spec, a secret or what it waits for changed, or a refresh found drift."""
        keys = {key for key in news if key not in ("urn", PROVIDER_KEY)}
        changed = any(_normal(olds.get(key)) != _normal(news[key]) for key in keys)
        replaces = [path for path in self.identity if _at(olds, path) != _at(news, path)]
        return DiffResult(
            changes=bool(changed or replaces or olds.get("drift")),
            replaces=["spec"] if replaces else [],
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Bring it about, or find that it is there."""
        with self._changing(props, "create") as (spec, access):
            identifier, seen = self.make(access, spec, props)
        return CreateResult(identifier, {**_inputs(props), **seen})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What is there now."""
        with self._at_work(props, "read") as (spec, access):
            seen = self.look(access, spec, props)
        for difference in seen.get("drift", ()):
            progress.warn(str(props.get("urn", "")), f"drift: {difference}")
        return ReadResult(id_, {**props, **seen})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Bring what is there to the new spec."""
        with self._changing(news, "update") as (spec, access):
            return UpdateResult({**_inputs(news), **self.change(access, spec, olds, news)})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take it away; done already, nothing happens."""
        with self._changing(props, "delete") as (spec, access):
            self.unmake(access, spec, props)

    def make(self, access: Access, spec: S, props: Mapping[str, Any]) -> tuple[str, Outputs]:
        """Create: its ID and what was seen."""
        raise NotImplementedError

    def look(self, access: Access, spec: S, props: Mapping[str, Any]) -> Outputs:
        """Read: what is seen now."""
        raise NotImplementedError

    def change(
        self, access: Access, spec: S, olds: Mapping[str, Any], news: Mapping[str, Any]
    ) -> Outputs:
        """Update: what was seen."""
        raise NotImplementedError

    def unmake(self, access: Access, spec: S, props: Mapping[str, Any]) -> None:
        """Delete."""

    @contextmanager
    def _changing(self, props: Mapping[str, Any], what: str) -> Iterator[tuple[S, Access]]:
        stack.forget_survey()
        with self._at_work(props, what) as work:
            yield work

    @contextmanager
    def _at_work(self, props: Mapping[str, Any], what: str) -> Iterator[tuple[S, Access]]:
        urn = str(props.get("urn", ""))
        spec: Any = self.spec_type.model_validate(props["spec"])
        with progress.operation(urn, what):
            yield spec, stack.current().access(progress.reporter(urn))


def now() -> str:
    """When something was changed, for those that wait for it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_input(model: BaseModel) -> dict[str, Any]:
    """A model as an input of a resource."""
    return model.model_dump(mode="json", exclude_none=True)


def hosts_input(hosts: Mapping[str, Host]) -> dict[str, Any]:
    """Front-ends as an input of a resource; their order is nothing."""
    return {name: as_input(host) for name, host in sorted(hosts.items())}


def hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """The front-ends that a resource was given so."""
    return {name: Host.model_validate(one) for name, one in props["front_ends"].items()}


def _inputs(props: Mapping[str, Any]) -> Outputs:
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}


def _normal(value: Any) -> Any:
    """Numbers arrive as floats and tuples as lists; an unknown equals nothing."""
    if isinstance(value, Unknown) or value == rpc.UNKNOWN:
        return object()
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _at(props: Mapping[str, Any], path: str) -> Any:
    value: Any = props.get("spec")
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return _normal(value)
