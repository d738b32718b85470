"""One host's place in the zone: join, re-join, leave."""

from typing import TYPE_CHECKING

from pulumi import Output, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Provider, as_input

if TYPE_CHECKING:
    from procedures.specs import MemberSpec


class ZoneMemberProvider(Provider):
    """Has one front-end in the zone."""

    identity = ("host.name",)


class ZoneMember(Resource, module="opennebula", name="ZoneMember"):
    """A front-end's zone server."""

    server_id: Output[int]
    revision: Output[str]

    def __init__(self, name: str, spec: "MemberSpec", *, urn: str, opts: ResourceOptions) -> None:
        super().__init__(
            ZoneMemberProvider(),
            name,
            {
                "spec": as_input(spec),
                "urn": urn,
                "server_id": None,
                "revision": None,
                "endpoint": None,
                "drift": None,
            },
            opts,
        )
