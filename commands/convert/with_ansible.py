"""Read inventories with ansible-core, in a separate Python environment."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.convert.inventory import Inventory, InventoryError, Unread, texts

PYTHON = Path(__file__).parents[2] / ".venv-convert/bin/python"
"""`scripts/setup convert` creates it."""
SCRIPT = Path(__file__).with_name("ansible_script.py")
_UNREAD = "!unread"
"""Key that the script has in place of a value."""
_SAID = 3
"""Number of lines of Ansible's own message that are shown."""


def read(path: Path, passwords: Sequence[str]) -> Inventory:
    """Read an inventory, a file or a folder, as Ansible does. Raises InventoryError."""
    if not path.exists():
        raise InventoryError(f"{path}: there is no such inventory")
    request = {"source": str(path.absolute()), "passwords": list(passwords)}
    found = json.loads(ask(json.dumps(request)), object_hook=_value)
    if "error" in found:
        raise InventoryError(found["error"])
    return Inventory(
        hosts=found["hosts"],
        groups={name: tuple(hosts) for name, hosts in found["groups"].items()},
        idle={place: frozenset(keys) for place, keys in found["idle"].items()},
        parts=frozenset(found["parts"]),
        secrets=frozenset(filter(None, texts(found["secrets"]))),
        notes=tuple(found["notes"]),
        reader=f"by ansible-core {found['version']}",
    )


def ask(request: str) -> str:
    """Return the script's answer to a request, both in one line of JSON. Raises InventoryError."""
    if not PYTHON.exists():
        raise InventoryError(
            "ansible-core, which reads the inventory, is not installed: scripts/setup convert"
            " installs it in .venv-convert"
        )
    done = subprocess.run(
        command(), input=request, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-_SAID:]
        raise InventoryError(f"Ansible cannot read the inventory: {' '.join(said) or 'no message'}")
    return done.stdout


def command() -> list[str]:
    """Return the command that starts the script."""
    return [str(PYTHON), "-P", "-X", "utf8", str(SCRIPT)]


def environment() -> dict[str, str]:
    """Return the script's environment: Ansible's settings are those in ansible.cfg here."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {**own, "ANSIBLE_CONFIG": str(SCRIPT.with_name("ansible.cfg"))}


def _value(value: dict[str, Any]) -> Any:
    return Unread(*value[_UNREAD]) if set(value) == {_UNREAD} else value
