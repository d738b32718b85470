"""The connections of this process: one per host, shared by all operations."""

import atexit
import threading
from typing import TYPE_CHECKING

from hosts.models import Host, SshSettings

if TYPE_CHECKING:
    from hosts.connection import Connection


class Pool:
    """Opens each connection once, at its first use."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._connections: dict[Host, Connection] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def connection(self, host: Host) -> "Connection":
        """Return the connection to a host; it connects at its first use."""
        # A preview, or an up without changes, opens no connection and does not need paramiko.
        from hosts.connection import Connection  # noqa: PLC0415

        with self._lock:
            if host not in self._connections:
                self._connections[host] = Connection(host, self._settings)
            return self._connections[host]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()
