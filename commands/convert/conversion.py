"""The result of a conversion: the stack's config, its secrets, and an answer to every key."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from settings.forms import said


@dataclass(frozen=True)
class Answer:
    """A key of the inventory, and what the conversion does with it."""

    key: str
    text: str


@dataclass(frozen=True)
class Secret:
    """A secret of the stack."""

    path: tuple[str, ...]
    """The stack's key, and the keys within its value."""
    source: str
    """The inventory's key; empty if the inventory does not have it."""
    value: str | None = field(default=None, repr=False)
    """None if it could not be read."""
    remedy: str = ""
    """A command that prints it, if the inventory does not have it."""

    @property
    def key(self) -> str:
        """Return its key in the form for `pulumi config set --path`."""
        first, *parts = self.path
        return first + "".join(
            f".{part}" if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'["{part}"]' for part in parts
        )


@dataclass
class Conversion:
    """The stack that the conversion builds up."""

    config: dict[str, Any] = field(default_factory=dict)
    """Without secrets."""
    secrets: dict[str, Secret] = field(default_factory=dict)
    taken: list[Answer] = field(default_factory=list)
    no_meaning: list[Answer] = field(default_factory=list)
    decisions: list[Answer] = field(default_factory=list)
    unknown: list[Answer] = field(default_factory=list)

    @property
    def answered(self) -> set[str]:
        """Every key that has an answer."""
        lists = (self.taken, self.no_meaning, self.decisions, self.unknown)
        return {answer.key for answers in lists for answer in answers}

    def take(
        self, key: str, value: Any, note: str = "", *, source: str = "", front_end: str = ""
    ) -> None:
        """Set a value in the config, or of one of its front-ends, and report it.

        ``key``: with dots between its parts. ``source``: the inventory's key, if another.
        """
        place = self.config
        *above, last = key.split(".")
        # The name of a front-end may have dots.
        for part in [*(("frontends", front_end) if front_end else ()), *above]:
            place = place.setdefault(part, {})
        place[last] = value
        shown = f"frontends.{front_end}.{key}" if front_end else key
        text = f"{shown}: {shown_value(value)}{note and f'; {note}'}"
        self.taken.append(Answer(source or key, text))

    def take_usual(
        self, key: str, values: Mapping[str, Any], names: Mapping[str, str], *, source: str = ""
    ) -> None:
        """Take the most frequent value for the zone, and the other ones for their hosts.

        ``values``: by host. ``names``: each host's name in the stack.
        """
        ((usual, _),) = Counter(values.values()).most_common(1)
        self.take(key, usual, source=source)
        for host, value in values.items():
            if value != usual:
                place = f"{source or key} of {host}"
                self.take(key, value, source=place, front_end=names[host])

    def hide(self, secret: Secret, note: str = "") -> None:
        """Add a secret, which a command of the report sets."""
        self.secrets[secret.key] = secret
        if secret.source:
            text = f"{secret.key}: a secret, set by a command below{note and f'; {note}'}"
            self.taken.append(Answer(secret.source, text))

    def needless(self, source: str, why: str) -> None:
        """Report why a key has no meaning for the stack."""
        self.no_meaning.append(Answer(source, why))

    def ask(self, source: str, what: str) -> None:
        """Leave a decision to the user."""
        self.decisions.append(Answer(source, what))


def shown_value(value: Any) -> str:
    """Return a value of the config in one short line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown_value(item) for item in value) + "]"
    return said(value)
