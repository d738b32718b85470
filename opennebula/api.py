"""OpenNebula's XML-RPC API through pyone, over any connection that the caller opens."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from typing import Any, Protocol

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


GRPC_SINCE = (7, 2)


def has_grpc(version: str) -> bool:
    """Whether that OpenNebula, or package of it, speaks gRPC."""
    numbers = re.findall(r"[0-9]+", version)[:2]
    return tuple(map(int, numbers)) >= GRPC_SINCE


USER = "oneadmin"
"""Who logs in: front-ends do it, too, when they talk to each other."""
UNFIT = frozenset("<>&")
"""What a login token must not have: the next write of its user would make it unreadable."""


class Api:
    """The calls that this project makes, on one oned.

    Reads answer for the server that is asked; writes reach the leader. Every method raises
    ApiError with oned's own words, or with the reason why there was no answer.
    """

    def __init__(
        self,
        password: str,
        open_stream: OpenStream,
        *,
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        """``before_write`` is called before each call that changes something."""
        # A preview and an up without a change call nothing: they need not wait for pyone.
        from opennebula.wire import Server  # noqa: PLC0415

        self._server = Server(f"{USER}:{password}", open_stream)
        self._before_write = before_write

    def _call(self, call: Callable[[], Any]) -> Any:
        return self._server.ask(call)

    def _write(self, call: Callable[[], Any]) -> Any:
        self._before_write()
        return self._call(call)

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
        )

    def servers(self) -> tuple[ServerEntry, ...]:
        """The zone's pool as this server knows it, by ID."""
        zone = self._call(lambda: self._server.zone.info(0))
        pool = zone.SERVER_POOL.SERVER if zone.SERVER_POOL is not None else []
        return tuple(
            sorted(
                (
                    ServerEntry(
                        int(item.ID),
                        str(item.NAME),
                        str(item.ENDPOINT),
                        str(getattr(item, "ENDPOINT_GRPC", None) or ""),
                    )
                    for item in pool
                ),
                key=lambda entry: entry.id,
            )
        )

    def zone(self) -> tuple[str, str, str]:
        """The zone's name, and the ENDPOINT and ENDPOINT_GRPC in its template."""
        zone = self._call(lambda: self._server.zone.info(0))
        template = zone.TEMPLATE or {}
        return (
            str(zone.NAME),
            str(template.get("ENDPOINT", "")),
            str(template.get("ENDPOINT_GRPC", "")),
        )

    def speaks_grpc(self) -> bool:
        """Whether the leader's OpenNebula, or this one outside a zone, has gRPC."""
        return has_grpc(self.version())

    def add_server(self, name: str, endpoint: str, grpc: str) -> None:
        """Register a server. A second one of the same name or endpoint is accepted: check first.

        Its gRPC endpoint is left out where OpenNebula has none.
        """
        attributes = f'NAME = "{name}", ENDPOINT = "{endpoint}"'
        if grpc and self.speaks_grpc():
            attributes += f', ENDPOINT_GRPC = "{grpc}"'
        self._write(lambda: self._server.zone.addserver(0, f"SERVER = [ {attributes} ]"))

    def delete_server(self, server_id: int) -> None:
        """Take a server out of the pool. Its oned must have been stopped before."""
        self._write(lambda: self._server.zone.delserver(0, server_id))

    def reset_server(self, server_id: int) -> None:
        """Have the leader look again where that follower's log ends."""
        self._write(lambda: self._server.zone.resetserver(0, server_id))

    def set_endpoint(self, endpoint: str, grpc: str = "") -> None:
        """Set the ENDPOINT in the zone's template, and ENDPOINT_GRPC where it is given and known.

        The other attributes stay.
        """
        attributes = f'ENDPOINT = "{endpoint}"'
        if grpc and self.speaks_grpc():
            attributes += f'\nENDPOINT_GRPC = "{grpc}"'
        self._write(lambda: self._server.zone.update(0, attributes, 1))

    def rename_zone(self, name: str) -> None:
        """Rename the zone."""
        self._write(lambda: self._server.zone.rename(0, name))

    def touch(self, mark: str) -> None:
        """One harmless write: a mark in the template of oneadmin.

        A lagging follower catches up only when a new record has to reach it.
        """
        self._call(lambda: self._server.user.update(0, f'HA_CHECKED = "{mark}"', 1))

    def public_key(self) -> str:
        """oneadmin's SSH_PUBLIC_KEY, as this server knows it."""
        user = self._call(lambda: self._server.user.info(0))
        return str((user.TEMPLATE or {}).get("SSH_PUBLIC_KEY", ""))

    def set_public_key(self, text: str) -> None:
        """Set it; the other attributes of oneadmin stay. The text has no quotes in it."""
        self._write(lambda: self._server.user.update(0, f'SSH_PUBLIC_KEY = "{text}"', 1))

    def admit(self, password: str) -> bool:
        """Let oneadmin log in with that one, too, until the password changes; whether it may.

        It is a login token without an end. OpenNebula puts its text into XML as it is: it must not
        have any of UNFIT.
        """
        if self._call(lambda: self._server.user.info(0)).AUTH_DRIVER != "core":
            return False
        self._write(lambda: self._server.user.login(USER, password, -1, -1))
        tokens = self._call(lambda: self._server.user.info(0)).LOGIN_TOKEN
        if any((token.TOKEN, int(token.EXPIRATION_TIME)) == (password, -1) for token in tokens):
            return True
        with contextlib.suppress(ApiError):
            self._write(lambda: self._server.user.login(USER, password, 0, -1))
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

    def has_endless_token(self) -> bool:
        """Whether oneadmin has a login token without an end, such as ``admit`` makes."""
        tokens = self._call(lambda: self._server.user.info(0)).LOGIN_TOKEN
        return any(int(one.EXPIRATION_TIME) == -1 for one in tokens)

    def set_password(self, password: str) -> None:
        """Make it oneadmin's only password; the former one and all login tokens are revoked."""
        self._write(lambda: self._server.user.passwd(0, password))

    def version(self) -> str:
        """A call that a follower hands on to the leader: proof that it knows the leader."""
        return str(self._call(self._server.system.version))
