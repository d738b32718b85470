"""The stack's config as one validated object. Every fault is reported at once, naming its key."""

import hashlib
import ipaddress
import json
import re
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from hosts.connection import Host, HostSsh, SshSettings
from opennebula import attributes, conf

PROJECT = "opennebula-ha"

HostName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9-]+)*$")
]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+(\.\d+)?$")]
Interface = Annotated[str, StringConstraints(pattern=r"^[^\s/]{1,15}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[^\s#]\S*$")]
Folder = Annotated[str, StringConstraints(pattern=r"^(/[^\s/]+)+$")]
Owner = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9_][a-z0-9_-]*$"),
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
]
Scalar = str | int | float | bool


def _attribute_of_oned(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError:
        raise ValueError(
            "expected a value, null, an object of values, or a list of values or objects, none of"
            " them empty"
        ) from None


Vector = Annotated[dict[Identifier, Scalar | None], Field(min_length=1)]
Attribute = Annotated[
    Scalar | Vector | Annotated[list[Scalar | Vector], Field(min_length=1)] | None,
    WrapValidator(_attribute_of_oned),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FrontEnd(_Part):
    """One entry of ``frontends``."""

    address: ipaddress.IPv4Address
    one_vip_if: Interface | None = None
    ssh: HostSsh = HostSsh()


class Features(_Part):
    """What runs beside oned."""

    gui: bool = True
    flow: bool = True
    gate: bool = True
    form: bool = True


class Mount(_Part):
    """One entry of ``fstab``."""

    src: Word
    path: Folder
    fstype: Word
    opts: Word = "rw,relatime"
    owner: Owner = "9869"
    group: Owner = "9869"
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = "0750"


class DatastoreMount(_Part):
    """A datastore's folder on a shared file system."""

    type: Literal["image", "system", "file"]
    path: Folder


class DatastoreConfig(_Part):
    """Of ``ds``."""

    mounts: list[DatastoreMount] = Field(default_factory=list)


class Datastores(_Part):
    """How the default datastores are kept."""

    mode: Literal["ssh", "shared"] = "ssh"
    config: DatastoreConfig = DatastoreConfig()

    @property
    def links(self) -> dict[str, str]:
        """ID of a datastore to the folder that a front-end's is a link to.

        A system datastore is the hypervisors' matter: a front-end has no use for it.
        """
        ids = {"image": "1", "file": "2"}
        return {ids[one.type]: one.path for one in self.config.mounts if one.type in ids}


class Repository(_Part):
    """A mirror in place of OpenNebula's own package repository."""

    url: str | None = None
    key_url: str | None = None
    key: str | None = None


class Settings(_Part):
    """The whole config of a stack. Field names are the config's keys."""

    one_version: Version
    one_pass: SecretStr
    one_token: SecretStr | None = None
    zone_name: Annotated[str, StringConstraints(pattern=r"^[^\s\"].*$")] = "OpenNebula"
    force_ha: bool = False
    one_vip: ipaddress.IPv4Address | None = None
    one_vip_cidr: Annotated[int, Field(ge=1, le=32)] | None = None
    one_vip_if: Interface | None = None
    frontends: Annotated[dict[HostName, FrontEnd], Field(min_length=1)]
    ssh: SshSettings = SshSettings()
    ensure_keys_for: list[Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]*$")]] = (
        Field(default_factory=list)
    )
    ensure_hosts: bool = True
    db_backend: Literal["MariaDB", "SQLite"] = "MariaDB"
    db_name: Identifier = "opennebula"
    db_owner: Identifier = "oneadmin"
    db_password: SecretStr | None = None
    repository: Repository = Repository()
    features: Features = Features()
    fstab: list[Mount] = Field(default_factory=list)
    ds: Datastores = Datastores()
    gate_endpoint: str | None = None
    oned: dict[Identifier, Attribute] = Field(default_factory=dict)
    lost: list[HostName] = Field(default_factory=list)
    allow_degraded: bool = False
    restore_from: str | None = None
    upgrade_database: Version | None = None
    keep_dumps: Annotated[int, Field(ge=1)] = 10
    purge: bool = False

    @property
    def highly_available(self) -> bool:
        """Several front-ends, or one that is to become several."""
        return self.force_ha or len(self.frontends) > 1

    @property
    def hosts(self) -> dict[str, Host]:
        """The front-ends' places on the network, by name."""
        return {
            name: Host(name=name, address=str(one.address), ssh=one.ssh)
            for name, one in sorted(self.frontends.items())
        }

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that are on."""
        return tuple(name for name, on in self.features if on)

    def fingerprint(self, *keys: str) -> str:
        """Of these secrets, or of all that are written on the hosts; itself a secret."""
        keys = keys or ("one_pass", "db_password", "one_token")
        values: list[SecretStr | None] = [getattr(self, key) for key in keys]
        text = json.dumps([value.get_secret_value() if value else None for value in values])
        return hashlib.sha256(text.encode()).hexdigest()


class SettingsError(ValueError):
    """Everything that is wrong with a stack's config, one fault a line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(
            "the stack's config has faults:\n" + "\n".join(f"  - {fault}" for fault in faults)
        )


