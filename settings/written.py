"""What the stack's file says, where YAML makes something else of it.

A version 7.10 without quotes is a number, and Pulumi hands it over as 7.1. What stands in the file
is compared with what has arrived, so that nothing is refused that reads the same.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml

from settings.faults import SECRET_PARTS, is_structure, of
from settings.model import PROJECT, SECRETS, Settings, base

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


def faults(text: str, given: Mapping[str, str]) -> dict[str, list[str]]:
    """Key to its faults, of those where the file and what was given differ.

    ``given``: the stack's own keys as Pulumi hands them over.
    """
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        # Pulumi, which has read it, knows better.
        return {}
    found = {}
    for name, node in _entries(dict(_entries(root)).get("config")):
        key = name.removeprefix(f"{PROJECT}:")
        field = Settings.model_fields.get(key)
        if field is None or key not in given or key in SECRETS:
            continue
        value: Any = given[key]
        if is_structure(field.annotation):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                continue
        if listed := list(_faults(key, node, value)):
            found[key] = listed
    return found


def _faults(place: str, node: yaml.Node, value: Any) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode) and isinstance(value, dict):
        for key, inner in node.value:
            # What a key of the file is called here, where it was a number there.
            name = str(key.value)
            arrived = [one for one in value if _reads_as(key, one)]
            if arrived and name not in value:
                yield of(place, _in_quotes(name, arrived[0]))
            elif name in value and name not in SECRET_PARTS:
                yield from _faults(f"{place}.{name}", inner, value[name])
    elif isinstance(node, yaml.SequenceNode) and isinstance(value, list):
        for index, (inner, one) in enumerate(zip(node.value, value, strict=False)):
            yield from _faults(f"{place}.{index}", inner, one)
    elif isinstance(node, yaml.ScalarNode) and node.style in _PLAIN:
        yield from _scalar_faults(place, node, value)


def _scalar_faults(place: str, node: yaml.ScalarNode, value: Any) -> Iterator[str]:
    seen = value if isinstance(value, str) else json.dumps(value)
    if "." not in place and node.value in _NULLS and seen == "null":
        yield of(place, "has no value; give it one, or take the line out")
    elif _reads_as(node, seen):
        whole = f'{PROJECT}:{place}: "{node.value}"'
        is_text = place in Settings.model_fields and base(_annotation(place)) is not int
        yield of(place, _in_quotes(node.value, seen, whole if is_text else ""))


def _in_quotes(raw: str, seen: str, line: str = "") -> str:
    said = f"{raw} without quotes reads as {seen}; "
    return said + (f"write {line}" if line else f'write {seen}, or "{raw}" where it is text')


def _annotation(key: str) -> Any:
    return Settings.model_fields[key].annotation


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
