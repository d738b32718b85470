"""Write the keys of a stack's config as Pulumi's schema of a package declares its config.

Generated SDKs get the types, the meanings and the secrets from it.
"""

import re
import types
import typing
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from settings.model import PROJECT, Settings, base, is_model
from settings.table import SEE_ALSO, meanings

_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_ANY = {"$ref": "pulumi.json#/Any"}


def with_config(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the package with all keys of the config, and their types."""
    found: dict[str, Any] = {}
    variables = {
        key: _property(field, text, found) | _default(field)
        for key, field, text in _fields(Settings)
    }
    required = [key for key, field, _ in _fields(Settings) if _is_required(field)]
    return {
        **schema,
        "config": {"variables": variables, "defaults": required},
        "types": {**schema["types"], **found},
    }


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo, str]]:
    texts = meanings(model)
    return [(key, field, texts[key]) for key, field in model.model_fields.items()]


def _property(field: FieldInfo, text: str, found: dict[str, Any]) -> dict[str, Any]:
    secret = {"secret": True} if base(field.annotation) is SecretStr else {}
    return {
        **_type(field.annotation, found),
        **secret,
        "description": _LINK.sub(r"\1", SEE_ALSO.sub("", text)),
    }


def _type(annotation: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Return a type; add the object types that it needs to ``found``."""
    if _has_several_kinds(annotation):
        return _ANY
    kind = base(annotation)
    arguments = typing.get_args(kind)
    if is_model(kind):
        return {"$ref": f"#/types/{_object(kind, found)}"}
    if typing.get_origin(kind) is list:
        return {"type": "array", "items": _type(arguments[0], found)}
    if typing.get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1], found)}
    if kind is Any:
        return _ANY
    return {"type": {bool: "boolean", int: "integer"}.get(kind, "string")}


def _object(model: type[BaseModel], found: dict[str, Any]) -> str:
    token = f"{PROJECT}:index:{model.__name__}"
    if token not in found:
        found[token] = {
            "type": "object",
            "description": (model.__doc__ or "").replace("``", "`"),
            "properties": {
                key: _property(field, text, found) for key, field, text in _fields(model)
            },
            "required": [key for key, field, _ in _fields(model) if _is_required(field)],
        }
    return token


def _has_several_kinds(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _has_several_kinds(typing.get_args(annotation)[0])
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return is_union and len({*typing.get_args(annotation)} - {type(None)}) > 1


def _is_required(field: FieldInfo) -> bool:
    """Return whether a key must be set; the address of a front-end may come from the program."""
    annotation = field.annotation
    return field.is_required() and type(None) not in typing.get_args(annotation)


def _default(field: FieldInfo) -> dict[str, Any]:
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    return {"default": value} if isinstance(value, bool | int | str) else {}
