"""The first server of a blank zone, while the other front-ends are still being installed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import ResourceOptions
from pulumi.dynamic import DiffResult, Resource

from providers.base import Provider, as_input, hosts_input
from providers.runtime import INCOMPLETE

if TYPE_CHECKING:
    from hosts.models import Host
    from procedures.specs import ZoneSpec


class BootstrapProvider(Provider):
    """Begins a zone once. There is nothing of it to read or to delete: the zone is what it is."""

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        """Whether a front-end left that the founder may have on its list, or it is not done."""
        left = olds["front_ends"].keys() - news["front_ends"].keys()
        return DiffResult(changes=bool(left or olds.get(INCOMPLETE)))


class Bootstrap(Resource, module="opennebula", name="Bootstrap"):
    """What a founding does on its founder alone."""

    def __init__(
        self,
        name: str,
        spec: "ZoneSpec",
        front_ends: "Mapping[str, Host]",
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
