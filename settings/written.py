"""Find values in the stack's file that YAML reads as something else.

A version 7.10 without quotes is a number, which Pulumi passes as 7.1. The text in the file is
compared with the passed value, so that nothing is refused that reads the same.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml

from settings.faults import SECRET_PARTS, is_structure, kind_in, of
from settings.model import PROJECT, SECRETS, Settings

_PLAIN = (None, "")
_NULLS = ("", "~", "null", "Null", "NULL")


def text_of_stack() -> str:
    """Return the text of the running stack's file; empty if it is somewhere else.

    Pulumi runs the program in its project's folder, and its stackConfigDir is stacks.
    """
    path = Path("stacks", f"Pulumi.{pulumi.get_stack()}.yaml")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def faults(text: str, passed: Mapping[str, str]) -> dict[str, str]:
    """Return place to fault, of the values that differ between the file and Pulumi.

    ``passed``: the stack's own keys as Pulumi passes them.
    """
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        # Pulumi, which has read it, knows better.
        return {}
    found: dict[str, str] = {}
    for name, node in _entries(dict(_entries(root)).get("config")):
        key = name.removeprefix(f"{PROJECT}:")
        if key not in passed or key not in Settings.model_fields or key in SECRETS:
            continue
        kind, value = kind_in(Settings, key), passed[key]
        if isinstance(node, yaml.ScalarNode):
            if node.style in _PLAIN and node.value in _NULLS and value == "null":
                found[key] = of(key, "has no value; set one, or remove the line")
            elif _reads_as(node, value):
                found[key] = of(key, _remedy(node.value, value, kind, f"{PROJECT}:{key}: "))
        elif is_structure(kind):
            with contextlib.suppress(json.JSONDecodeError):
                found |= _inside(key, kind, node, json.loads(value))
    return found


def _inside(path: str, kind: Any, node: yaml.Node, value: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    pairs: list[tuple[Any, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode) and isinstance(value, dict):
        pairs = [(key.value, inner) for key, inner in node.value if isinstance(key.value, str)]
        for key, _ in node.value:
            # What a key of the file is called here, where it was a number there.
            arrived = next((item for item in value if _reads_as(key, item)), None)
            if arrived is not None and key.value not in value:
                found[path] = of(path, _remedy(key.value, arrived, str))
    elif isinstance(node, yaml.SequenceNode) and isinstance(value, list):
        pairs = list(enumerate(node.value[: len(value)]))
    elif not isinstance(value, str) and _reads_as(node, seen := json.dumps(value)):
        found[path] = of(path, _remedy(node.value, seen, kind))
    for part, inner in pairs:
        if part not in SECRET_PARTS and (isinstance(part, int) or part in value):
            found |= _inside(f"{path}.{part}", kind_in(kind, part), inner, value[part])
    return found


def _remedy(raw: str, seen: str, kind: Any, line: str = "") -> str:
    """Return the fault with what to write: a number, a text in quotes, or either.

    ``line``: what precedes the value on the line of a key of the stack.
    """
    if kind is int:
        write = seen
    elif kind is str or line:
        write = f'{line}"{raw}"'
    else:
        write = f'{seen}, or "{raw}" if it is text'
    return f"{raw} without quotes reads as {seen}; write {write}"


def _reads_as(node: yaml.Node, seen: str) -> bool:
    """Tell whether that plain text was read as ``seen``, another form of the number or date."""
    raw = node.value
    if not isinstance(node, yaml.ScalarNode) or node.style not in _PLAIN or raw == seen:
        return False
    return bool(_numbers(raw) & _numbers(seen)) or seen.startswith(f"{raw} 00:00:00")


def _numbers(text: str) -> set[float]:
    """Return the numbers that the dialects of YAML may read in a text."""
    found = set()
    for reads in (float, lambda text: int(text, 0), lambda text: int(text, 8)):
        try:
            found.add(float(reads(text)))
        except (ValueError, OverflowError):
            continue
    return found


def _entries(node: Any) -> list[tuple[str, yaml.Node]]:
    """Return the entries of a mapping; of any other node an empty list."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), value) for key, value in node.value]