def load() -> Settings:
    """The settings of the stack that runs. Raises pulumi.RunError, which prints its text alone."""
    try:
        return parse(
            {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()},
            is_secret=runtime_config.is_config_secret,
        )
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


_SECRET = ("one_pass", "one_token", "db_password")
"""What only providers get, and no resource; ``ssh`` may have a secret in it, too."""


def _kept_as_secret(key: str) -> bool:
    return key.removeprefix(f"{PROJECT}:") in (*_SECRET, "ssh")


def parse(raw: Mapping[str, str], is_secret: Callable[[str], bool] = _kept_as_secret) -> Settings:
    """Settings from the config as Pulumi hands it over: ``project:key`` to text or JSON.

    ``is_secret`` says of a key whether the stack keeps it encrypted. Raises SettingsError with
    all faults.
    """
    own = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in raw.items()
        if key.startswith(f"{PROJECT}:") and value not in _UNSET.get(key.split(":", 1)[1], ())
    }
    faults = [
        f"{PROJECT}:{key}: not a key of this project{_alike(key)}"
        for key in sorted(own)
        if key not in Settings.model_fields
    ]
    values: dict[str, Any] = {}
    for key, field in Settings.model_fields.items():
        if key not in own:
            if field.is_required():
                faults.append(f"{PROJECT}:{key}: missing; {_HOW_TO_SET[key]}")
            else:
                values[key] = field.get_default(call_default_factory=True)
            continue
        try:
            annotated: Any = Annotated[field.annotation, field]
            values[key] = TypeAdapter(annotated).validate_python(_value(own[key], field.annotation))
        except ValidationError as error:
            faults += [_fault(key, dict(item)) for item in error.errors(include_input=True)]
        except json.JSONDecodeError:
            faults.append(f"{PROJECT}:{key}: expected {_kind(field.annotation)}")
    faults += [
        _of(key, f"must be a secret; pulumi config set --secret {key}")
        for key in _SECRET
        if key in own and not is_secret(f"{PROJECT}:{key}")
    ]
    faults += [
        _of(key, "holds a secret, but its values can be read in the stack's state; set it in plain")
        for key in sorted(own.keys() & Settings.model_fields.keys())
        if is_secret(f"{PROJECT}:{key}") and not _kept_as_secret(key)
    ]
    ssh: SshSettings | None = values.get("ssh")
    if ssh is not None and ssh.private_key is not None and not is_secret(f"{PROJECT}:ssh"):
        faults.append(
            _of(
                "ssh.private_key",
                "must be a secret; pulumi config set --secret --path ssh.private_key",
            )
        )
    faults += _contradictions(values)
    if faults:
        raise SettingsError(faults)
    return Settings.model_validate(values)


# Pulumi wants a default for each declared key that may be left out: these stand for nothing.
_UNSET = {
    "one_token": ("",),
    "one_vip": ("",),
    "one_vip_cidr": ("0",),
    "one_vip_if": ("",),
    "db_password": ("",),
    "gate_endpoint": ("",),
    "restore_from": ("",),
    "upgrade_database": ("",),
}

_HOW_TO_SET = {
    "one_version": "such as pulumi config set one_version 7.2",
    "one_pass": "oneadmin's password: pulumi config set --secret one_pass",
    "frontends": "such as pulumi config set --path frontends.n1a1.address 10.2.50.10",
}


