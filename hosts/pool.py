"""The connections of this process: one a host, shared by everything that works there."""

import atexit
import threading
from typing import TYPE_CHECKING

from hosts.models import Host, SshSettings

if TYPE_CHECKING:
    from hosts.connection import Connection


class Pool:
    """Open each connection once, when it is first needed."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._connections: dict[Host, Connection] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def connection(self, host: Host) -> "Connection":
        """The connection to that host; it connects at its first use."""
        # A preview and an up without a change open no connection: they need no paramiko.
        from hosts.connection import Connection  # noqa: PLC0415

        with self._lock:
            if host not in self._connections:
                self._connections[host] = Connection(host, self._settings)
            return self._connections[host]

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()
