"""OneFlow: services of several virtual machines. There are none."""

from . import conf, sinatra
from .cli import as_data
from .sinatra import SinatraService
from .web import Reply, Request, json_reply

_SERVICES = 100


class Flow(SinatraService):
    """The service; it starts even if oned does not answer, and calls it at each request."""

    unit = "opennebula-flow"
    name = "oneflow"
    auth = "oneflow_auth"

    def answer(self, request: Request) -> Reply:
        """Return the user's services."""
        user = self.user_of(request)
        if (request.method, request.path) != ("GET", "/service"):
            return Reply(404, "Not Found")
        pool = conf.read_document(self.documents(user, _SERVICES))
        return json_reply(200, {pool.tag: as_data(pool)})


def run() -> None:
    """Run OneFlow."""
    sinatra.run(Flow, "oneflow-server.conf")
