"""The content of an inventory, independent of its reader."""

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
    """The hosts of an inventory with all variables that apply to them, and its groups."""

    hosts: Mapping[str, Mapping[str, Any]]
    """Each host's variables, those of its groups included."""
    groups: Mapping[str, tuple[str, ...]]
    """Each group's hosts, those of its children included; without ``all`` and ``ungrouped``."""
    idle: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Keys of groups and host_vars that apply to no host of the inventory."""
    parts: frozenset[str] = frozenset()
    """Names that templates refer to."""
    secrets: frozenset[str] = frozenset()
    """Every text that was encrypted."""
    notes: tuple[str, ...] = ()
    """What was not read, one sentence for each."""
    reader: str = ""
    """The reader, in words."""

    def is_secret(self, value: Any) -> bool:
        """Return whether the value was encrypted, or contains something that was."""
        return any(
            text in self.secrets
            or any(len(item) >= LEAST_SECRET and item in text for item in self.secrets)
            for text in texts(value)
        )


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _scalars(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _scalars(item)
    else:
        yield value


def texts(value: Any) -> Iterator[str]:
    """Return every scalar in a value, as text, including the keys of mappings."""
    for item in _scalars(value):
        if item is not None and not isinstance(item, bool | Unread):
            yield str(item)


def unread(value: Any) -> Unread | None:
    """Return the first part of a value that could not be read."""
    return next((item for item in _scalars(value) if isinstance(item, Unread)), None)
