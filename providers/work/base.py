"""What the work of all kinds of resources has in common."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from hosts.models import Host
from procedures.context import Access
from procedures.specs import Spec
from providers import progress, stack
from providers.runtime import CREATE, INCOMPLETE

S = TypeVar("S", bound=Spec)

Outputs = dict[str, Any]


class Work(Generic[S]):
    """Of one kind of resource, by its spec."""

    spec_type: ClassVar[type[Spec]]
    only_looks: ClassVar[bool] = False
    """Its create and update change nothing, neither on a host nor in OpenNebula."""

    def __init__(self) -> None:
        self._access: Access | None = None

    @property
    def has_changed(self) -> bool:
        """Something may have been changed, on a host or in OpenNebula."""
        return self._access is not None and self._access.changes.is_set()

    def identifier_of(self, props: Mapping[str, Any]) -> str:
        """Return the ID of the resource that has these properties."""
        spec: Any = self.spec_type.model_validate(props["spec"])
        return self.identifier(spec)

    def create(self, props: Mapping[str, Any]) -> Outputs:
        """Bring it about, or find that it is there: what was seen."""
        with self._changing(props, "create") as (spec, access):
            if self.is_adopted(spec) and not self.only_looks:
                return self._observed(access, spec, props)
            return self.make(access, spec, props)

    def read(self, props: Mapping[str, Any]) -> Outputs:
        """What is there now; what is not as it should be is told."""
        with self._at_work(props, "read") as (spec, access):
            seen = self.look(access, spec, props)
        for difference in seen.get("drift", ()):
            progress.warn(str(props.get("urn", "")), f"drift: {difference}")
        return seen

    def update(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Outputs:
        """Bring what is there to the new spec: what was seen."""
        with self._changing(news, "update") as (spec, access):
            if stack.current().observes and not self.only_looks:
                return self._observed(access, spec, {**olds, **news})
            if olds.get(INCOMPLETE) != CREATE:
                return self.change(access, spec, olds, news)
            if self.is_adopted(spec) and not self.only_looks:
                return self._observed(access, spec, {**olds, **news})
            return self.make_again(access, spec, olds, news)

    def delete(self, props: Mapping[str, Any]) -> None:
        """Take it away; done already, nothing happens."""
        with self._changing(props, "delete") as (spec, access):
            if not stack.current().observes:
                self.unmake(access, spec, props)

    def identifier(self, spec: S) -> str:
        """Return the ID of the resource."""
        raise NotImplementedError

    def is_adopted(self, spec: S) -> bool:
        """Return whether this is part of a zone that ran before the stack, and stays as it is."""
        return stack.current().adopts

    def make(self, access: Access, spec: S, props: Mapping[str, Any]) -> Outputs:
        """Create: what was seen."""
        raise NotImplementedError

    def look(self, access: Access, spec: S, props: Mapping[str, Any]) -> Outputs:
        """Read: what is seen now."""
        raise NotImplementedError

    def change(
        self, access: Access, spec: S, olds: Mapping[str, Any], news: Mapping[str, Any]
    ) -> Outputs:
        """Update: what was seen."""
        raise NotImplementedError

    def make_again(
        self, access: Access, spec: S, olds: Mapping[str, Any], news: Mapping[str, Any]
    ) -> Outputs:
        """Create once more what a create that failed, with ``olds``, may have left half made."""
        return self.change(access, spec, olds, news)

    def unmake(self, access: Access, spec: S, props: Mapping[str, Any]) -> None:
        """Delete."""

    def _observed(self, access: Access, spec: S, props: Mapping[str, Any]) -> Outputs:
        seen = self.look(access, spec, props)
        for difference in seen.get("drift", ()):
            progress.warn(str(props.get("urn", "")), f"not as the stack wants it: {difference}")
        return seen

    @contextmanager
    def _changing(self, props: Mapping[str, Any], what: str) -> Iterator[tuple[S, Access]]:
        stack.forget_survey()
        with self._at_work(props, what) as work:
            yield work

    @contextmanager
    def _at_work(self, props: Mapping[str, Any], what: str) -> Iterator[tuple[S, Access]]:
        urn = str(props.get("urn", ""))
        spec: Any = self.spec_type.model_validate(props["spec"])
        self._access = stack.current().access(progress.reporter(urn))
        with progress.operation(urn, what):
            yield spec, self._access


def now() -> str:
    """When something was changed, for those that wait for it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """The front-ends that a resource was given."""
    return {name: Host.model_validate(one) for name, one in props["front_ends"].items()}
