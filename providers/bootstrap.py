"""The first server of a blank zone, while the other front-ends are still being installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult, DiffResult

from providers import notes
from providers.base import ManagedResource, Outputs, ZoneSpecProvider
from providers.runtime import INCOMPLETE
from providers.state import hosts_of

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.specs import ZoneSpec
    from providers.run_state import Operation


class BootstrapProvider(ZoneSpecProvider):
    """Starts a new zone once. It has nothing to read or to delete: see ``Zone``."""

    fixed_id = "bootstrap"

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Note the front-ends that left the stack: the first server's pool may list them.

        The inputs are recorded even if no operation follows, so that the next run knows them, too.
        """
        former = self.modern(olds)
        known = {*former.get("frontends", ()), *former.get("left", ())}
        left = sorted(known - news["frontends"].keys())
        notes.removed.clear()
        notes.removed.update(left)
        return super().check(olds, {**news, "left": left} if left else news)

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Report a change only if the create is incomplete."""
        return DiffResult(changes=bool(olds.get(INCOMPLETE)))

    def do_create(self, op: Operation[ZoneSpec]) -> Outputs:
        """Start the zone if preflight saw in this run that none exists. ``Zone`` continues."""
        from procedures.bootstrap.bootstrap import begin

        blank, hosts = op.run.blank, hosts_of(op.props)
        abandon_removed(op, hosts)
        if blank and len(hosts) > 1:
            begin(op.access, op.spec, hosts, blank)
        return {}

    def do_read(self, op: Operation[ZoneSpec]) -> Outputs:
        """Return no outputs: ``Zone`` observes the zone."""
        return {}

    def do_update(self, op: Operation[ZoneSpec]) -> Outputs:
        """Do nothing: ``Zone`` completes what an earlier version left."""
        return {}


def abandon_removed(op: Operation[ZoneSpec], staying: Mapping[str, Host]) -> None:
    """Remove front-ends that left before there was a zone from the first server's pool."""
    from procedures.bootstrap.bootstrap import abandon

    if op.run.removed:
        abandon(op.access, op.spec, staying, op.run.removed)


class Bootstrap(ManagedResource, module="opennebula", name="Bootstrap"):
    """The start of a zone on its first server alone. Input: ``frontends``."""

    provider_type = BootstrapProvider
    outputs = ()
