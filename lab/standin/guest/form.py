"""OneForm: clusters at other providers. There are none."""

from . import sinatra
from .service import OnedError, ServiceError
from .sinatra import SinatraService
from .web import Reply, Request, json_reply

_PROVIDERS, _PROVISIONS = 103, 104


class Form(SinatraService):
    """The service; it does not start if oned rejects its credentials."""

    unit = "opennebula-form"
    name = "oneform"
    # Not oneform_auth, which its unit requires, as in OpenNebula 7.2 and 7.4.
    auth = "oneflow_auth"

    def start(self) -> None:
        """Create the default provider if it does not exist."""
        try:
            self.ask_for("oneadmin", "one.documentpool.info", -2, -1, -1, _PROVIDERS)
        except OnedError as error:
            text = f"Server startup failed ensuring onprem provider: {error}"
            self.log.error(text)
            raise ServiceError(text) from error

    def answer(self, request: Request) -> Reply:
        """Return the user's clusters."""
        user = self.user_of(request)
        path = request.path.rstrip("/")
        if request.method == "GET" and path == "/api/v1":
            return Reply(200, "Welcome to the OpenNebula Formation Server v1")
        if request.method == "GET" and path == "/api/v1/provisions":
            self.documents(user, _PROVISIONS)
            return json_reply(200, [])
        return Reply(404, "Not Found")


def run() -> None:
    """Run OneForm."""
    sinatra.run(Form, "oneform-server.conf")
