"""What all our dynamic providers share.

A provider is what the engine sees of a kind of resource, and tells whether one changed: most runs
ask for no more. What it does to hosts is its work, in the module of the same name below
``providers.work``, loaded when there is something to do.

Instances keep no attributes and their classes live in importable modules, so that the state
refers to them by name. Never rename one without keeping the old name importable.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

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

from providers import progress, runtime
from providers.runtime import INCOMPLETE, PROVIDER_KEY, recorded, recorded_create

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hosts.models import Host
    from providers.work.base import Work

_refreshed: set[str] = set()
"""The resources that this process has read."""


class Provider(ResourceProvider):
    """A resource whose inputs are one typed spec; its outputs are the inputs and what was seen."""

    serialize_as_secret_always = False
    drift_means: ClassVar[str] = "will be changed"
    """What the next ``up`` does about a difference that was found."""
    changes_hosts: ClassVar[bool] = True
    """Its create and update may change something, so that a failed one is recorded."""
    identity: ClassVar[tuple[str, ...]] = ()
    """Fields of the spec whose change replaces the resource, as dotted paths."""

    def configure(self, req: ConfigureRequest) -> None:
        """Take the stack's config."""
        runtime.answer_briefly()
        runtime.hold()
        runtime.take(req.config)

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Inputs are made by the program from a validated config: nothing to add."""
        return CheckResult(news, [])

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Whether the spec, a secret or what it waits for changed, or a refresh found drift."""
        keys = {key for key in news if key not in ("urn", PROVIDER_KEY)}
        changed = any(_normal(olds.get(key)) != _normal(news[key]) for key in keys)
        replaces = [path for path in self.identity if _at(olds, path) != _at(news, path)]
        drift = olds.get("drift") or []
        observes = runtime.observes()
        urn = str(olds.get("urn", ""))
        # A refresh has just shown them.
        for difference in () if urn in _refreshed else drift:
            what = "not as the stack wants it" if observes else self.drift_means
            progress.note(urn, f"{what}: {difference}")
        return DiffResult(
            changes=bool(changed or replaces or ((olds.get(INCOMPLETE) or drift) and not observes)),
            replaces=["spec"] if replaces else [],
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Bring it about, or find that it is there."""
        work = self._work()
        with recorded_create(
            lambda: work.identifier_of(props),
            props,
            changed=lambda: self.changes_hosts and work.has_changed,
        ):
            return CreateResult(work.identifier_of(props), {**_inputs(props), **work.create(props)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What is there now."""
        _refreshed.add(str(props.get("urn", "")))
        return ReadResult(id_, {**props, **self._work().read(props)})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Bring what is there to the new spec."""
        incomplete = olds.get(INCOMPLETE)
        kept = {INCOMPLETE: incomplete} if incomplete and runtime.observes() else {}
        with recorded(_id, olds, news) if self.changes_hosts else nullcontext():
            return UpdateResult({**_inputs(news), **self._work().update(olds, news), **kept})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take it away; done already, nothing happens."""
        self._work().delete(props)

    def _work(self) -> "Work[Any]":
        package, _, kind = type(self).__module__.rpartition(".")
        work: Work[Any] = import_module(f"{package}.work.{kind}").Work()
        return work


def as_input(model: "BaseModel") -> dict[str, Any]:
    """A model as an input of a resource."""
    return model.model_dump(mode="json", exclude_none=True)


def hosts_input(hosts: "Mapping[str, Host]") -> dict[str, Any]:
    """Front-ends as an input of a resource; their order is nothing."""
    return {name: as_input(host) for name, host in sorted(hosts.items())}


def _inputs(props: Mapping[str, Any]) -> dict[str, Any]:
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
