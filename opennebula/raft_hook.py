"""What a server runs when it begins to lead, and when it follows or stops."""

from collections.abc import Sequence

PACKAGED = "raft/vip.sh"
"""OpenNebula's own. It moves IPv4 addresses, one after the other, and reports no failure."""
OURS = "raft/vips.sh"

_FOLDER = "/var/lib/one/remotes/hooks"


def path(command: str) -> str:
    """Where a hook's program is, as oned looks for it."""
    return command if command.startswith("/") else f"{_FOLDER}/{command}"


def fit(command: str, addresses: Sequence[str]) -> str:
    """That hook, or ours where OpenNebula's own is asked for what it cannot do."""
    beyond = len(addresses) > 1 or any(":" in address for address in addresses)
    return OURS if command == PACKAGED and beyond else command
