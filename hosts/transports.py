"""The SSH transports of one host: connect, log in, jump hosts, further connections."""

import contextlib
import socket
import threading
import time
from dataclasses import replace
from functools import cached_property
from typing import Any

import paramiko

from hosts import failures, host_keys, private_keys, ssh_config
from hosts.errors import HostError
from hosts.models import Host, SshSettings

CONNECT_TIMEOUT = 15.0
"""Seconds for each stage of logging in: the SSH banner, authentication."""

TCP_TIMEOUT = 10.0
"""Seconds for the TCP connection: three of its packets may be lost."""

KEEPALIVE = 15
"""Seconds between two signs of life on an idle connection."""

SILENCE = 45
"""Seconds without an answer to one, after which the connection is lost."""

RETRY_AFTER = 5.0
"""Seconds after which a host that could not be reached is tried again."""


class Transports:
    """The connection to a host, and further ones if sshd limits the sessions of one."""

    def __init__(
        self, host: Host, settings: SshSettings, login: ssh_config.Login | None = None
    ) -> None:
        """``login``: how to log in, instead of the stack's settings and ~/.ssh/config."""
        self._host = host
        self._settings = settings
        self._known_login = login
        self._jump_hosts: list[Transports] = []
        self._clients: list[paramiko.SSHClient] = []
        self._refusal: tuple[float, HostError] | None = None
        self._host_key: paramiko.PKey | None = None
        """The host's key, once it was verified."""
        self._lock = threading.Lock()

    @cached_property
    def login(self) -> ssh_config.Login:
        """How to log in. Raises HostError."""
        return self._known_login or ssh_config.login(self._host, self._settings)

    def first(self) -> paramiko.Transport:
        """Return the transport of the connection; connect if necessary. Raises HostError."""
        with self._lock:
            if not self._clients or not _transport(self._clients[0]).is_active():
                self._clients[:1] = [self._reconnect()]
            return _transport(self._clients[0])

    def open_session(self) -> paramiko.Channel:
        """Open a session; if MaxSessions is reached, on a further connection."""
        self.first()
        with self._lock:
            active = [client for client in self._clients if _transport(client).is_active()]
        for client in active:
            with contextlib.suppress(paramiko.ChannelException):
                return session_of(client)
        client = self.connect()
        with self._lock:
            self._clients.append(client)
        return session_of(client)

    def connect(self) -> paramiko.SSHClient:
        """Open a connection of its own, which the caller closes. Raises HostError."""
        settings, login = self._settings, self.login
        client = paramiko.SSHClient()
        trusted = host_keys.trust(client, self._host, login.port, settings, self._host_key)
        keys = private_keys.find(self._host.name, login, settings)
        try:
            client.connect(
                login.address,
                login.port,
                login.user,
                pkey=keys.first,
                key_filename=[str(file) for file in keys.files],  # type: ignore[arg-type]
                allow_agent=keys.agent,
                look_for_keys=keys.defaults,
                timeout=TCP_TIMEOUT,
                banner_timeout=CONNECT_TIMEOUT,
                auth_timeout=CONNECT_TIMEOUT,
                sock=self._socket(),
                transport_factory=trusted.make_transport,
            )
        except paramiko.AuthenticationException:
            client.close()
            raise failures.login_refused(self._host, login, keys) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            client.close()
            raise HostError(
                self._host.name,
                "connect",
                expected=f"an SSH server at {login.address} port {login.port}",
                seen=failures.reason(error),
                remedy=f"check '{login.proxy_command}', the ProxyCommand in {settings.config_file}"
                if login.proxy_command
                else "check that the host is up and that this machine reaches that port",
            ) from None
        except HostError:
            client.close()
            raise
        transport = _transport(client)
        self._host_key = transport.get_remote_server_key()
        transport.set_keepalive(KEEPALIVE)
        _end_on_silence(transport.sock)
        return client

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            opened: list[paramiko.SSHClient | Transports] = [*self._clients, *self._jump_hosts]
            for connection in opened:
                connection.close()
            self._clients.clear()
            self._jump_hosts.clear()

    def _reconnect(self) -> paramiko.SSHClient:
        """Connect, but not again within RETRY_AFTER seconds after a failure."""
        if self._refusal is not None and time.monotonic() < self._refusal[0]:
            raise self._refusal[1]
        try:
            return self.connect()
        except HostError as error:
            self._refusal = (time.monotonic() + RETRY_AFTER, error)
            raise

    def _socket(self) -> Any:
        """Return the socket of a ProxyCommand or a jump host, if there is one."""
        login = self.login
        if login.proxy_command:
            return paramiko.ProxyCommand(login.proxy_command)
        if not login.hops:
            return None
        *before, last = login.hops
        jump_host = Transports(
            Host(name=last.address, address=last.address),
            self._settings,
            replace(last, hops=tuple(before)),
        )
        self._jump_hosts.append(jump_host)
        try:
            return jump_host.first().open_channel(
                "direct-tcpip",
                (login.address, login.port),
                ("127.0.0.1", 0),
                timeout=CONNECT_TIMEOUT,
            )
        except paramiko.ChannelException as error:
            raise HostError(
                self._host.name,
                "connect",
                expected=f"the bastion {last.address} to reach {login.address} port {login.port}",
                seen=error.text.lower(),
                remedy="check that the host is up and that the bastion reaches that port; its sshd"
                " must allow TCP forwarding",
            ) from None


def session_of(client: paramiko.SSHClient) -> paramiko.Channel:
    """Open a session on a connection."""
    return _transport(client).open_session(timeout=CONNECT_TIMEOUT)


def _transport(client: paramiko.SSHClient) -> paramiko.Transport:
    transport = client.get_transport()
    if transport is None:
        raise OSError("the connection closed at once")
    return transport


def _end_on_silence(sock: object) -> None:
    """Have the kernel end a connection whose other end stops acknowledging data."""
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
