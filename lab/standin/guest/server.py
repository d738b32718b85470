"""oned's API over HTTP."""

from .api import Api
from .journal import Journal
from .web import Refused, Reply, Request
from .wire import UNKNOWN_METHOD, decode_request, encode_fault, encode_response


class RpcService:
    """Passes calls to the API."""

    unit = "oned"

    def __init__(self, api: Api, journal: Journal) -> None:
        self._api = api
        self._journal = journal

    def answer(self, request: Request) -> Reply:
        """Answer a call of XML-RPC."""
        if request.method != "POST" or request.path not in ("/RPC2", "/"):
            return Reply(404)
        return Reply(200, self._call(request.body), "text/xml")

    def note(self, refusal: Refused) -> None:
        """Log nothing: the API logs its calls."""

    def _call(self, body: bytes) -> str:
        try:
            method, params = decode_request(body)
        except Exception as error:
            return encode_fault(-503, f"Call XML not a proper XML-RPC call.  {error}")
        if not self._api.knows(method):
            return encode_fault(UNKNOWN_METHOD, f"Method '{method}' not defined")
        try:
            return encode_response(self._api.call(method, params))
        except Exception as error:
            self._journal.error("ReM", f"{method} failed: {error!r}")
            return encode_fault(-500, f"internal error in {method}: {error!r}")
