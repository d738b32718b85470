"""Values of an inventory: decrypted, and with the names in templates replaced. Pure."""

import datetime
import re
from collections.abc import Sequence
from typing import Any

from commands.convert import vault
from commands.convert.formats import Sealed
from commands.convert.groups import Vars
from commands.convert.inventory import Unread

SEALED = "encrypted, and no vault password was given (VAULT=FILE)"
TEMPLATE = "a template that needs Ansible"
_DEEPEST = 20
"""Nesting of templates."""


class Values:
    """Replaces templates, and records what was encrypted or referred to."""

    def __init__(self, passwords: Sequence[str]) -> None:
        self.passwords = passwords
        self.secrets: set[str] = set()
        self.parts: set[str] = set()

    def filled(self, value: Any, variables: Vars, key: str, depth: int = 0) -> Any:
        """Return the value, with Unread in place of each part that cannot be read."""
        if isinstance(value, Sealed):
            return self._unsealed(value, key)
        if isinstance(value, dict):
            return {str(k): self.filled(v, variables, key, depth) for k, v in value.items()}
        if isinstance(value, list):
            return [self.filled(item, variables, key, depth) for item in value]
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            for inside in re.findall(r"\{[{%](.*?)[}%]\}", value, re.DOTALL):
                self.parts |= set(re.findall(r"[A-Za-z_]\w*", inside))
            return self._template(value, variables, key, depth)
        return value.isoformat() if isinstance(value, datetime.date) else value

    def _unsealed(self, value: Sealed, key: str) -> Any:
        if not self.passwords:
            return Unread(SEALED)
        text = vault.opened(value, self.passwords, key)
        self.secrets |= {text, text.rstrip("\n")}
        return text

    def _template(self, text: str, variables: Vars, key: str, depth: int) -> Any:
        if depth > _DEEPEST:
            return Unread("a template that refers to itself", text)
        pieces = re.split(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}", text)
        values: list[Any] = []
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                values.append(piece)
                continue
            if piece not in variables:
                return Unread(f"a template with {piece}, which the inventory does not set", text)
            values.append(self.filled(variables[piece], variables, key, depth + 1))
        if any("{{" in piece or "{%" in piece for piece in pieces[::2]):
            return Unread(TEMPLATE, text)
        if bad := next((item for item in values if isinstance(item, Unread)), None):
            return Unread(bad.why, text)
        if len(values) == 3 and not values[0] and not values[2]:
            return values[1]
        return "".join(str(item) for item in values)
