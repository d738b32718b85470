"""pyone's calls over a connection that the caller opens, with errors of our own."""

import http.client
import io
import socket
import time
import xml.parsers.expat
import xmlrpc.client
from collections.abc import Callable
from typing import Any

import pyone
from pyone.bindings.supbind import GDSParseError
from pyone.server_xrpc import OneServerXRPC

from opennebula.api import ApiError, NotAuthenticatedError, OpenStream, Stream
from opennebula.markup import refuse_doctype

ANSWER = 60.0
"""Seconds for a whole answer; the stream has a timeout for each part of it."""
MOST = 64 << 20
"""Bytes of an answer. The largest that this project asks for is a zone or a user."""
_UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
    *(SyntaxError, xml.parsers.expat.ExpatError, GDSParseError),
)
"""What pyone and our own reading raise for an answer of another form."""


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a stream. Its opener closes it, when all is read.

    Where the server ends the connection http.client closes the socket before it reads the body: a
    real socket lives on in the file that was made of it, an SSH channel does not.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__("localhost")
        self._stream = stream

    def connect(self) -> None:
        self.sock: Any = _OpenStream(self._stream)


class _OpenStream(io.RawIOBase):
    """A stream that stays open, read up to a size and a deadline."""

    def __init__(self, stream: Stream) -> None:
        self.sendall = stream.sendall
        self._recv = stream.recv
        self._deadline = time.monotonic() + ANSWER
        self._left = MOST

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a file to read from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read a part of the answer. Raises TimeoutError, HTTPException if there is too much."""
        if time.monotonic() > self._deadline:
            raise TimeoutError
        data = self._recv(min(len(buffer), 65536))
        self._left -= len(data)
        if self._left < 0:
            raise http.client.HTTPException(f"more than {MOST >> 20} MiB")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Not yet."""


class Server(OneServerXRPC):  # type: ignore[misc]  # pyone has no types
    """pyone's server with its HTTP request on the caller's connection."""

    def __init__(self, session: str, open_stream: OpenStream) -> None:
        super().__init__("http://localhost/RPC2", session)
        self._open_stream = open_stream

    def _do_request(self, method: str, params: tuple[Any, ...]) -> Any:
        stream = self._open_stream()
        connection = _Connection(stream)
        try:
            body = xmlrpc.client.dumps(params, method, allow_none=True).encode()
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
            response = connection.getresponse()
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

    def ask(self, call: Callable[[], Any]) -> Any:
        """What a call of this server answers. Raises ApiError."""
        try:
            return call()
        except pyone.OneAuthenticationException as error:
            raise NotAuthenticatedError(str(error)) from None
        except pyone.OneException as error:
            raise ApiError(str(error)) from None
        except (OSError, EOFError, http.client.HTTPException, xmlrpc.client.Error) as error:
            reason = "timed out" if isinstance(error, socket.timeout) else str(error)
            raise ApiError(f"no answer: {reason or type(error).__name__}") from None
        except _UNREADABLE as error:
            raise ApiError(f"an answer that cannot be read: {type(error).__name__}") from None
