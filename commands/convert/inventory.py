"""What an inventory says, however it was read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST_SECRET = 4
"""Characters: shorter secrets are recognized only where they are the whole value."""


class InventoryError(Exception):
    """A mistake in the inventory, its vault passwords or the command: one message for the user."""


@dataclass(frozen=True)
class Unread:
    """Takes the place of a value that could not be read.

    ``text`` is what the inventory has there; empty for an encrypted value.
    """

    why: str
    text: str = ""


@dataclass(frozen=True)
class Inventory:
    """The hosts of an inventory with all that holds for them, and its groups."""

    hosts: Mapping[str, Mapping[str, Any]]
    """Each host's variables, those of its groups included."""
    groups: Mapping[str, tuple[str, ...]]
    """Each group's hosts, those of its children included; without ``all`` and ``ungrouped``."""
    idle: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Keys of groups and host_vars that concern no host of the inventory."""
    parts: frozenset[str] = frozenset()
    """Names that templates refer to."""
    secrets: frozenset[str] = frozenset()
    """Every text that was encrypted."""
    notes: tuple[str, ...] = ()
    """What was left unread, a sentence each."""
    reader: str = ""
    """What read it."""

    def is_secret(self, value: Any) -> bool:
        """Whether the value was encrypted, or holds something that was."""
        return any(
            text in self.secrets
            or any(len(item) >= LEAST_SECRET and item in text for item in self.secrets)
            for text in texts(value)
        )


def texts(value: Any) -> Iterator[str]:
    """Every scalar in a value, as text, the keys of mappings included."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif value is not None and not isinstance(value, bool | Unread):
        yield str(value)


def unread(value: Any) -> Unread | None:
    """The first part of a value that could not be read."""
    if isinstance(value, Unread):
        return value
    items: list[Any] = []
    if isinstance(value, Mapping):
        items = list(value.values())
    elif isinstance(value, list | tuple):
        items = list(value)
    return next((found for item in items if (found := unread(item))), None)
