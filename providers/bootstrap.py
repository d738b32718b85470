"""The first server of a blank zone, while the other front-ends are still being installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult, DiffResult

from providers import notes
from providers.base import ManagedResource, Outputs, Props, ZoneSpecProvider
from providers.runtime import INCOMPLETE
from providers.state import hosts_of

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.context import Access
    from procedures.specs import ZoneSpec
    from providers.run_state import RunState


class BootstrapProvider(ZoneSpecProvider):
    """Starts a new zone once. It has nothing to read or to delete: see ``Zone``."""

    fixed_id = "bootstrap"

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Note the front-ends that left the stack: the first server's pool may list them.

        The inputs are recorded even if no operation follows, so that the next run knows them, too.
        """
        former = self._modern(olds)
        known = {*former.get("frontends", ()), *former.get("left", ())}
        left = sorted(known - news["frontends"].keys())
        notes.removed.clear()
        notes.removed.update(left)
        return super().check(olds, {**news, "left": left} if left else news)

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Report a change only if the create is incomplete."""
        return DiffResult(changes=bool(olds.get(INCOMPLETE)))

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Start the zone if preflight saw in this run that none exists. ``Zone`` continues."""
        from procedures.bootstrap.bootstrap import begin

        blank, hosts = run.blank, hosts_of(props)
        if blank and len(hosts) > 1:
            begin(access, spec, hosts, blank)
        return {}

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Return no outputs: ``Zone`` observes the zone."""
        return {}

    def do_create_again(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Start the zone, unless it exists. ``Zone`` continues from the observed state."""
        abandon_removed(access, run, spec, hosts_of(news))
        return self.do_create(access, run, spec, news)

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Do nothing: ``Zone`` completes what an earlier version left."""
        return {}


def abandon_removed(
    access: Access, run: RunState, spec: ZoneSpec, staying: Mapping[str, Host]
) -> None:
    """Remove front-ends that left before there was a zone from the first server's pool."""
    from procedures.bootstrap.bootstrap import abandon

    if run.removed:
        abandon(access, spec, staying, run.removed)


class Bootstrap(ManagedResource, module="opennebula", name="Bootstrap"):
    """The start of a zone on its first server alone. Input: ``frontends``."""

    provider_type = BootstrapProvider
    outputs = ()
