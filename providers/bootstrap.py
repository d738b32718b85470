"""The first server of a blank zone, while the other front-ends are still being installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import ResourceOptions
from pulumi.dynamic import DiffResult, Resource

from providers.base import Outputs, Props, Provider, as_input, hosts_input, hosts_of
from providers.runtime import INCOMPLETE

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.context import Access
    from procedures.specs import ZoneSpec
    from providers.run_state import RunState


class BootstrapProvider(Provider):
    """Begins a zone once. There is nothing of it to read or to delete: the zone is what it is."""

    spec_type = "ZoneSpec"
    fixed_id = "bootstrap"

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Whether it is not done, or a front-end left that may be in the first server's pool."""
        left = olds["front_ends"].keys() - news["front_ends"].keys()
        return DiffResult(changes=bool(left or olds.get(INCOMPLETE)))

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
        """Abandon those that left since; ``Zone`` continues from what there is."""
        return {
            **self.do_update(access, run, spec, olds, news),
            **self.do_create(access, run, spec, news),
        }

    def do_update(
        self, access: Access, run: RunState, spec: ZoneSpec, olds: Props, news: Props
    ) -> Outputs:
        """Those that left before there was a zone are no servers of it."""
        from procedures.bootstrap.bootstrap import abandon

        staying = hosts_of(news)
        abandon(access, spec, staying, hosts_of(olds).keys() - staying.keys())
        return {}


class Bootstrap(Resource, module="opennebula", name="Bootstrap"):
    """Bootstrap a zone on its first server alone."""

    def __init__(
        self,
        name: str,
        spec: ZoneSpec,
        front_ends: Mapping[str, Host],
        *,
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        super().__init__(
            BootstrapProvider(),
            name,
            {"spec": as_input(spec), "front_ends": hosts_input(front_ends), "urn": urn},
            opts,
        )
