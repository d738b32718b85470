"""Access to the variables of the front-ends. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from commands.convert.conversion import Answer, Conversion
from commands.convert.inventory import Inventory, texts, unread
from settings.forms import said

_CREDENTIALS = re.compile(r"[A-Za-z]://[^/\s]*@|\bpass(?:word)?2?=.|\bsshpass\b")
"""Passwords in a URL, among the options of a mount, or in a command."""
_YES, _NO = ("true", "yes", "on", "1", "y", "t"), ("false", "no", "off", "0", "n", "f")


class Source:
    """The variables of an inventory's front-ends, and the stack that is made from them."""

    def __init__(self, inventory: Inventory, names: tuple[str, ...]) -> None:
        self.inventory = inventory
        self.names = names
        self.made = Conversion()
        self.variables: Mapping[str, Mapping[str, Any]] = {
            name: inventory.hosts[name] for name in names
        }
        self.looked_at: set[str] = set()
        """Keys that were read, and are answered elsewhere."""

    def has(self, key: str) -> bool:
        """Return whether a front-end has the key, with or without a value."""
        return any(key in variables for variables in self.variables.values())

    def of_each(self, *keys: str) -> dict[str, Any]:
        """Return a key's value on each front-end that has it, under the first of these names."""
        self.looked_at |= set(keys)
        found = {}
        for name, variables in self.variables.items():
            values = [variables[key] for key in keys if variables.get(key) is not None]
            if values:
                found[name] = values[0]
        return found

    def alike(self, key: str, *, secret_too: bool = False) -> Any:
        """Return a key's value if it is usable, and equal on all front-ends that have it."""
        found = self.of_each(key)
        if not found:
            if self.has(key):
                self.made.needless(key, "it has no value")
            return None
        first, *others = found.values()
        if all(item == first for item in others):
            return first if self.usable(key, first, secret_too=secret_too) else None
        seen = ", ".join(found) if secret_too else self.seen(found)
        self.made.ask(
            key,
            f"differs between front-ends ({seen}), but is one value for the zone: not converted",
        )
        return None

    def seen(self, found: Mapping[str, Any]) -> str:
        """Return each host with its value, or the hosts alone if a value must not be shown."""
        if any(unread(value) or self.inventory.is_secret(value) for value in found.values()):
            return ", ".join(found)
        return ", ".join(f"{name}: {short(value)}" for name, value in found.items())

    def usable(self, key: str, value: Any, *, secret_too: bool = False) -> bool:
        """Return whether a value can be written; if not, report why."""
        if lacking := unread(value):
            seen = f" ({lacking.text.strip()})" if lacking.text else ""
            self.made.ask(key, f"not converted: {lacking.why}{seen}. Set it yourself")
            return False
        if secret_too:
            return True
        if self.inventory.is_secret(value):
            self.made.ask(
                key,
                "not converted: encrypted in the inventory, but not a secret in the stack. Set it"
                f" yourself if others may read it: pulumi config set {key}",
            )
            return False
        if any(_CREDENTIALS.search(text) for text in texts(value)):
            self.made.ask(
                key, "not converted: it has a password, which the stack's file would show"
            )
            return False
        return True

    def expected(self, key: str, what: str, value: Any) -> None:
        """Report a value of the wrong type."""
        self.made.ask(key, f"not converted: expected {what}, saw {short(value)}")

    def unknown(self, key: str, what: str = "key of one-deploy") -> None:
        """Report a key that this program does not know."""
        self.made.unknown.append(
            Answer(key, f"not converted: not a {what} that this program knows")
        )

    @property
    def has_vip(self) -> bool:
        """Return whether the zone may have a VIP: a single front-end has none in one-deploy."""
        forced = flag(next(iter(self.of_each("force_ha").values()), None))
        return len(self.names) > 1 or forced is True

    @property
    def is_sqlite(self) -> bool:
        """Return whether the stack's data is in SQLite, which is impossible for an HA zone."""
        values = self.of_each("db_backend").values()
        wanted = bool(values) and all(str(item).lower() == "sqlite" for item in values)
        return wanted and not self.has_vip


def flag(value: Any) -> bool | None:
    """Return a value as Ansible's filter bool reads it; None if it is neither true nor false."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return True if text in _YES else False if text in _NO else None


def short(value: Any) -> str:
    """Return a value in the form for messages."""
    return said(value) or ("a list" if isinstance(value, list) else "an object")


def unique(values: Iterable[Any]) -> list[Any]:
    """Return each value once."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
