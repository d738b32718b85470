"""The CLI's passphrase secrets, for tests that write config files and read states themselves.

PBKDF2 makes the key, AES-256-GCM encrypts each value.
"""

import base64
import functools
import hashlib
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
CHECK_VALUE = "pulumi"


@functools.lru_cache(maxsize=16)
def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)


class Crypter:
    """Encrypts and decrypts the values of one stack.

    ``state`` is what the CLI keeps as the stack's ``encryptionsalt``: the salt, and a known word
    that is encrypted with the key.
    """

    def __init__(self, passphrase: str, state: str | None = None) -> None:
        salt = os.urandom(8) if state is None else base64.b64decode(state.split(":")[1])
        self._gcm = AESGCM(_key(passphrase, salt))
        self.state = state or f"v1:{_text(salt)}:{self.encrypt(CHECK_VALUE)}"

    def encrypt(self, plaintext: str) -> str:
        """Return the envelope ``v1:NONCE:CIPHERTEXT`` of a value."""
        nonce = os.urandom(12)
        return f"v1:{_text(nonce)}:{_text(self._gcm.encrypt(nonce, plaintext.encode(), None))}"

    def decrypt(self, envelope: str) -> str:
        """Return the plaintext of an envelope."""
        nonce, sealed = (base64.b64decode(part) for part in envelope.split(":")[1:])
        return self._gcm.decrypt(nonce, sealed, None).decode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
