"""Send pyone's calls over a connection that the caller opens, and raise ApiError."""

import http.client
import io
import socket
import time
import xml.parsers.expat
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pyone
from pyone.bindings.supbind import GDSParseError
from pyone.server_xrpc import OneServerXRPC

from opennebula.api import ApiError, NotAuthenticatedError, OpenStream, Stream
from opennebula.markup import refuse_doctype

ANSWER = 60.0
"""Seconds for a whole response; the stream has a timeout for each part of it."""
MOST = 64 << 20
"""Largest response in bytes. This program reads zones and users at most."""
_UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
    *(SyntaxError, xml.parsers.expat.ExpatError, GDSParseError),
)
"""Exceptions of pyone and of this program for a malformed response."""


class _Response(io.RawIOBase):
    """What a stream answers, in the form of a socket; limits its size and time."""

    def __init__(self, stream: Stream) -> None:
        self._recv = stream.recv
        self._deadline = time.monotonic() + ANSWER
        self._left = MOST

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a buffered reader of the response."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read a part of the response. Raises TimeoutError, or HTTPException if it is too large."""
        if time.monotonic() > self._deadline:
            raise TimeoutError
        data = self._recv(min(len(buffer), 65536))
        self._left -= len(data)
        if self._left < 0:
            raise http.client.HTTPException(f"more than {MOST >> 20} MiB")
        buffer[: len(data)] = data
        return len(data)


class Server(OneServerXRPC):  # type: ignore[misc]  # pyone has no types
    """pyone's client, with its HTTP requests on the caller's connection."""

    def __init__(self, session: str, open_stream: OpenStream) -> None:
        super().__init__("http://localhost/RPC2", session)
        self._open_stream = open_stream

    def _do_request(self, method: str, params: tuple[Any, ...]) -> Any:
        stream = self._open_stream()
        try:
            body = xmlrpc.client.dumps(params, method, allow_none=True).encode()
            head = (
                "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n"
                f"Content-Length: {len(body)}\r\nContent-Type: text/xml\r\n\r\n"
            )
            stream.sendall(head.encode() + body)
            response = http.client.HTTPResponse(cast(Any, _Response(stream)), method="POST")
            response.begin()
            payload = response.read()
            if response.status != http.HTTPStatus.OK:
                raise ApiError(f"{method}: HTTP status {response.status}")
            refuse_doctype(payload)
            values, _ = xmlrpc.client.loads(payload)
            for value in values[0] if isinstance(values[0], list) else ():
                if isinstance(value, str):
                    refuse_doctype(value)
            return values[0]
        finally:
            stream.close()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Raise ApiError for whatever calls of this client raise."""
        try:
            yield
        except pyone.OneAuthenticationException as error:
            raise NotAuthenticatedError(str(error)) from None
        except pyone.OneException as error:
            raise ApiError(str(error)) from None
        except (OSError, EOFError, http.client.HTTPException, xmlrpc.client.Error) as error:
            reason = "timed out" if isinstance(error, socket.timeout) else str(error)
            raise ApiError(f"no answer: {reason or type(error).__name__}") from None
        except _UNREADABLE as error:
            raise ApiError(f"an answer that cannot be read: {type(error).__name__}") from None
