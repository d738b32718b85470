"""HTTP for oned and the services: one thread per connection."""

import http.client
import http.server
import json
import socket
import socketserver
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Request:
    """A client's request."""

    method: str
    path: str
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    body: str = ""
    kind: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, data: Any, **headers: str) -> Reply:
    """Return a reply in JSON."""
    return Reply(status, json.dumps(data), "application/json", headers)


class Refused(Exception):
    """A rejected request: the reply, and the reason for the log."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply


class Service(Protocol):
    """Something that answers requests."""

    unit: str

    def answer(self, request: Request) -> Reply:
        """Answer a request. Raises Refused."""

    def note(self, refusal: Refused) -> None:
        """Log why a request was refused."""


class Listener(http.server.ThreadingHTTPServer):
    """Listens on one address, and passes requests to a service."""

    request_queue_size = 15

    def __init__(self, service: Service, address: tuple[str, int]) -> None:
        self.service = service
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host name, which may hang."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: Listener
    headers: http.client.HTTPMessage

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def version_string(self) -> str:
        """Return the service and the host, for every answer."""
        return f"{self.server.service.unit} ({socket.gethostname()})"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a service logs what it rejects."""

    def _serve(self) -> None:
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path.partition("?")[0], self.headers, body)
        try:
            self._send(service.answer(request))
        except Refused as refusal:
            service.note(refusal)
            # The originals write most reasons only to their log.
            self._send(refusal.reply, {"X-Reason": " ".join(str(refusal).split())})

    def _send(self, reply: Reply, more: Mapping[str, str] | None = None) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", f"{reply.kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in {**reply.headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
