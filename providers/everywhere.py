"""The base of resources that set up the same on all front-ends."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from providers.base import Outputs, Props, Provider

if TYPE_CHECKING:
    from procedures.context import Access
    from providers.run_state import RunState


class EverywhereProvider(Provider):
    """A provider whose procedure has ``ensure``, ``inspect``, ``obsolete`` and ``withdraw``."""

    procedure: ClassVar[str]
    """The module of its procedure."""

    def do_create(self, access: Access, run: RunState, spec: Any, props: Props) -> Outputs:
        """Set it up on all front-ends."""
        import_module(self.procedure).ensure(access, spec)
        return {"drift": []}

    def do_read(self, access: Access, run: RunState, spec: Any, props: Props) -> Outputs:
        """Report the differences on all front-ends."""
        return {"drift": list(import_module(self.procedure).inspect(access, spec))}

    def do_update(
        self, access: Access, run: RunState, spec: Any, olds: Props, news: Props
    ) -> Outputs:
        """Remove what is obsolete, and set up the rest."""
        procedure = import_module(self.procedure)
        for before in self.former_specs(olds):
            for what, hosts in procedure.obsolete(before, spec):
                procedure.withdraw(access, what, run.without_lost(hosts))
        return self.do_create(access, run, spec, news)

    def do_delete(self, access: Access, run: RunState, spec: Any, props: Props) -> None:
        """Remove it from all front-ends."""
        for former in self.former_specs(props):
            hosts = run.without_lost(former.hosts)
            import_module(self.procedure).withdraw(access, former, hosts)