def _contradictions(given: Mapping[str, Any]) -> Iterator[str]:
    """Faults between keys, of those that are right in themselves."""
    yield from _front_end_faults(given)
    yield from _vip_faults(given)
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    available = given.get("force_ha") or len(front_ends) > 1
    if given.get("db_backend") == "SQLite" and available:
        yield _of(
            "db_backend",
            "SQLite cannot be replicated; move the data with onedb sqlite2mysql and set MariaDB,"
            " or stay with one front-end without force_ha",
        )
    if given.get("db_backend") == "MariaDB" and given.get("db_password", 0) is None:
        yield _of("db_password", "missing; pulumi config set --secret db_password")
    ssh: SshSettings | None = given.get("ssh")
    if ssh is not None:
        if ssh.private_key is not None and ssh.private_key_file is not None:
            yield _of("ssh", "private_key and private_key_file exclude each other")
        for name in sorted(ssh.host_keys.keys() - front_ends.keys() if front_ends else ()):
            yield _of(f"ssh.host_keys.{name}", "no such front-end in frontends")
    yield from _secret_faults(given)
    token: SecretStr | None = given.get("one_token")
    if token is not None and ":" not in token.get_secret_value():
        yield _of("one_token", "expected user:password as in the customer's e-mail")
    if not str(given.get("restore_from") or "/").startswith("/"):
        yield _of("restore_from", "expected the whole path of a dump, from / on")
    password: SecretStr | None = given.get("db_password")
    if password is not None and not conf.expressible(password.get_secret_value()):
        yield _of("db_password", _INEXPRESSIBLE)
    yield from _keys_faults(given)
    yield from _storage_faults(given)
    yield from _oned_faults(given.get("oned", {}))


def _secret_faults(given: Mapping[str, Any]) -> Iterator[str]:
    for name in ("one_pass", "db_password", "one_token"):
        secret: SecretStr | None = given.get(name)
        text = "set" if secret is None else secret.get_secret_value()
        if not text or "\n" in text or not text.isprintable():
            yield _of(name, "expected one line of printable characters, not empty")
        if name == "one_pass" and (" " in text or len(text.encode()) > 256):
            yield _of(name, "OpenNebula takes no space in a password, and at most 256 bytes")


def _keys_faults(given: Mapping[str, Any]) -> Iterator[str]:
    if "oneadmin" in given.get("ensure_keys_for", ()):
        yield _of("ensure_keys_for", "oneadmin's keys are the zone's own: leave it out")


def _storage_faults(given: Mapping[str, Any]) -> Iterator[str]:
    fstab: list[Mount] = given.get("fstab", [])
    for path, times in Counter(one.path for one in fstab).items():
        if times > 1:
            yield _of("fstab", f"{path} is there {times} times; expected one entry a path")
    mounts: list[DatastoreMount] = given["ds"].config.mounts if "ds" in given else []
    for kind, times in Counter(one.type for one in mounts).items():
        if times > 1:
            yield _of("ds.config.mounts", f"{kind} is there {times} times; expected it once")
    for one in mounts:
        if f"{one.path}/".startswith("/var/lib/one/datastores/"):
            yield _of(
                "ds.config.mounts",
                f"{one.path} is where the datastores themselves are: mount the share there with"
                " fstab, and leave this entry out",
            )


_INEXPRESSIBLE = "oned.conf cannot hold ]]> or a backslash at the end"


