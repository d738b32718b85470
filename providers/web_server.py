"""The web server with TLS in front of FireEdge, on all front-ends."""

from typing import ClassVar

from providers.base import ManagedResource
from providers.everywhere import EverywhereProvider


class WebServerProvider(EverywhereProvider):
    """What ``ssl`` asks for, on all front-ends at once."""

    spec_type = "WebSpec"
    labels: ClassVar = {"hosts": "frontends"}
    fixed_id = "web-server"
    procedure = "procedures.web_server.web_server"


class WebServer(ManagedResource, module="opennebula", name="WebServer"):
    """TLS in front of FireEdge. Input: ``after``, outputs whose change calls for another look."""

    provider_type = WebServerProvider
