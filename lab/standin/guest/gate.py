"""OneGate: where virtual machines tell what they are, and learn it.

Here are none, so nobody has a machine's token: who comes without one is told where things are, as
a machine would be.
"""

from . import sinatra
from .service import OWN, OnedError, ServiceError
from .sinatra import Settings, SinatraService
from .version import VERSION
from .web import Refused, Reply, Request, json_reply

_SERVER_SINCE = (7, 3, 80)
"""From then on it gives all of `:server` to Sinatra, and looks at `:host` and `:port` no more."""
_SINATRAS_OWN = {":bind": "localhost", ":port": 4567}


class Gate(SinatraService):
    """It asks oned nothing before a request comes."""

    unit = "opennebula-gate"
    name = "onegate"
    auth = "onegate_auth"

    @staticmethod
    def address(settings: Settings, version: str = VERSION) -> tuple[str, int]:
        """Where it listens."""
        if tuple(map(int, version.split("."))) < _SERVER_SINCE:
            return SinatraService.address(settings)
        server = {**_SINATRAS_OWN, **(settings.get(":server") or {})}
        try:
            return str(server[":bind"]), int(server[":port"])
        except (TypeError, ValueError) as error:
            raise ServiceError(f"not a port: {server[':port']}") from error

    def answer(self, request: Request) -> Reply:
        """The paths that there are, where oned takes its credentials."""
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
