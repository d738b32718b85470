"""The connections of this process: one a host, shared by everything that works there."""

import atexit
import threading
from typing import TYPE_CHECKING

from hosts.models import Host, SshSettings

if TYPE_CHECKING:
    from hosts.session import Session


class Pool:
    """Opens each connection once, when somebody first needs it."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._sessions: dict[Host, Session] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def session(self, host: Host) -> "Session":
        """The session for that host; it connects at its first use."""
        # A preview and an up without a change connect to nobody: they need not wait for paramiko.
        from hosts.session import Session  # noqa: PLC0415

        with self._lock:
            if host not in self._sessions:
                self._sessions[host] = Session(host, self._settings)
            return self._sessions[host]

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
