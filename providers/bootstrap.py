"""The first server of a blank zone, while the other front-ends are still being installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult, DiffResult

from providers.base import ManagedResource, Outputs, Props, ZoneSpecProvider, hosts_of
from providers.runtime import INCOMPLETE

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.context import Access
    from procedures.specs import ZoneSpec
    from providers.run_state import RunState

_left: set[str] = set()
"""The former front-ends of the stack, as this process was asked to check them."""


class BootstrapProvider(ZoneSpecProvider):
    """Begins a zone once. There is nothing of it to read or to delete: the zone is what it is."""

    fixed_id = "bootstrap"

    def check(self, olds: Mapping[str, Any], news: dict[str, Any]) -> CheckResult:
        """Note who has left the stack: the first server may list it, and where there was no zone
        yet, ``Zone`` abandons it. Only the inputs of a resource without a change are recorded.
        """
        former = self._modern(olds)
        known = {*former.get("frontends", ()), *former.get("left", ())}
        left = sorted(known - news["frontends"].keys())
        _left.clear()
        _left.update(left)
        return super().check(olds, {**news, "left": left} if left else news)

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Whether it is not done."""
        return DiffResult(changes=bool(olds.get(INCOMPLETE)))

    def do_create(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """Begin where this run has seen that there is no zone; ``Zone`` continues from there."""
        from procedures.bootstrap.bootstrap import begin

        blank, hosts = run.blank, hosts_of(props)
        if blank and len(hosts) > 1:
            begin(access, spec, hosts, blank)
        return {}

    def do_read(self, access: Access, run: RunState, spec: ZoneSpec, props: Props) -> Outputs:
        """It is the zone that is looked at."""
        return {}

    def do_create_again(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Begin, if that is not done; ``Zone`` continues from what there is."""
        abandon_former(access, spec, hosts_of(news))
        return self.do_create(access, run, spec, news)

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """What an update of an earlier version left undone is done by ``Zone``."""
        return {}


def abandon_former(access: Access, spec: ZoneSpec, staying: Mapping[str, Host]) -> None:
    """Take those that left before there was a zone off the first server's list."""
    from procedures.bootstrap.bootstrap import abandon

    if _left:
        abandon(access, spec, staying, _left)


class Bootstrap(ManagedResource, module="opennebula", name="Bootstrap"):
    """The start of a zone on its first server alone. Input: ``frontends``."""

    provider_type = BootstrapProvider
    outputs = ()
