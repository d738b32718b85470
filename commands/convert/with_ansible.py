"""Read inventories with ansible-core, in a separate Python environment."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commands.convert import own_reader
from commands.convert.inventory import Inventory, InventoryError, Unread
from commands.convert.templates import SEALED

PYTHON = Path(".venv-convert/bin/python")
"""`scripts/setup convert` creates it."""
_SCRIPT = Path(__file__).with_name("ansible_script.py")
_UNREAD = "!unread"
"""Key that the script has in place of a value."""
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
    found = json.loads(done.stdout, object_hook=_value)
    return replace(
        plain,
        hosts=found["hosts"],
        groups={name: tuple(hosts) for name, hosts in found["groups"].items()},
        secrets=frozenset(filter(None, found["secrets"])) | plain.secrets,
        reader=f"by ansible-core {found['version']}",
    )


def _value(value: dict[str, Any]) -> Any:
    if set(value) != {_UNREAD}:
        return value
    why, text = value[_UNREAD]
    words = SEALED if why == "sealed" else "a template that needs facts of the hosts or a playbook"
    return Unread(words, text)
