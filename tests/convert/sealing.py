"""ansible-vault's encryption, for inventories that the tests make."""

import binascii
import hashlib
import hmac

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PASSWORD = "the vault's password"
_SALT = b"salt of the tests, 32 bytes long"


def sealed(text: str, password: str = PASSWORD, *, label: str = "") -> str:
    """Encrypt it as ansible-vault does."""
    keys = hashlib.pbkdf2_hmac("sha256", password.encode(), _SALT, 10_000, 80)
    padder = padding.PKCS7(128).padder()
    plain = padder.update(text.encode()) + padder.finalize()
    cipher = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).encryptor()
    body = cipher.update(plain) + cipher.finalize()
    seal = hmac.new(keys[32:64], body, "sha256").hexdigest()
    parts = (_SALT.hex(), seal, body.hex())
    whole = binascii.hexlify("\n".join(parts).encode()).decode()
    lines = [whole[at : at + 80] for at in range(0, len(whole), 80)]
    header = f"$ANSIBLE_VAULT;1.2;AES256;{label}" if label else "$ANSIBLE_VAULT;1.1;AES256"
    return "\n".join([header, *lines])


def value(text: str, indent: int, password: str = PASSWORD) -> str:
    """Return an encrypted value in the form of a YAML file."""
    pad = " " * indent
    return "!vault |\n" + "\n".join(pad + line for line in sealed(text, password).splitlines())
