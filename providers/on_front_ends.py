"""What one procedure puts in place on all front-ends at once, and withdraws where it is no more."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from providers.base import Outputs, Provider

if TYPE_CHECKING:
    from procedures.context import Access
    from providers.run_state import RunState


class OnFrontEndsProvider(Provider):
    """A resource whose spec has ``hosts``, the front-ends that have it."""

    procedure: ClassVar[str]
    """Name of the module with ``ensure(access, spec)``; ``inspect(access, spec)``, which returns
    what differs; and ``withdraw(access, former, wanted)``, which removes from the hosts of a former
    spec what the wanted one (None: nothing is wanted any more) does not have there."""

    def do_create(
        self, access: "Access", run: "RunState", spec: Any, props: Mapping[str, Any]
    ) -> Outputs:
        """Put it in place."""
        import_module(self.procedure).ensure(access, spec)
        return {"drift": []}

    def do_read(
        self, access: "Access", run: "RunState", spec: Any, props: Mapping[str, Any]
    ) -> Outputs:
        """Where it is not as it should be."""
        return {"drift": list(import_module(self.procedure).inspect(access, spec))}

    def do_update(
        self,
        access: "Access",
        run: "RunState",
        spec: Any,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same; what is no longer wanted somewhere is withdrawn there."""
        self._withdraw(access, run, olds, spec)
        return self.do_create(access, run, spec, news)

    def do_delete(
        self, access: "Access", run: "RunState", spec: Any, props: Mapping[str, Any]
    ) -> None:
        """Withdraw all of it."""
        self._withdraw(access, run, props, None)

    def _withdraw(
        self, access: "Access", run: "RunState", olds: Mapping[str, Any], wanted: Any
    ) -> None:
        for former in self.former_specs(olds):
            there = former.model_copy(update={"hosts": run.still_there(former.hosts)})
            import_module(self.procedure).withdraw(access, there, wanted)
