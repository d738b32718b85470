"""The stack's config as the engine hands it to this process.

It is as it is now in ``up``, also for deletes, and as it was at the last ``up`` in ``refresh`` and
``destroy``.
"""

import threading

from pulumi.dynamic import Config

_lock = threading.Lock()
_config: Config | None = None


def take(config: Config) -> None:
    """Keep it; all providers of a process share the first one."""
    global _config  # noqa: PLW0603 - one per process, as the SDK's provider host is
    with _lock:
        _config = _config or config


def observes() -> bool:
    """Return whether the stack only observes the zone that it adopts."""
    return _config is not None and _config.get("opennebula-ha:adopt") == "observe"


def config() -> Config:
    """What was given."""
    if _config is None:
        raise RuntimeError("the provider was not configured")
    return _config
