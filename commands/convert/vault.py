"""Decrypt values and files that ansible-vault has encrypted."""

import binascii
import hashlib
import hmac
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from commands.convert.inventory import InventoryError

HEADER = "$ANSIBLE_VAULT;"
_ROUNDS = 10_000
_FIELDS = 3


def is_sealed(text: str) -> bool:
    """Return whether ansible-vault has encrypted it."""
    return text.lstrip().startswith(HEADER)


def opened(text: str, passwords: Sequence[str], where: str) -> str:
    """Decrypt it with the right password. Raises InventoryError, which names ``where``."""
    header, *body = text.split()
    if header.split(";")[2:3] != ["AES256"]:
        raise InventoryError(
            f"{where}: expected a vault of AES256, saw {header[:60]}; encrypt it again with"
            " ansible-vault rekey"
        )
    try:
        salt, seal, sealed = (
            binascii.unhexlify(part)
            for part in binascii.unhexlify("".join(body)).split(b"\n", _FIELDS - 1)
        )
    except ValueError:
        raise InventoryError(
            f"{where}: the encrypted text is damaged; restore it, or encrypt the value again"
        ) from None
    for password in passwords:
        keys = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS, 80)
        if hmac.compare_digest(hmac.new(keys[32:64], sealed, "sha256").digest(), seal):
            cipher = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).decryptor()
            unpadder = padding.PKCS7(128).unpadder()
            plain = unpadder.update(cipher.update(sealed) + cipher.finalize())
            return (plain + unpadder.finalize()).decode(errors="replace")
    raise InventoryError(
        f"{where}: the vault password is wrong; name the file with the right one:"
        " make convert … VAULT=FILE"
    )


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
