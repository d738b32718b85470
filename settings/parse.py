"""Turn the config, as Pulumi passes it to the program, into settings."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import TypeAdapter, ValidationError

from settings import written
from settings.faults import of, of_kind, of_unknown, of_value, place_of
from settings.forms import LATER
from settings.model import PROJECT, SECRETS, Settings, declared_default, kind
from settings.rules import contradictions


class SettingsError(ValueError):
    """All faults of a stack's config, one per line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(
            "the stack's config has faults:\n"
            + "\n".join(f"  - {fault}" for fault in faults)
            + "\n  see docs/troubleshooting.md#config-faults"
        )


def load(addresses: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the running stack.

    ``addresses``: see ``parse``. Raises pulumi.RunError, of which the CLI prints only the text.
    """
    try:
        return parse(
            {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()},
            is_secret=runtime_config.is_config_secret,
            in_file=written.text_of_stack(),
            addresses=addresses or {},
        )
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def _kept_as_secret(key: str) -> bool:
    return key.removeprefix(f"{PROJECT}:") in (*SECRETS, "ssh", "auth")


def parse(
    raw: Mapping[str, str],
    is_secret: Callable[[str], bool] = _kept_as_secret,
    *,
    in_file: str = "",
    addresses: Mapping[str, Any] = MappingProxyType({}),
) -> Settings:
    """Return the settings of a config as Pulumi passes it: ``project:key`` to text or JSON.

    ``is_secret`` tells whether the stack keeps a key encrypted; ``in_file`` is the text of the
    stack's file, if it is known. ``addresses``: front-end to its address, or LATER, if the program
    and not the config has them. Raises SettingsError with all faults.
    """
    own = {
        name: value
        for key, value in raw.items()
        if key.startswith(f"{PROJECT}:")
        and not _is_default(name := key.removeprefix(f"{PROJECT}:"), value)
    }
    faults = [fault for key in sorted(raw) if (fault := of_unknown(key))]
    misread = written.faults(in_file, own)
    faults += misread.values()
    values: dict[str, Any] = {}
    for key, field in Settings.model_fields.items():
        if key not in own:
            if field.is_required():
                faults.append(of(key, f"missing; {_HOW_TO_SET[key]}"))
            else:
                values[key] = field.get_default(call_default_factory=True)
            continue
        secret = key in SECRETS or is_secret(f"{PROJECT}:{key}")
        try:
            is_text = kind(field.annotation) in ("text", "secret")
            value = own[key] if is_text else json.loads(own[key])
            if key == "frontends" and addresses:
                value, wrong = _with_addresses(value, addresses)
                faults += wrong
            values[key] = _adapter(key).validate_python(value)
        except ValidationError as error:
            faults += [
                of_value(key, dict(item), secret=secret)
                for item in error.errors()
                if place_of(key, dict(item)) not in misread
            ]
        except json.JSONDecodeError:
            if key not in misread:
                faults.append(of_kind(key, own[key], field.annotation, secret=secret))
    config = Settings.model_construct(**{"frontends": {}, **values})
    faults += [
        of(
            key,
            "is set as a secret, but the stack's state shows its values; set it without --secret",
        )
        for key in sorted(own.keys() & Settings.model_fields.keys())
        if is_secret(f"{PROJECT}:{key}") and not _kept_as_secret(key)
    ]
    faults += _in_plaintext(config, own, is_secret)
    faults += contradictions(config)
    if faults:
        raise SettingsError(faults)
    return config


def _in_plaintext(
    config: Settings, own: Collection[str], is_secret: Callable[[str], bool]
) -> Iterator[str]:
    """Yield the fault of each secret that the stack does not keep encrypted."""
    for key in SECRETS:
        if key in own and not is_secret(f"{PROJECT}:{key}"):
            yield of(key, f"must be a secret; pulumi config set --secret {key}")
    for key in ("private_key", "sudo_password"):
        if getattr(config.ssh, key) is not None and not is_secret(f"{PROJECT}:ssh"):
            yield of(f"ssh.{key}", f"must be a secret; pulumi config set --secret --path ssh.{key}")
    for server in sorted(config.auth.ldap.passwords) if not is_secret(f"{PROJECT}:auth") else ():
        yield of(
            f"auth.ldap.config.{server}.:password",
            "must be a secret; pulumi config set --secret --path"
            f' \'auth.ldap.config["{server}"][":password"]\'',
        )


def _with_addresses(front_ends: Any, addresses: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the front-ends of the config with these addresses, and the faults of the two."""
    if not isinstance(front_ends, dict):
        return front_ends, []
    faults = []
    merged = dict(front_ends)
    for name, address in sorted(addresses.items()):
        own = front_ends.get(name, {})
        if not isinstance(own, dict):
            continue
        if name not in front_ends:
            faults.append(of("frontends", f"the program has the address of {name}: list {name}"))
        elif "address" in own:
            faults.append(of(f"frontends.{name}.address", "the program sets it: remove it here"))
        elif address is None:
            faults.append(of(f"frontends.{name}.address", "the program passed none"))
        merged[name] = {**own, "address": LATER if address is None else address}
    return merged, faults


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    field = Settings.model_fields[key]
    annotated: Any = Annotated[field.annotation, field]
    return TypeAdapter(annotated)


def _is_default(key: str, text: str) -> bool:
    """Tell whether a value is the declared default, which Pulumi passes for each unset key."""
    field = Settings.model_fields.get(key)
    if field is None or field.is_required():
        return False
    default = declared_default(field)
    return text == (default if isinstance(default, str) else json.dumps(default))


_HOW_TO_SET = {
    "one_version": "such as pulumi config set one_version 7.2",
    "one_pass": "oneadmin's password: pulumi config set --secret one_pass",
    "frontends": "such as pulumi config set --path frontends.n1a1.address 10.2.50.10",
}
