"""The Raft hooks: programs that oned runs when it becomes leader or follower, or stops."""

from collections.abc import Sequence

PACKAGED = "raft/vip.sh"
"""OpenNebula's hook. It moves IPv4 addresses one by one, and reports no failure."""
OURS = "raft/vips.sh"

_FOLDER = "/var/lib/one/remotes/hooks"


def path(command: str) -> str:
    """Return the path of a hook's program, as oned resolves it."""
    return command if command.startswith("/") else f"{_FOLDER}/{command}"


def fit(command: str, addresses: Sequence[str]) -> str:
    """Return that hook, or ours if OpenNebula's own cannot move these addresses."""
    beyond = len(addresses) > 1 or any(":" in address for address in addresses)
    return OURS if command == PACKAGED and beyond else command
