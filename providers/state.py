"""The properties of resources as the engine has them, also in states of earlier versions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi
from pulumi.output import Unknown
from pulumi.runtime import rpc

from hosts.errors import HostError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hosts.models import Host

ZONE = "opennebula-ha:zone:HighAvailableZone"
FRONT_END = "opennebula-ha:zone:FrontEnd"
FORMER_NAMES = {"front_ends": "frontends"}
"""Inputs that states of earlier versions have by another name."""


class Inputs:
    """How the fields of a spec are the inputs of a resource."""

    spec_type: ClassVar[str]
    """Name of the class in procedures.specs whose fields are inputs of the resource."""
    labels: ClassVar[Mapping[str, str]] = {}
    """Field of the spec to the name of its input, which is the name of the config key."""
    spread: ClassVar[frozenset[str]] = frozenset()
    """Inputs that are split into one input per part, such as ``oned.LOG.DEBUG_LEVEL``."""
    optional: ClassVar[frozenset[str]] = frozenset()
    """Other inputs of the spec that may be absent."""

    @classmethod
    def inputs_of(cls, spec: BaseModel) -> dict[str, Any]:
        """Return the spec as inputs of the resource, as a preview shows them."""
        return cls._flat(as_input(spec))

    @classmethod
    def spec_of(cls, props: Mapping[str, Any]) -> Any:
        """Return the typed spec in a resource's properties. Raises HostError if they lack it."""
        from procedures import specs

        kind: type[BaseModel] = getattr(specs, cls.spec_type)
        with reading(props):
            if "spec" in props:
                # A state of an earlier version.
                return kind.model_validate(props["spec"])
            fields = {cls.labels.get(field, field): field for field in kind.model_fields}
            values: dict[str, Any] = {}
            for key, value in props.items():
                label, *path = key.split(".")
                if label in fields and value is not None:
                    *above, last = [fields[label], *path]
                    part = values
                    for name in above:
                        part = part.setdefault(name, {})
                    part[last] = value
            return kind.model_validate(values)

    @classmethod
    def modern(cls, props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the properties of a state of an earlier version under their present names.

        Properties that cannot be read are left out, so that they differ from what is wanted.
        """
        if "spec" not in props:
            return props
        rest = {FORMER_NAMES.get(key, key): value for key, value in props.items() if key != "spec"}
        spec = props["spec"]
        return {**rest, **(cls._flat(spec) if isinstance(spec, Mapping) else {})}

    @classmethod
    def _flat(cls, spec: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, value in spec.items():
            label = cls.labels.get(field, field)
            if label not in cls.spread:
                found[label] = value
            elif value:
                found.update(_parts(label, value))
        return found


def as_input(model: BaseModel) -> dict[str, Any]:
    """Return a model as an input of a resource."""
    return model.model_dump(mode="json", exclude_none=True)


def hosts_input(hosts: Mapping[str, Host]) -> dict[str, Any]:
    """Return the front-ends as an input of a resource, whatever their order."""
    return {name: as_input(host) for name, host in sorted(hosts.items())}


def hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """Return the front-ends in a resource's properties. Raises HostError if they lack them."""
    from hosts.models import Host

    with reading(props):
        front_ends = props["front_ends"] if "front_ends" in props else props["frontends"]
        return {name: Host.model_validate(front_end) for name, front_end in front_ends.items()}


def lost_addresses(
    known: Mapping[str, str], lost: Collection[str], hosts: Mapping[str, Host]
) -> dict[str, str]:
    """Return the addresses of the lost servers, except those that a front-end has now.

    ``known``: addresses of former front-ends, by name. ``hosts``: the present ones.
    """
    in_use = {host.address for host in hosts.values()}
    return {
        name: address for name, address in known.items() if name in lost and address not in in_use
    }


def _parts(name: str, value: Any) -> dict[str, Any]:
    """Return the parts of a value by dotted name. Objects with other keys than names stay whole."""
    if not isinstance(value, Mapping) or not value or not all(map(str.isidentifier, value)):
        return {name: value}
    parts = (_parts(f"{name}.{key}", item) for key, item in value.items())
    return {key: item for part in parts for key, item in part.items()}


@contextmanager
def reading(props: Mapping[str, Any]) -> Iterator[None]:
    """Raise HostError if the state of a resource is damaged, or of another program."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError):
        raise HostError(
            urn_of(props).rpartition("::")[2] or "the stack",
            "read the stack's state",
            expected="what this program recorded for this resource",
            seen="something else",
            remedy="restore the state from a backup (pulumi stack import), or remove the resource"
            " from it (pulumi state delete URN): the next up adopts what exists on the hosts",
        ) from None


def all_hosts_of(props: Mapping[str, Any]) -> dict[str, Host]:
    """Return every front-end in the properties of a resource, in whichever input."""
    from hosts.models import Host

    with reading(props):
        known = [*(props.get("frontends") or {}).values(), *filter(None, [props.get("host")])]
        return {host["name"]: Host.model_validate(host) for host in known}


def urn(parents: Sequence[str], kind: str, name: str) -> str:
    """Return the URN of a dynamic resource of that kind, below components of those types.

    Progress is shown under it, before the resource is registered.
    """
    types = "$".join([*parents, f"pulumi-python:dynamic/opennebula:{kind}"])
    return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{types}::{name}"


def urn_of(props: Mapping[str, Any]) -> str:
    """Return the URN of a resource; empty if its properties lack it."""
    return str(props.get("urn", ""))


def normal(value: Any) -> Any:
    """Return a value in a form that can be compared.

    The engine passes whole numbers as floats and tuples as lists. An unknown value equals no other.
    """
    if is_unknown(value):
        return object()
    if isinstance(value, Mapping):
        return {key: normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def value_at(props: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, as ``normal`` does; None if the path does not exist."""
    value: Any = props
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return normal(value)


def addresses_in(props: Mapping[str, Any]) -> dict[str, str]:
    """Return front-end to address, of all that are in an input for front-ends, and known."""
    front_ends = props.get("frontends")
    if not isinstance(front_ends, Mapping):
        return {}
    found = {name: value_at(host, "address") for name, host in front_ends.items()}
    return {name: address for name, address in found.items() if isinstance(address, str)}


def is_unknown(value: Any) -> bool:
    """Return whether a value is not known yet."""
    return isinstance(value, Unknown) or (isinstance(value, str) and value == rpc.UNKNOWN)
