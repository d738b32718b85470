"""What the stack's file says, where YAML makes something else of it.

A version 7.10 without quotes is a number, and Pulumi hands it over as 7.1. What stands in the file
is compared with what has arrived, so that nothing is refused that reads the same.
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
    """The file of the stack that runs; empty where it is somewhere else.

    Pulumi runs the program in its project's folder, and its stackConfigDir is stacks.
    """
    path = Path("stacks", f"Pulumi.{pulumi.get_stack()}.yaml")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def faults(text: str, given: Mapping[str, str]) -> dict[str, str]:
    """Place to its fault, of those where the file and what was given differ.

    ``given``: the stack's own keys as Pulumi hands them over.
    """
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        # Pulumi, which has read it, knows better.
        return {}
    found: dict[str, str] = {}
    for name, node in _entries(dict(_entries(root)).get("config")):
        key = name.removeprefix(f"{PROJECT}:")
        if key not in given or key not in Settings.model_fields or key in SECRETS:
            continue
        kind, value = kind_in(Settings, key), given[key]
        if isinstance(node, yaml.ScalarNode):
            if node.style in _PLAIN and node.value in _NULLS and value == "null":
                found[key] = of(key, "has no value; set one, or remove the line")
            elif _reads_as(node, value):
                found[key] = of(key, _remedy(node.value, value, kind, f"{PROJECT}:{key}: "))
        elif is_structure(kind):
            with contextlib.suppress(json.JSONDecodeError):
                found |= _inside(key, kind, node, json.loads(value))
    return found


def _inside(place: str, kind: Any, node: yaml.Node, value: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    pairs: list[tuple[Any, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode) and isinstance(value, dict):
        pairs = [(key.value, inner) for key, inner in node.value if isinstance(key.value, str)]
        for key, _ in node.value:
            # What a key of the file is called here, where it was a number there.
            arrived = next((one for one in value if _reads_as(key, one)), None)
            if arrived is not None and key.value not in value:
                found[place] = of(place, _remedy(key.value, arrived, str))
    elif isinstance(node, yaml.SequenceNode) and isinstance(value, list):
        pairs = list(enumerate(node.value[: len(value)]))
    elif not isinstance(value, str) and _reads_as(node, seen := json.dumps(value)):
        found[place] = of(place, _remedy(node.value, seen, kind))
    for part, inner in pairs:
        if part not in SECRET_PARTS and (isinstance(part, int) or part in value):
            found |= _inside(f"{place}.{part}", kind_in(kind, part), inner, value[part])
    return found


def _remedy(raw: str, seen: str, kind: Any, line: str = "") -> str:
    """The number for a number, quotes for a text, and either where both may be.

    ``line``: what comes first on the line of a key of the stack.
    """
    if kind is int:
        write = seen
    elif kind is str or line:
        write = f'{line}"{raw}"'
    else:
        write = f'{seen}, or "{raw}" if it is text'
    return f"{raw} without quotes reads as {seen}; write {write}"


def _reads_as(node: yaml.Node, seen: str) -> bool:
    """Whether that plain text has become ``seen``: another spelling of the number or date."""
    raw = node.value
    if not isinstance(node, yaml.ScalarNode) or node.style not in _PLAIN or raw == seen:
        return False
    return bool(_numbers(raw) & _numbers(seen)) or seen.startswith(f"{raw} 00:00:00")


def _numbers(text: str) -> set[float]:
    """What YAML's dialects may read in it."""
    found = set()
    for reads in (float, lambda text: int(text, 0), lambda text: int(text, 8)):
        try:
            found.add(float(reads(text)))
        except (ValueError, OverflowError):
            continue
    return found


def _entries(node: Any) -> list[tuple[str, yaml.Node]]:
    """Of a mapping; of anything else none."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), value) for key, value in node.value]
