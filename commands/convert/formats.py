"""The formats of inventories: Ansible's YAML, and the lines of its INI. Pure."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from commands.convert.inventory import InventoryError

_MOST = 4096
"""Hosts in one range: more are a typing error."""


class Sealed(str):
    """A value that ansible-vault encrypted."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """A loader for Ansible's YAML."""


for _tag in ("!vault", "!vault-encrypted"):
    _Loader.add_constructor(_tag, lambda _, node: Sealed(node.value))
_Loader.add_constructor("!unsafe", lambda _, node: node.value)


def load(text: str, path: Path) -> Any:
    """Read YAML. Raises InventoryError with the line; ``path`` is named in it."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}" if mark else ""
        raise InventoryError(
            f"{path}{where}: not valid YAML: {error.problem or error.context}"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise InventoryError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None


def looks_like_ini(text: str) -> bool:
    """Tell INI from YAML by the first line that is not a comment."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return bool(re.match(r"\[|[^\s:{]+(\s+[A-Za-z_]\w*=|$)", first)) and first != "---"


def literal(text: str) -> Any:
    """Read a value of an INI file: a literal of Python, or else text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float | str | list | dict) else text


def host_range(name: str, path: Path) -> Iterator[str]:
    """Expand a name to its hosts: n[1:3] and n[a:c] are three each. Raises InventoryError."""
    found = re.search(r"\[([A-Za-z0-9]*):([A-Za-z0-9]+)(?::([0-9]+))?\]", name)
    if not found:
        yield name
        return
    begin, end, step = found[1] or "0", found[2], int(found[3] or 1)
    names: list[str] = []
    if begin.isdigit() and end.isdigit() and step:
        if int(end) - int(begin) <= _MOST:
            width = len(begin) if begin.startswith("0") else 0
            names = [f"{item:0{width}d}" for item in range(int(begin), int(end) + 1, step)]
    elif len(begin) == len(end) == 1 and step:
        letters = string.ascii_letters
        if begin in letters and end in letters:
            names = list(letters[letters.index(begin) : letters.index(end) + 1 : step])
    if not names:
        raise InventoryError(f"{path}: host {name}: expected a range such as n[1:3]")
    for item in names:
        yield from host_range(f"{name[: found.start()]}{item}{name[found.end() :]}", path)
