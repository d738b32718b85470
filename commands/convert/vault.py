"""The passwords of ansible-vault."""

import os
import subprocess
from pathlib import Path

from commands.convert.inventory import InventoryError


def password_of(file: Path) -> str:
    """Return the password in a file, or printed by a program. Raises InventoryError."""
    try:
        if not file.is_file():
            raise InventoryError(f"{file}: there is no such file")
        if os.access(file, os.X_OK):
            # As Ansible does.
            done = subprocess.run(
                [str(file.resolve())], stdout=subprocess.PIPE, text=True, check=False
            )
            if done.returncode:
                raise InventoryError(
                    f"{file}: this program, which prints the vault password, ended with status"
                    f" {done.returncode}"
                )
            text = done.stdout
        else:
            text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise InventoryError(f"{file}: the vault password cannot be read: {reason}") from None
    if not text.strip():
        raise InventoryError(f"{file}: expected a vault password, saw nothing")
    return text.strip()
