"""The base of resources that set up the same on all front-ends."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from providers.base import Outputs, Provider

if TYPE_CHECKING:
    from providers.run_state import Operation


class EverywhereProvider(Provider):
    """A provider whose procedure has ``ensure``, ``inspect``, ``obsolete`` and ``withdraw``."""

    procedure: ClassVar[str]
    """The module of its procedure."""
    repeats_create = False

    def do_create(self, op: Operation[Any]) -> Outputs:
        """Set it up on all front-ends."""
        import_module(self.procedure).ensure(op.access, op.spec)
        return {"drift": []}

    def do_read(self, op: Operation[Any]) -> Outputs:
        """Report the differences on all front-ends."""
        return {"drift": list(import_module(self.procedure).inspect(op.access, op.spec))}

    def do_update(self, op: Operation[Any]) -> Outputs:
        """Remove what is obsolete, and set up the rest."""
        procedure = import_module(self.procedure)
        for before in self.former_specs(op.olds):
            for what, hosts in procedure.obsolete(before, op.spec):
                procedure.withdraw(op.access, what, op.run.without_lost(hosts))
        return self.do_create(op)

    def do_delete(self, op: Operation[Any]) -> None:
        """Remove it from all front-ends."""
        for former in self.former_specs(op.props):
            hosts = op.run.without_lost(former.hosts)
            import_module(self.procedure).withdraw(op.access, former, hosts)
