"""The first server of a blank zone, while the other front-ends are still being installed."""

from collections.abc import Mapping
from typing import Any

from procedures.bootstrap.bootstrap import begin, give_up
from procedures.context import Access
from procedures.specs import ZoneSpec
from providers import stack
from providers.work import base
from providers.work.base import Outputs, hosts_of


class Work(base.Work[ZoneSpec]):
    """Of Bootstrap."""

    spec_type = ZoneSpec

    def identifier(self, spec: ZoneSpec) -> str:
        """Return the one ID of its kind."""
        return "bootstrap"

    def make(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """Begin where this run has seen that there is no zone; ``Zone`` goes on from there."""
        blank, hosts = stack.current().blank, hosts_of(props)
        if blank and len(hosts) > 1:
            begin(access, spec, hosts, blank)
        return {}

    def look(self, access: Access, spec: ZoneSpec, props: Mapping[str, Any]) -> Outputs:
        """It is the zone that is looked at."""
        return {}

    def make_again(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Give up those that left since; ``Zone`` goes on from what there is."""
        return {**self.change(access, spec, olds, news), **self.make(access, spec, news)}

    def change(
        self,
        access: Access,
        spec: ZoneSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """Those that left before there was a zone are no servers of it."""
        staying = hosts_of(news)
        give_up(access, spec, staying, hosts_of(olds).keys() - staying.keys())
        return {}
