"""OpenNebula's XML-RPC API through pyone, over any connection that the caller opens."""

import contextlib
import hashlib
import http.client
import socket
import xmlrpc.client
from collections.abc import Callable
from typing import Any, Protocol

import pyone
from pyone.server_xrpc import OneServerXRPC

from opennebula.zone import RaftStatus, ServerEntry, State


class Stream(Protocol):
    """The part of a socket that an HTTP connection uses."""

    def sendall(self, data: bytes, /) -> Any:
        """Send all of it."""

    def makefile(self, mode: str, /) -> Any:
        """A file to read from."""

    def close(self) -> Any:
        """Close it."""


OpenStream = Callable[[], Stream]


class ApiError(Exception):
    """oned refused a call, or did not answer it."""


class NotAuthenticatedError(ApiError):
    """oned does not know that user with that password."""


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a stream. It is closed by whoever opened it, when all is read.

    Where the server ends the connection http.client closes the socket before it reads the body: a
    real socket lives on in the file that was made of it, an SSH channel does not.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__("localhost")
        self._stream = stream

    def connect(self) -> None:
        self.sock: Any = _Open(self._stream)


class _Open:
    """A stream that stays open."""

    def __init__(self, stream: Stream) -> None:
        self.sendall = stream.sendall
        self.makefile = stream.makefile

    def close(self) -> None:
        """Not yet."""


class _Server(OneServerXRPC):  # type: ignore[misc]  # pyone has no types
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
            values, _ = xmlrpc.client.loads(payload)
            return values[0]
        finally:
            stream.close()


USER = "oneadmin"
"""Who logs in: front-ends do it, too, when they talk to each other."""
UNFIT = frozenset("<>&")
"""What a login token must not have: the next write of its user would make it unreadable."""


class Api:
    """The calls that this project makes, on one oned.

    Reads answer for the server that is asked; writes reach the leader. Every method raises
    ApiError with oned's own words, or with the reason why there was no answer.
    """

    def __init__(self, password: str, open_stream: OpenStream) -> None:
        self._server = _Server(f"{USER}:{password}", open_stream)

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except pyone.OneAuthenticationException as error:
            raise NotAuthenticatedError(str(error)) from None
        except pyone.OneException as error:
            raise ApiError(str(error)) from None
        except (OSError, EOFError, http.client.HTTPException, xmlrpc.client.Error) as error:
            reason = "timed out" if isinstance(error, socket.timeout) else str(error)
            raise ApiError(f"no answer: {reason or type(error).__name__}") from None

    def raft_status(self) -> RaftStatus:
        """What this oned says of itself."""
        raft = self._call(self._server.zone.raftstatus)
        return RaftStatus(
            server_id=int(raft.SERVER_ID),
            state=State(int(raft.STATE)),
            term=int(raft.TERM),
            index=int(raft.LOG_INDEX),
            commit=int(raft.COMMIT),
            voted_for=int(raft.VOTEDFOR),
            fed_index=int(raft.FEDLOG_INDEX),
        )

    def servers(self) -> tuple[ServerEntry, ...]:
        """The zone's pool as this server knows it, by ID."""
        zone = self._call(lambda: self._server.zone.info(0))
        pool = zone.SERVER_POOL.SERVER if zone.SERVER_POOL is not None else []
        return tuple(
            sorted(
                (ServerEntry(int(item.ID), str(item.NAME), str(item.ENDPOINT)) for item in pool),
                key=lambda entry: entry.id,
            )
        )

    def zone(self) -> tuple[str, str]:
        """The zone's name and the ENDPOINT in its template."""
        zone = self._call(lambda: self._server.zone.info(0))
        return str(zone.NAME), str((zone.TEMPLATE or {}).get("ENDPOINT", ""))

    def add_server(self, name: str, endpoint: str) -> None:
        """Register a server. A second one of the same name or endpoint is accepted: check first."""
        self._call(
            lambda: self._server.zone.addserver(
                0, f'SERVER = [ NAME = "{name}", ENDPOINT = "{endpoint}" ]'
            )
        )

    def delete_server(self, server_id: int) -> None:
        """Take a server out of the pool. Its oned must have been stopped before."""
        self._call(lambda: self._server.zone.delserver(0, server_id))

    def reset_server(self, server_id: int) -> None:
        """Have the leader look anew where that follower's log ends."""
        self._call(lambda: self._server.zone.resetserver(0, server_id))

    def set_endpoint(self, endpoint: str) -> None:
        """Set the ENDPOINT in the zone's template; the other attributes stay."""
        self._call(lambda: self._server.zone.update(0, f'ENDPOINT = "{endpoint}"', 1))

    def rename_zone(self, name: str) -> None:
        """Rename the zone."""
        self._call(lambda: self._server.zone.rename(0, name))

    def touch(self, mark: str) -> None:
        """One harmless write: a mark in the template of oneadmin.

        A lagging follower catches up only when a new record has to reach it.
        """
        self._call(lambda: self._server.user.update(0, f'HA_CHECKED = "{mark}"', 1))

    def admit(self, password: str) -> bool:
        """Let oneadmin log in with that one, too, until the password changes; whether it may.

        It is a login token without an end. OpenNebula puts its text into XML as it is: it must not
        have any of UNFIT.
        """
        if self._call(lambda: self._server.user.info(0)).AUTH_DRIVER != "core":
            return False
        self._call(lambda: self._server.user.login(USER, password, -1, -1))
        tokens = self._call(lambda: self._server.user.info(0)).LOGIN_TOKEN
        if any((one.TOKEN, int(one.EXPIRATION_TIME)) == (password, -1) for one in tokens):
            return True
        with contextlib.suppress(ApiError):
            self._call(lambda: self._server.user.login(USER, password, 0, -1))
        return False

    def has_password(self, password: str) -> bool:
        """Whether that is oneadmin's password, and no token that stands for one.

        Where not OpenNebula but another driver knows the password, there is no other.
        """
        user = self._call(lambda: self._server.user.info(0))
        return (
            user.AUTH_DRIVER != "core"
            or str(user.PASSWORD) == hashlib.sha256(password.encode()).hexdigest()
        )

    def set_password(self, password: str) -> None:
        """Make it oneadmin's only one: the password before and all login tokens are void."""
        self._call(lambda: self._server.user.passwd(0, password))

    def version(self) -> str:
        """A call that a follower hands on to the leader: proof that it knows the leader."""
        return str(self._call(self._server.system.version))
