"""Create, check and write the stack's file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from commands import files
from commands.convert.conversion import Conversion
from commands.convert.inventory import InventoryError
from settings import PROJECT, Settings, SettingsError, parse

_PLACEHOLDER = {"one_token": "placeholder:of-the-converter"}
_OTHER = "placeholder-of-the-converter"
_HEADER = """\
# Made by make convert from {source}.
# Secrets are not in it: its report has the commands that set them.
"""


class _Dumper(yaml.SafeDumper):
    """Quote every text that another YAML parser could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    plain = re.fullmatch(r"[A-Za-z/~:][A-Za-z0-9_./@:~-]*[A-Za-z0-9_./@~-]", value)
    address = re.fullmatch(r"\d+(\.\d+){3}", value)
    style = "|" if "\n" in value else None if plain or address else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def text_of(made: Conversion, source: str, kept: Mapping[str, Any] | None = None) -> str:
    """Return the file's text. ``kept``: Pulumi's entries and the secrets of the former file."""
    kept = dict(kept or {})
    secrets = kept.pop("config", {})
    config = {
        f"{PROJECT}:{key}": made.config[key] for key in Settings.model_fields if key in made.config
    }
    body = yaml.dump(
        {**kept, "config": {**secrets, **config}},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=96,
    )
    return _HEADER.format(source=source) + body


def faults(made: Conversion, text: str) -> list[str]:
    """Return the faults of this stack that will remain after its secrets are set."""
    try:
        parse(_raw(made), in_file=text)
    except SettingsError as error:
        return [fault.removeprefix(f"{PROJECT}:") for fault in error.faults]
    return []


def _raw(made: Conversion) -> dict[str, str]:
    config = json.loads(json.dumps(made.config))
    for key, secret in made.secrets.items():
        *above, last = secret.path
        place = config
        for part in above:
            place = place[part]
        place[last] = secret.value or _PLACEHOLDER.get(key, _OTHER)
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }


def kept_of(path: Path) -> dict[str, Any]:
    """Return what must be kept of a stack's file: Pulumi's own entries, and encrypted values."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise InventoryError(f"{path}: it cannot be read, so it is not replaced") from None
    if not isinstance(found, dict):
        return {}
    config = found.get("config")
    secrets = {
        key: value
        for key, value in (config if isinstance(config, dict) else {}).items()
        if isinstance(value, dict) and set(value) == {"secure"}
    }
    return {**{key: value for key, value in found.items() if key != "config"}, "config": secrets}


def write(path: Path, text: str) -> None:
    """Write the file, completely or not at all. Raises InventoryError."""
    try:
        path.parent.mkdir(exist_ok=True)
        files.write(path, text)
    except OSError as error:
        raise InventoryError(f"{path}: it cannot be written: {error.strerror}") from None
