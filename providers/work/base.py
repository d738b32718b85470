"""What the work of all kinds of resources has in common."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from hosts.connection import Host
from procedures.access import Access
from procedures.specs import Spec
from providers import progress, stack

S = TypeVar("S", bound=Spec)

Outputs = dict[str, Any]


class Work(Generic[S]):
    """Of one kind of resource, by its spec."""

    spec_type: ClassVar[type[Spec]]

    def create(self, props: Mapping[str, Any]) -> tuple[str, Outputs]:
        """Bring it about, or find that it is there: its ID and what was seen."""
        with self._changing(props, "create") as (spec, access):
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
            return self.change(access, spec, olds, news)

    def delete(self, props: Mapping[str, Any]) -> None:
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


def hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """The front-ends that a resource was given."""
    return {name: Host.model_validate(one) for name, one in props["front_ends"].items()}
