"""Property values, and their forms on the wire and in the state.

A value is None, a bool, a float, a str, a list, a dict, ``UNKNOWN`` or a ``Secret``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, struct_pb2

from lab.engine.errors import refuse
from lab.engine.secrets import Crypter

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_ON_WIRE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One for each type that an unknown value may have; the stand-in does not tell them apart.
UNKNOWNS_ON_WIRE = {
    UNKNOWN_ON_WIRE,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}


class _Unknown:
    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that is encrypted at rest and never shown."""

    value: Any

    def __repr__(self) -> str:
        return "[secret]"


Properties = dict[str, Any]


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Return the properties of a message."""
    return {key: _from_wire(value) for key, value in json_format.MessageToDict(struct).items()}


def _from_wire(value: Any) -> Any:
    if isinstance(value, str) and value in UNKNOWNS_ON_WIRE:
        return UNKNOWN
    if isinstance(value, list):
        return [_from_wire(item) for item in value]
    if not isinstance(value, dict):
        return value
    signature = value.get(SIGNATURE)
    if signature is None:
        return {key: _from_wire(item) for key, item in value.items()}
    if signature == SECRET_SIGNATURE:
        return Secret(_from_wire(value["value"]))
    if signature == OUTPUT_SIGNATURE:
        inner = _from_wire(value["value"]) if "value" in value else UNKNOWN
        return Secret(inner) if value.get("secret") else inner
    raise refuse("assets, archives and resource references as values")


def to_struct(properties: Mapping[str, Any], *, keep_secrets: bool) -> struct_pb2.Struct:
    """Return the message for properties."""
    struct = struct_pb2.Struct()
    struct.update({key: _to_wire(value, keep_secrets) for key, value in properties.items()})
    return struct


def _to_wire(value: Any, keep_secrets: bool) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_ON_WIRE
    if isinstance(value, Secret):
        inner = _to_wire(value.value, keep_secrets)
        return {SIGNATURE: SECRET_SIGNATURE, "value": inner} if keep_secrets else inner
    if isinstance(value, list):
        return [_to_wire(item, keep_secrets) for item in value]
    if isinstance(value, dict):
        return {key: _to_wire(item, keep_secrets) for key, item in value.items()}
    return value


def to_state(value: Any, crypter: Crypter) -> Any:
    """Return the form that a value has in the state file."""
    if isinstance(value, Secret):
        plaintext = json.dumps(_plain_json(value.value), separators=(",", ":"), sort_keys=True)
        return {SIGNATURE: SECRET_SIGNATURE, "ciphertext": crypter.encrypt(plaintext)}
    if isinstance(value, list):
        return [to_state(item, crypter) for item in value]
    if isinstance(value, dict):
        return {key: to_state(item, crypter) for key, item in value.items()}
    return _plain_json(value)


def _plain_json(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, list):
        return [_plain_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_json(item) for key, item in value.items()}
    return UNKNOWN_ON_WIRE if value is UNKNOWN else value


def from_state(value: Any, crypter: Crypter) -> Any:
    """Return the value that the state file holds."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, list):
        return [from_state(item, crypter) for item in value]
    if not isinstance(value, dict):
        return value
    signature = value.get(SIGNATURE)
    if signature is None:
        return {key: from_state(item, crypter) for key, item in value.items()}
    if signature != SECRET_SIGNATURE:
        raise refuse(f"the kind of value that the state marks with {signature}")
    text = value.get("plaintext") or crypter.decrypt(value["ciphertext"])
    return Secret(from_state(json.loads(text), crypter))


def plain(value: Any) -> Any:
    """Return a value without its secret marks."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def masked(value: Any) -> Any:
    """Return a value fit for showing: secrets and unknowns by name only."""
    if isinstance(value, Secret):
        return "[secret]"
    if value is UNKNOWN:
        return "output<unknown>"
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return _plain_json(value)


def shown(value: Any) -> Any:
    """Return a value with its secrets shown, numbers as people write them."""
    return _plain_json(value)


def contains_secret(value: Any) -> bool:
    """Tell whether a secret is anywhere in a value."""
    if isinstance(value, list):
        return any(contains_secret(item) for item in value)
    if isinstance(value, dict):
        return any(contains_secret(item) for item in value.values())
    return isinstance(value, Secret)


def contains_unknown(value: Any) -> bool:
    """Tell whether an unknown is anywhere in a value."""
    if isinstance(value, Secret):
        return contains_unknown(value.value)
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    return value is UNKNOWN


def annotate(outputs: Properties, inputs: Mapping[str, Any]) -> None:
    """Mark as secret again what a provider returned under the key of a secret.

    The dynamic provider host gets and answers plaintext; the CLI does the same to it.
    """
    for key, given in inputs.items():
        if key not in outputs:
            continue
        answered = outputs[key]
        if isinstance(answered, dict) and isinstance(given, dict):
            annotate(answered, given)
        elif not isinstance(answered, Secret) and contains_secret(given):
            outputs[key] = Secret(answered)
