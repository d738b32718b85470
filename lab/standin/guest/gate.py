"""OneGate: virtual machines report and read their data.

There are no virtual machines, so no client has a machine's token: a request without one gets the
list of paths, as a machine's does.
"""

from . import sinatra
from .service import OWN, OnedError, ServiceError
from .sinatra import Settings, SinatraService
from .version import VERSION
from .web import Refused, Reply, Request, json_reply

_SERVER_SINCE = (7, 3, 80)
"""From this version on it passes `:server` to Sinatra, and ignores `:host` and `:port`."""
_SINATRAS_OWN = {":bind": "localhost", ":port": 4567}


class Gate(SinatraService):
    """The service; it does not call oned before the first request."""

    unit = "opennebula-gate"
    name = "onegate"
    auth = "onegate_auth"

    @staticmethod
    def address(settings: Settings, version: str = VERSION) -> tuple[str, int]:
        """Return the address on which it listens."""
        if tuple(map(int, version.split("."))) < _SERVER_SINCE:
            return SinatraService.address(settings)
        server = {**_SINATRAS_OWN, **(settings.get(":server") or {})}
        try:
            return str(server[":bind"]), int(server[":port"])
        except (TypeError, ValueError) as error:
            raise ServiceError(f"not a port: {server[':port']}") from error

    def answer(self, request: Request) -> Reply:
        """Return the list of paths, if oned accepts its credentials."""
        if request.headers.get("X-ONEGATE-TOKEN"):
            raise _not_authorized("there are no virtual machines here")
        try:
            self.ask_for("", "one.user.info", OWN)
        except OnedError as error:
            raise _not_authorized(str(error)) from error
        if (request.method, request.path) != ("GET", "/"):
            return Reply(404, "Not Found")
        base = f"http://{request.headers.get('Host')}"
        return json_reply(200, {"vm_info": f"{base}/vm", "service_info": f"{base}/service"})


def _not_authorized(reason: str) -> Refused:
    return Refused(Reply(401, "Not authorized"), f"Unauthorized login attempt {reason}")


def run() -> None:
    """Run OneGate."""
    sinatra.run(Gate, "onegate-server.conf")
