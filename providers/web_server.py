"""The web server with TLS in front of FireEdge, on all front-ends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import as_input
from providers.everywhere import EverywhereProvider

if TYPE_CHECKING:
    from procedures.specs import WebSpec


class WebServerProvider(EverywhereProvider):
    """What ``ssl`` asks for, on all front-ends at once."""

    spec_type = "WebSpec"
    fixed_id = "web-server"
    procedure = "procedures.web_server.web_server"


class WebServer(Resource, module="opennebula", name="WebServer"):
    """TLS in front of FireEdge."""

    def __init__(
        self,
        name: str,
        spec: "WebSpec",
        *,
        after: Mapping[str, Input[Any]],
        urn: str,
        opts: ResourceOptions,
    ) -> None:
        """``after``: outputs whose change calls for another look."""
        super().__init__(
            WebServerProvider(),
            name,
            {"spec": as_input(spec), "after": dict(after), "urn": urn, "drift": None},
            opts,
        )
