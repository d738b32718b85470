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
            message.replace("{}", str(_value(config, message.partition(": ")[0]))),
        )
        for message, configs in table.items()
        for name, config in configs.items()
    }


def _value(config: Any, path: str) -> Any:
    """Return the value at that path; empty if the config has none there."""
    for part in path.split("."):
        if isinstance(config, list) and part.isdigit():
            config = config[int(part)]
        else:
            config = config.get(part, "") if isinstance(config, dict) else ""
    return config


BAD = _read(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")))
