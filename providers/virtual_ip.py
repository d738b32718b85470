"""Where clients reach the leader: the zone's ENDPOINT, and the VIPs, where there are any."""

from typing import TYPE_CHECKING

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Provider, as_input

if TYPE_CHECKING:
    from procedures.specs import ZoneSpec


class VirtualIpProvider(Provider):
    """The zone's ENDPOINT, and the addresses on the leader alone."""


class VirtualIp(Resource, module="opennebula", name="VirtualIp"):
    """The way in that clients use."""

    holder: Output[str]
    endpoint: Output[str]

    def __init__(
        self,
        name: str,
        spec: "ZoneSpec",
        *,
        leader: Input[str],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``leader``: who leads, so that a new leader means another look at the VIPs."""
        super().__init__(
            VirtualIpProvider(),
            name,
            {
                "spec": as_input(spec),
                "leader": leader,
                "urn": urn,
                "holder": None,
                "endpoint": None,
                "drift": None,
            },
            opts,
        )
