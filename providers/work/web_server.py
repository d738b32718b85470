"""The web server with TLS in front of FireEdge, on all front-ends."""

from collections.abc import Mapping
from typing import Any

from procedures.context import Access
from procedures.specs import WebSpec
from procedures.web_server.web_server import ensure, inspect, withdraw
from providers import stack
from providers.work import base
from providers.work.base import Outputs


class Work(base.Work[WebSpec]):
    """Of WebServer."""

    spec_type = WebSpec

    def identifier(self, spec: WebSpec) -> str:
        """Return the one ID of its kind."""
        return "web-server"

    def make(self, access: Access, spec: WebSpec, props: Mapping[str, Any]) -> Outputs:
        """Have it serve."""
        ensure(access, spec)
        return {"drift": []}

    def look(self, access: Access, spec: WebSpec, props: Mapping[str, Any]) -> Outputs:
        """Where it does not."""
        return {"drift": list(inspect(access, spec))}

    def change(
        self,
        access: Access,
        spec: WebSpec,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
    ) -> Outputs:
        """The same; another kind of server takes the place of the one before."""
        before = WebSpec.model_validate(olds["spec"])
        another = before.server != spec.server
        gone = {n: host for n, host in before.hosts.items() if another or n not in spec.hosts}
        withdraw(access, before, stack.current().still_there(gone))
        ensure(access, spec)
        return {"drift": []}

    def unmake(self, access: Access, spec: WebSpec, props: Mapping[str, Any]) -> None:
        """Have it serve no more."""
        withdraw(access, spec, stack.current().still_there(spec.hosts))
