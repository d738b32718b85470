"""OneFlow: services of several virtual machines. There are none."""

from . import conf, sinatra
from .cli import as_data
from .sinatra import SinatraService
from .web import Reply, Request, json_reply

_SERVICES = 100


class Flow(SinatraService):
    """It starts whatever oned says, and asks it with each request."""

    unit = "opennebula-flow"
    name = "oneflow"
    auth = "oneflow_auth"

    def answer(self, request: Request) -> Reply:
        """The services of who asks."""
        user = self.user_of(request)
        if (request.method, request.path) != ("GET", "/service"):
            return Reply(404, "Not Found")
        pool = conf.read_document(self.documents(user, _SERVICES))
        return json_reply(200, {pool.tag: as_data(pool)})


def run() -> None:
    """Run OneFlow."""
    sinatra.run(Flow, "oneflow-server.conf")
