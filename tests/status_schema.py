"""Check JSON against docs/status.schema.json alone, without the models that write it."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from commands.status import pages

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
ANNOTATIONS = {"$defs", "default", "description", "required", "title"}
"""Keywords that allow anything by themselves; ``required`` is read with ``properties``."""


def faults(text: str) -> list[str]:
    """Return how a JSON text differs from the published schema."""
    schema = json.loads(pages.SCHEMA.read_text(encoding="utf-8"))
    return list(_faults(json.loads(text), schema, schema, "$"))


def _faults(value: Any, schema: Mapping[str, Any], root: Any, at: str) -> Iterator[str]:
    """Yield the faults of a value. A keyword that is not known here is an error of the check."""
    for keyword, wanted in schema.items():
        if keyword not in ANNOTATIONS:
            yield from _KEYWORDS[keyword](value, wanted, schema, root, at)


def _type(value: Any, wanted: str, _schema: Any, _root: Any, at: str) -> Iterator[str]:
    is_bool = isinstance(value, bool) and wanted != "boolean"
    if is_bool or not isinstance(value, TYPES[wanted]):
        yield f"{at}: expected {wanted}, saw {value!r}"


def _properties(value: Any, wanted: Any, schema: Any, root: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    yield from (f"{at}.{name}: missing" for name in schema.get("required", ()) if name not in value)
    for name, part in wanted.items():
        if name in value:
            yield from _faults(value[name], part, root, f"{at}.{name}")


def _additional(value: Any, wanted: Any, schema: Any, _root: Any, at: str) -> Iterator[str]:
    assert wanted is False
    if isinstance(value, dict):
        yield from (f"{at}.{name}: unknown" for name in value.keys() - schema["properties"].keys())


def _items(value: Any, wanted: Any, _schema: Any, root: Any, at: str) -> Iterator[str]:
    for number, item in enumerate(value if isinstance(value, list) else ()):
        yield from _faults(item, wanted, root, f"{at}[{number}]")


def _any_of(value: Any, wanted: Any, _schema: Any, root: Any, at: str) -> Iterator[str]:
    found = [list(_faults(value, part, root, at)) for part in wanted]
    if all(found):
        yield from min(found, key=len)


def _ref(value: Any, wanted: str, _schema: Any, root: Any, at: str) -> Iterator[str]:
    yield from _faults(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, at)


def _enum(value: Any, wanted: Any, _schema: Any, _root: Any, at: str) -> Iterator[str]:
    if value not in wanted:
        yield f"{at}: expected one of {wanted}, saw {value!r}"


def _const(value: Any, wanted: Any, _schema: Any, _root: Any, at: str) -> Iterator[str]:
    if value != wanted:
        yield f"{at}: expected {wanted!r}, saw {value!r}"


def _format(value: Any, wanted: str, _schema: Any, _root: Any, at: str) -> Iterator[str]:
    assert wanted == "date-time"
    try:
        is_time = not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        is_time = False
    if not is_time:
        yield f"{at}: expected a time with its zone, saw {value!r}"


_KEYWORDS: Mapping[str, Callable[[Any, Any, Any, Any, str], Iterator[str]]] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
    "$ref": _ref,
    "enum": _enum,
    "const": _const,
    "format": _format,
}
