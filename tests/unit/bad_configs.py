"""Configs with one error each, and the message of a preview for it: bad_configs.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CANARY = "canary-that-nobody-may-see"
MISSING = object()
"""The value of a key that is not set."""


def _read(table: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[dict[str, Any], str]]:
    return {
        name: (
            {key: MISSING if value == "MISSING" else value for key, value in config.items()},
            _worded(message, config),
        )
        for message, configs in table.items()
        for name, config in configs.items()
    }


def _worded(message: str, config: Any) -> str:
    if message.startswith("KEY: "):
        message = message.replace("KEY", _only_path(config), 1)
    value = _value(config, message.partition(": ")[0])
    return message.replace("{}", "null" if value is None else str(value) or "nothing")


def _only_path(config: Any) -> str:
    """Return the path of the only value."""
    parts = []
    while isinstance(config, dict | list) and len(config) == 1:
        part, config = next(iter(config.items() if isinstance(config, dict) else enumerate(config)))
        parts.append(str(part))
    return ".".join(parts)


def _value(config: Any, path: str) -> Any:
    """Return the value at that path; empty if the config has none there."""
    for part in path.split("."):
        if isinstance(config, list) and part.isdigit():
            config = config[int(part)]
        else:
            config = config.get(part, "") if isinstance(config, dict) else ""
    return config


BAD = _read(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")))
