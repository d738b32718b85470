"""Read inventories with ansible-core, in a separate Python environment."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.convert import own_reader
from commands.convert.inventory import Inventory, InventoryError, Unread
from commands.convert.templates import SEALED

PYTHON = Path(".venv-convert/bin/python")
"""`scripts/setup convert` creates it."""
_SCRIPT = Path(__file__).with_name("ansible_script.py")
_SAID = 3
"""Number of lines of Ansible's own message that are shown."""


def read(path: Path, passwords: Sequence[str], python: Path = PYTHON) -> Inventory:
    """Read an inventory as Ansible does. Raises InventoryError."""
    if not path.exists():
        raise InventoryError(f"{path}: there is no such inventory")
    # Ansible ignores a source that it cannot read; this reports what is wrong with it.
    plain = own_reader.read(path, passwords)
    if any(note.endswith(SEALED) for note in plain.notes):
        # Ansible would not continue without the password.
        return plain
    done = subprocess.run(
        [str(python), "-P", str(_SCRIPT)],
        input=json.dumps({"source": str(path.resolve()), "passwords": list(passwords)}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-_SAID:]
        raise InventoryError(f"{path}: Ansible cannot read it: {' '.join(said) or 'no message'}")
    found = json.loads(done.stdout)
    return Inventory(
        hosts={
            host: {key: _value(value) for key, value in variables.items()}
            for host, variables in found["hosts"].items()
        },
        groups={
            name: tuple(hosts)
            for name, hosts in found["groups"].items()
            if name not in ("all", "ungrouped")
        },
        idle={name: frozenset(keys) for name, keys in found["idle"].items()} | dict(plain.idle),
        parts=plain.parts,
        secrets=frozenset(filter(None, found["secrets"])) | plain.secrets,
        notes=plain.notes,
        reader=f"by ansible-core {found['version']}",
    )


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"unread"}:
            why, text = value["unread"]
            if why == "sealed":
                return Unread(SEALED, text)
            return Unread("a template that needs facts of the hosts or a playbook", text)
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value
