"""The variables of the front-ends, as what maps them asks for them. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from commands.convert.conversion import Answer, Conversion
from commands.convert.inventory import Inventory, unread
from settings.forms import said

_YES, _NO = ("true", "yes", "on", "1", "y", "t"), ("false", "no", "off", "0", "n", "f")


class Source:
    """An inventory's front-ends, and the stack that is made of them."""

    def __init__(self, inventory: Inventory, names: tuple[str, ...]) -> None:
        self.inventory = inventory
        self.names = names
        self.made = Conversion()
        self.variables: Mapping[str, Mapping[str, Any]] = {
            name: inventory.hosts[name] for name in names
        }
        self.looked_at: set[str] = set()
        """Keys that somebody asked for, and so answers."""

    def has(self, key: str) -> bool:
        """Whether a front-end has the key, with or without a value."""
        return any(key in variables for variables in self.variables.values())

    def of_each(self, *keys: str) -> dict[str, Any]:
        """A key's value on each front-end that has it, under the first of these names."""
        self.looked_at |= set(keys)
        found = {}
        for name, variables in self.variables.items():
            values = [variables[key] for key in keys if variables.get(key) is not None]
            if values:
                found[name] = values[0]
        return found

    def alike(self, key: str, *, secret_too: bool = False) -> Any:
        """A key's value, the same on all front-ends that have it; None: there is none to take."""
        found = self.of_each(key)
        if not found:
            if self.has(key):
                self.made.needless(key, "it has no value there")
            return None
        first, *others = found.values()
        if all(one == first for one in others):
            return first if self.usable(key, first, secret_too=secret_too) else None
        hidden = secret_too or any(
            unread(one) or self.inventory.is_secret(one) for one in found.values()
        )
        seen = ", ".join(
            name if hidden else f"{name}: {short(value)}" for name, value in found.items()
        )
        self.made.ask(
            key, f"differs between front-ends ({seen}), which are alike in a zone; not taken"
        )
        return None

    def usable(self, key: str, value: Any, *, secret_too: bool = False) -> bool:
        """Whether a value can be written; says why not."""
        if lacking := unread(value):
            seen = f" ({lacking.text.strip()})" if lacking.text else ""
            self.made.ask(key, f"not taken: {lacking.why}{seen}; set it by hand")
            return False
        if not secret_too and self.inventory.is_secret(value):
            self.made.ask(
                key,
                "encrypted there, but readable in the stack's config: where it is no secret, set it"
                f" with: pulumi config set {key}",
            )
            return False
        return True

    def expected(self, key: str, what: str, value: Any) -> None:
        """Say that a value is not what it must be."""
        self.made.ask(key, f"expected {what}, saw {short(value)}; not taken")

    def unknown(self, key: str, what: str = "key of one-deploy") -> None:
        """Say that nobody here knows the key."""
        self.made.unknown.append(Answer(key, f"no {what} that this program knows; not taken"))

    @property
    def has_vip(self) -> bool:
        """Whether the zone may have a VIP: one-deploy sets none up for one front-end alone."""
        forced = flag(next(iter(self.of_each("force_ha").values()), None))
        return len(self.names) > 1 or forced is True

    @property
    def is_sqlite(self) -> bool:
        """Whether the stack's data are in SQLite: no zone of high availability has them there."""
        values = self.of_each("db_backend").values()
        wanted = bool(values) and all(str(one).lower() == "sqlite" for one in values)
        return wanted and not self.has_vip


def flag(value: Any) -> bool | None:
    """True or false as Ansible's filter bool reads it; None: neither."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return True if text in _YES else False if text in _NO else None


def short(value: Any) -> str:
    """A value in a message."""
    return said(value) or ("a list" if isinstance(value, list) else "an object")


def unique(values: Iterable[Any]) -> list[Any]:
    """The values, each once."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