def _oned_faults(oned: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for name, value in sorted(oned.items()):
        key = f"oned.{name}"
        if name.upper() in _OWN_ATTRIBUTES:
            yield _of(key, "set by this program itself; " + _OWN_ATTRIBUTES[name.upper()])
        if name.upper() in seen:
            yield _of(key, "given twice: upper and lower case are the same")
        seen.add(name.upper())
        if (entries := attributes.entries(value)) is not None:
            yield from _entries_faults(key, entries)
        elif _REPEATED.search(key.upper()) and value is not None:
            yield _of(key, "there are several: expected a list, or an object with its NAME")
        for entry in value if isinstance(value, list) else [value]:
            for part, item in entry.items() if isinstance(entry, Mapping) else [("", entry)]:
                if item is not None and not conf.expressible(item):
                    yield _of(f"{key}.{part}".rstrip("."), _INEXPRESSIBLE)


def _entries_faults(key: str, entries: list[Any]) -> Iterator[str]:
    seen: set[str] = set()
    values = key.upper().endswith("_ATTR")
    for entry in entries:
        removed = isinstance(entry, Mapping) and list(entry) == [attributes.REMOVE]
        if not removed and _REPEATED.search(key.upper()) and values == isinstance(entry, Mapping):
            yield _of(key, f"expected a list of {'values' if values else 'objects'}")
            continue
        known_by = attributes.known_by(entry)
        if not known_by:
            yield _of(key, "expected a NAME in each object of the list, or remove: NAME")
        elif known_by in seen:
            yield _of(key, f"{known_by} is there twice")
        seen.add(known_by)


_REPEATED = re.compile(r"(_ATTR|_MAD_CONF|\bVM_MAD|\bHOOK)$")
"""Attributes that oned.conf has many of: the first is not the one that somebody means."""

_OWN_ATTRIBUTES = {
    "DB": "use the db_… keys",
    "FEDERATION": "SERVER_ID is the zone's matter",
    "RAFT_LEADER_HOOK": "use the one_vip… keys",
    "RAFT_FOLLOWER_HOOK": "use the one_vip… keys",
    "ONEGATE_ENDPOINT": "use gate_endpoint",
}


def _front_end_faults(given: Mapping[str, Any]) -> Iterator[str]:
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    count = len(front_ends)
    if count > 1 and count % 2 == 0:
        yield _of(
            "frontends",
            f"{count} front-ends tolerate no more failures than {count - 1};"
            f" list {count - 1} or {count + 1}",
        )
    for name in sorted(set(given.get("lost", [])) & set(front_ends)):
        yield _of(f"frontends.{name}", "named under lost, too; take it off one of them")
    seen: dict[ipaddress.IPv4Address, str] = {}
    for name, one in sorted(front_ends.items()):
        if one.address in seen:
            yield _of(
                f"frontends.{name}.address", f"{one.address} is the address of {seen[one.address]}"
            )
        seen[one.address] = name
        if name == "localhost" or one.address.is_loopback:
            yield _of(f"frontends.{name}", "expected a name and address that the others can use")


def _vip_faults(given: Mapping[str, Any]) -> Iterator[str]:
    names = ("one_vip", "one_vip_cidr", "one_vip_if")
    if any(name not in given for name in names):
        return
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    missing = [name for name in names if given[name] is None]
    everywhere = front_ends and all(one.one_vip_if for one in front_ends.values())
    if missing == ["one_vip_if"] and everywhere:
        missing = []
    if 0 < len(missing) < len(names):
        for name in missing:
            yield _of(name, "missing; one_vip, one_vip_cidr and one_vip_if go together")
    if given["one_vip"] is None or given["one_vip_cidr"] is None:
        return
    vip: ipaddress.IPv4Address = given["one_vip"]
    if front_ends and not (given.get("force_ha") or len(front_ends) > 1):
        yield _of("one_vip", "one front-end alone has no leader; set force_ha: true, or remove it")
    network = ipaddress.IPv4Network(f"{vip}/{given['one_vip_cidr']}", strict=False)
    if network.prefixlen < 31 and vip in (network.network_address, network.broadcast_address):
        yield _of("one_vip", f"{vip} is the network's or broadcast address of {network}")
    for name, one in sorted(front_ends.items()):
        address = one.address
        if address == vip:
            yield _of("one_vip", f"{vip} is the address of {name}; expected a free one")
        elif address not in network and one.one_vip_if is None:
            yield _of(
                "one_vip",
                f"{vip}/{network.prefixlen} is not in a subnet with {name} at {address}; where the"
                f" VIP is on another interface, say so in frontends.{name}.one_vip_if",
            )


def _of(key: str, text: str) -> str:
    return f"{PROJECT}:{key}: {text}"


def _value(text: str, annotation: Any) -> Any:
    """Text stays text where the key is one; everything else is JSON."""
    if annotation in (bool, int) or _is_structure(annotation) or _base(annotation) is int:
        return json.loads(text)
    return text


def _base(annotation: Any) -> Any:
    """``T`` of ``T | None`` and of ``Annotated[T, …]``."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return _base(kinds[0])
    if typing.get_origin(annotation) is Annotated:
        return _base(typing.get_args(annotation)[0])
    return annotation


def _is_structure(annotation: Any) -> bool:
    base = _base(annotation)
    return typing.get_origin(base) in (dict, list) or (
        isinstance(base, type) and issubclass(base, BaseModel)
    )


def _kind(annotation: Any) -> str:
    if typing.get_origin(_base(annotation)) is list:
        return "a list"
    if _is_structure(annotation):
        return "an object"
    return {bool: "true or false", int: "a whole number"}.get(_base(annotation), "text")


def _fault(key: str, error: Mapping[str, Any]) -> str:
    place = ".".join([key, *(str(part) for part in error["loc"] if part != "[key]")])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "not a key of this project"
    elif error["type"] == "string_pattern_mismatch":
        message = f"expected text that matches {error['ctx']['pattern']}"
        if error["loc"] in ((), (place.removeprefix(f"{key}."), "[key]")):
            message = _FORMS.get(key, message)
    return _of(place, message[:1].lower() + message[1:])


_FORMS = {
    "one_version": 'expected a version in quotes, such as "7.2"',
    "upgrade_database": 'expected a version in quotes, such as "7.4"',
    "frontends": "expected a host name: lower-case letters, digits and hyphens",
}


def _alike(key: str) -> str:
    import difflib  # noqa: PLC0415 - only where something is wrong

    close = difflib.get_close_matches(key, list(Settings.model_fields), n=1)
    return f"; did you mean {close[0]}?" if close else ""
