"""What all front-ends have alike, set up by one resource for all of them."""

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
        """Have it on all front-ends."""
        import_module(self.procedure).ensure(access, spec)
        return {"drift": []}

    def do_read(self, access: Access, run: RunState, spec: Any, props: Props) -> Outputs:
        """Report where it differs."""
        return {"drift": list(import_module(self.procedure).inspect(access, spec))}

    def do_update(
        self, access: Access, run: RunState, spec: Any, olds: Props, news: Props
    ) -> Outputs:
        """Withdraw what is obsolete, and have the rest."""
        procedure = import_module(self.procedure)
        for before in self.former_specs(olds):
            for what, hosts in procedure.obsolete(before, spec):
                procedure.withdraw(access, what, run.still_there(hosts))
        return self.do_create(access, run, spec, news)

    def do_delete(self, access: Access, run: RunState, spec: Any, props: Props) -> None:
        """Withdraw it from all front-ends."""
        for former in self.former_specs(props):
            hosts = run.still_there(former.hosts)
            import_module(self.procedure).withdraw(access, former, hosts)
