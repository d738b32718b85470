"""OpenNebula's XML-RPC API, called with pyone over a connection that the caller opens."""

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

    def recv(self, size: int, /) -> bytes:
        """Receive a part of the response; empty at its end."""

    def close(self) -> Any:
        """Close the stream."""


OpenStream = Callable[[], Stream]


class ApiError(Exception):
    """oned rejected a call, or did not answer."""


class NotAuthenticatedError(ApiError):
    """oned rejected the user or the password."""


GRPC_SINCE = (7, 2)


def has_grpc(version: str) -> bool:
    """Return whether OpenNebula of that version, or package version, has a gRPC API."""
    numbers = re.findall(r"[0-9]+", version)[:2]
    return tuple(map(int, numbers)) >= GRPC_SINCE


USER = "oneadmin"
"""The account that this program uses, and the front-ends among each other."""
UNFIT = frozenset("<>&")
"""Characters that a login token must not contain: OpenNebula could not read its user again."""


class Api:
    """The API calls of this program on one oned.

    A read returns the state of the server that is asked; a follower passes a write on to the
    leader. Every method raises ApiError, with oned's message or the reason of the failed call.
    """

    def __init__(
        self,
        password: str,
        open_stream: OpenStream,
        *,
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        """``before_write`` is called before each call that changes something."""
        # Importing pyone is slow, and a preview or an up without changes does not need it.
        from opennebula.wire import Server  # noqa: PLC0415

        self._server = Server(f"{USER}:{password}", open_stream)
        self._before_write = before_write

    def _write(self, call: Callable[[], Any]) -> None:
        self._before_write()
        with self._server.asking():
            call()

    def raft_status(self) -> RaftStatus:
        """Return the Raft status of this oned."""
        with self._server.asking():
            raft = self._server.zone.raftstatus()
            return RaftStatus(
                server_id=int(raft.SERVER_ID),
                state=State(int(raft.STATE)),
                term=int(raft.TERM),
                index=int(raft.LOG_INDEX),
                commit=int(raft.COMMIT),
                voted_for=int(raft.VOTEDFOR),
            )

    def servers(self) -> tuple[ServerEntry, ...]:
        """Return the zone's servers in the database of this one, by ID."""
        with self._server.asking():
            zone = self._server.zone.info(0)
            pool = zone.SERVER_POOL.SERVER if zone.SERVER_POOL is not None else []
            entries = (
                ServerEntry(
                    int(item.ID),
                    str(item.NAME),
                    str(item.ENDPOINT),
                    str(getattr(item, "ENDPOINT_GRPC", None) or ""),
                )
                for item in pool
            )
            return tuple(sorted(entries, key=lambda entry: entry.id))

    def zone(self) -> tuple[str, str, str]:
        """Return the zone's name, and the ENDPOINT and ENDPOINT_GRPC of its template."""
        with self._server.asking():
            zone = self._server.zone.info(0)
            template = zone.TEMPLATE or {}
            endpoint, grpc = template.get("ENDPOINT", ""), template.get("ENDPOINT_GRPC", "")
            return str(zone.NAME), str(endpoint), str(grpc)

    def speaks_grpc(self) -> bool:
        """Return whether the leader, or this oned if it is standalone, has a gRPC API."""
        return has_grpc(self.version())

    def add_server(self, name: str, endpoint: str, grpc: str) -> None:
        """Add a server to the pool, with a gRPC endpoint if OpenNebula has gRPC.

        OpenNebula accepts a second server of the same name or endpoint: check that first.
        """
        attributes = f'NAME = "{name}", ENDPOINT = "{endpoint}"'
        if grpc and self.speaks_grpc():
            attributes += f', ENDPOINT_GRPC = "{grpc}"'
        self._write(lambda: self._server.zone.addserver(0, f"SERVER = [ {attributes} ]"))

    def delete_server(self, server_id: int) -> None:
        """Remove a server from the pool. Its oned must be stopped."""
        self._write(lambda: self._server.zone.delserver(0, server_id))

    def reset_server(self, server_id: int) -> None:
        """Have the leader determine again where that follower's log ends."""
        self._write(lambda: self._server.zone.resetserver(0, server_id))

    def set_endpoint(self, endpoint: str, grpc: str = "") -> None:
        """Set ENDPOINT in the zone's template and keep the other attributes.

        ``grpc`` sets ENDPOINT_GRPC, if OpenNebula has gRPC.
        """
        attributes = f'ENDPOINT = "{endpoint}"'
        if grpc and self.speaks_grpc():
            attributes += f'\nENDPOINT_GRPC = "{grpc}"'
        self._write(lambda: self._server.zone.update(0, attributes, 1))

    def rename_zone(self, name: str) -> None:
        """Rename the zone."""
        self._write(lambda: self._server.zone.rename(0, name))

    def touch(self, mark: str) -> None:
        """Write a timestamp or another mark to the template of oneadmin.

        The new record makes a lagging follower catch up.
        """
        with self._server.asking():
            self._server.user.update(0, f'HA_CHECKED = "{mark}"', 1)

    def public_key(self) -> str:
        """Return oneadmin's SSH_PUBLIC_KEY in the database of this server."""
        with self._server.asking():
            return str((self._server.user.info(0).TEMPLATE or {}).get("SSH_PUBLIC_KEY", ""))

    def set_public_key(self, text: str) -> None:
        """Set oneadmin's SSH_PUBLIC_KEY, a text without quotes. Keep the other attributes."""
        self._write(lambda: self._server.user.update(0, f'SSH_PUBLIC_KEY = "{text}"', 1))

    def admit(self, password: str) -> bool:
        """Accept a second password of oneadmin until the password changes.

        The second password is a login token that does not expire. OpenNebula writes it into XML
        without escaping: it must not contain any of UNFIT. Return False if OpenNebula does not
        allow such a token.
        """
        with self._server.asking():
            if self._server.user.info(0).AUTH_DRIVER != "core":
                return False
        self._write(lambda: self._server.user.login(USER, password, -1, -1))
        with self._server.asking():
            tokens = self._server.user.info(0).LOGIN_TOKEN
            if (password, -1) in [(token.TOKEN, int(token.EXPIRATION_TIME)) for token in tokens]:
                return True
        with contextlib.suppress(ApiError):
            self._write(lambda: self._server.user.login(USER, password, 0, -1))
        return False

    def has_password(self, password: str) -> bool:
        """Return whether that is oneadmin's password itself, not a login token.

        Always True with another driver than core, which OpenNebula cannot compare.
        """
        with self._server.asking():
            user = self._server.user.info(0)
            driver, known = str(user.AUTH_DRIVER), str(user.PASSWORD)
        return driver != "core" or known == hashlib.sha256(password.encode()).hexdigest()

    def has_endless_token(self) -> bool:
        """Return whether oneadmin has a login token that does not expire, as ``admit`` creates."""
        with self._server.asking():
            tokens = self._server.user.info(0).LOGIN_TOKEN
        return any(int(token.EXPIRATION_TIME) == -1 for token in tokens)

    def set_password(self, password: str) -> None:
        """Set oneadmin's password; OpenNebula revokes the former one and all login tokens."""
        self._write(lambda: self._server.user.passwd(0, password))

    def version(self) -> str:
        """Return the leader's version. A follower passes this call on, if it knows the leader."""
        with self._server.asking():
            return str(self._server.system.version())
