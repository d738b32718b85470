"""oned's HTTP server: one thread per connection."""

import http.server
from typing import Any

from .api import Api
from .journal import Journal
from .web import Listener
from .wire import UNKNOWN_METHOD, decode_request, encode_fault, encode_response


class RpcServer(Listener):
    """Listens on one address, and passes calls to the API."""

    request_queue_size = 15

    def __init__(self, address: tuple[str, int], api: Api, journal: Journal) -> None:
        self.api = api
        self.journal = journal
        super().__init__(address, _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        server = self.server
        assert isinstance(server, RpcServer)  # noqa: S101 - for the type checker
        if self.path not in ("/RPC2", "/"):
            self.send_error(404)
            return
        try:
            method, params = decode_request(body)
        except Exception as error:
            self._send(encode_fault(-503, f"Call XML not a proper XML-RPC call.  {error}"))
            return
        if not server.api.knows(method):
            self._send(encode_fault(UNKNOWN_METHOD, f"Method '{method}' not defined"))
            return
        try:
            answer = encode_response(server.api.call(method, params))
        except Exception as error:
            server.journal.error("ReM", f"{method} failed: {error!r}")
            answer = encode_fault(-500, f"internal error in {method}: {error!r}")
        self._send(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the API logs its calls."""

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
