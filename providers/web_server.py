"""The web server with TLS in front of FireEdge, on all front-ends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import Resource

from providers.base import Outputs, Provider, as_input

if TYPE_CHECKING:
    from procedures.context import Access
    from procedures.specs import WebSpec
    from providers.run_state import RunState


class WebServerProvider(Provider):
    """What ``ssl`` asks for, on all front-ends at once."""

    spec_type = "WebSpec"

    def identifier(self, spec: "WebSpec") -> str:
        """Return the one ID of its kind."""
        return "web-server"

    def do_create(
        self, access: "Access", run: "RunState", spec: "WebSpec", props: Mapping[str, Any]
    ) -> Outputs:
        """Have it serve."""
        from procedures.web_server.web_server import ensure

        ensure(access, spec)
        return {"drift": []}

    def do_read(
        self, access: "Access", run: "RunState", spec: "WebSpec", props: Mapping[str, Any]
    ) -> Outputs:
        """Where it does not."""
        from procedures.web_server.web_server import inspect

        return {"drift": list(inspect(access, spec))}

    def do_update(
        self,
        access: "Access",
        run: "RunState",
        spec: "WebSpec",
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same; another kind of server takes the place of the one before."""
        from procedures.web_server.web_server import ensure, withdraw

        before = self.spec_of(olds)
        another = before.server != spec.server
        gone = {n: host for n, host in before.hosts.items() if another or n not in spec.hosts}
        withdraw(access, before, run.still_there(gone))
        ensure(access, spec)
        return {"drift": []}

    def do_delete(
        self, access: "Access", run: "RunState", spec: "WebSpec", props: Mapping[str, Any]
    ) -> None:
        """Have it serve no more."""
        from procedures.web_server.web_server import withdraw

        withdraw(access, spec, run.still_there(spec.hosts))


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
