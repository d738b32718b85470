"""Word the faults of values: the key, what is expected, and what was given instead."""

import typing
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from opennebula.ldap_auth import PASSWORD
from settings.forms import WORDS, said
from settings.model import PROJECT, Settings, base, is_model, kind

SECRET_PARTS = ("private_key", "sudo_password", PASSWORD)
"""Keys of objects whose values are never shown."""

EXPECTED = {
    "string_type": "text",
    "path_type": "the path of a file",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "literal_error": "{expected}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} entry",
    "ip_v4_address": "an IPv4 address, such as 10.2.50.10",
    "ip_any_address": "an IPv4 or IPv6 address, such as 10.2.50.86",
}
"""What is expected, by the type of pydantic's error."""
_KINDS = {
    "list": "a list",
    "object": "an object",
    "boolean": "true or false",
    "number": "a whole number",
}
_STRUCTURES = ("model_type", "dict_type", "list_type")


def of(key: str, text: str) -> str:
    """Return the text of a fault of that key; what no screen shows is written out."""
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}"
        for character in f"{PROJECT}:{key}: {text}"
    )


def place_of(key: str, error: Mapping[str, Any]) -> str:
    """Return where pydantic saw an error: the key, and the path from there to the value."""
    return ".".join([key, *(str(part) for part in error["loc"] if part != "[key]")])


def of_value(key: str, error: Mapping[str, Any], *, secret: bool) -> str:
    """Return the fault that pydantic saw, without the value if it is ``secret``."""
    path = place_of(key, error)
    problem, ctx = error["type"], error.get("ctx", {})
    if problem == "extra_forbidden":
        name = str(error["loc"][-1])
        known = _names_at([key, *error["loc"][:-1]])
        return of(path, f"not a key of this project{_alike(name, known)}")
    if problem == "missing":
        return of(path, "missing")
    if problem == "value_error":
        return of(path, str(error["msg"]).removeprefix("Value error, "))
    if problem == "string_pattern_mismatch":
        expected = WORDS[ctx["pattern"]]
    elif problem in EXPECTED:
        expected = EXPECTED[problem].format(**ctx)
    else:
        return of(path, str(error["msg"]))
    value = error["input"]
    if problem == "string_type" and isinstance(value, int | float):
        expected += " in quotes"
    if problem in _STRUCTURES and isinstance(value, str) and value.startswith(("{", "[")):
        # As pulumi config set --path writes it.
        expected += " without quotes"
    hidden = secret or any(part in SECRET_PARTS for part in error["loc"])
    seen = "" if hidden else said(value)
    return of(path, f"expected {expected}{seen and f', saw {seen}'}")


def of_kind(key: str, value: str, annotation: Any, *, secret: bool) -> str:
    """Return the fault of a text that is not of the key's type.

    It does not show the value if it is ``secret``, or an object that cannot be parsed, since that
    may contain a secret.
    """
    seen = "" if secret or is_structure(annotation) else said(value)
    expected = _KINDS.get(kind(annotation), "text")
    return of(key, f"expected {expected}{seen and f', saw {seen}'}")


def of_unknown(full: str) -> str | None:
    """Return the fault of an unknown key that was meant to be one of ours, or None."""
    namespace, _, key = full.rpartition(":")
    if namespace == PROJECT and key not in Settings.model_fields:
        return of(key, f"not a key of this project{_alike(key, Settings.model_fields)}")
    if namespace != PROJECT and key in Settings.model_fields and _close(namespace, [PROJECT]):
        return of(key, f"missing, but the config has {full}: write {PROJECT}:{key}")
    return None


def repeated(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return each name that is listed more than once, and how often."""
    return [(name, times) for name, times in Counter(names).items() if times > 1]


def is_structure(annotation: Any) -> bool:
    """Tell whether the values of this type are objects or lists."""
    return kind(annotation) in ("object", "list")


def kind_in(whole: Any, part: Any) -> Any:
    """Return the type of that part of an object or list type; None if any type is allowed."""
    if is_model(whole):
        field = whole.model_fields.get(part)
        return base(field.annotation) if field else None
    return base(typing.get_args(whole)[-1]) if is_structure(whole) else None


def _names_at(path: Iterable[Any]) -> Iterable[str]:
    """Return the keys of the object at that place of the config."""
    found: Any = Settings
    for part in path:
        found = kind_in(found, part)
    return found.model_fields if is_model(found) else ()


def _alike(key: str, names: Iterable[str]) -> str:
    close = _close(key, names)
    return f"; did you mean {close[0]}?" if close else ""


def _close(key: str, names: Iterable[str]) -> list[str]:
    import difflib  # noqa: PLC0415 - only where something is wrong

    return difflib.get_close_matches(key.lower(), list(names), n=1)
