"""The CLI's passphrase secrets: PBKDF2 for the key, AES-256-GCM for each value."""

import base64
import functools
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab.engine.errors import EngineError

ROUNDS = 1_000_000
CHECK_VALUE = "pulumi"


@functools.lru_cache(maxsize=16)
def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)


def passphrase_from_environment() -> str | None:
    """Return the passphrase that the environment names, None where it names none."""
    value = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    if value is not None:
        return value
    path = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise EngineError(f"PULUMI_CONFIG_PASSPHRASE_FILE cannot be read: {error}") from error


class Crypter:
    """Encrypts and decrypts the values of one stack.

    ``state`` is what the CLI keeps as the stack's ``encryptionsalt``: the salt, and a
    known word encrypted with the key, so that a wrong passphrase is noticed at once.
    """

    def __init__(self, passphrase: str, state: str | None = None) -> None:
        if state is None:
            salt = os.urandom(8)
            self._gcm = AESGCM(_key(passphrase, salt))
            self.state = f"v1:{base64.b64encode(salt).decode()}:{self._seal(CHECK_VALUE)}"
        else:
            version, salt_text, check = [*state.split(":", 2), "", ""][:3]
            if version != "v1" or not check:
                raise EngineError("encryptionsalt: expected the form v1:SALT:CHECK")
            self._gcm = AESGCM(_key(passphrase, base64.b64decode(salt_text)))
            self.state = state
            if self._open(check) != CHECK_VALUE:
                raise EngineError("incorrect passphrase: the check in encryptionsalt differs")
        # An unchanged secret keeps its ciphertext, so that an unchanged state stays unchanged.
        self._known: dict[str, str] = {}

    def encrypt(self, plaintext: str) -> str:
        """Return the envelope ``v1:NONCE:CIPHERTEXT`` of a value."""
        known = self._known.get(plaintext)
        if known is None:
            known = self._known[plaintext] = self._seal(plaintext)
        return known

    def decrypt(self, envelope: str) -> str:
        """Return the plaintext of an envelope."""
        plaintext = self._open(envelope)
        self._known.setdefault(plaintext, envelope)
        return plaintext

    def _seal(self, plaintext: str) -> str:
        nonce = os.urandom(12)
        sealed = self._gcm.encrypt(nonce, plaintext.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def _open(self, envelope: str) -> str:
        parts = envelope.split(":")
        if len(parts) != 3 or parts[0] != "v1":
            raise EngineError("a secret value is not of the form v1:NONCE:CIPHERTEXT")
        try:
            nonce, sealed = base64.b64decode(parts[1]), base64.b64decode(parts[2])
            return self._gcm.decrypt(nonce, sealed, None).decode()
        except (InvalidTag, ValueError) as error:
            raise EngineError(
                "incorrect passphrase: a secret value cannot be decrypted with the one given"
            ) from error


class MissingPassphrase(Crypter):
    """Stands where no passphrase is set; complains only when a secret is met."""

    def __init__(self, state: str | None = None) -> None:
        self.state = state or ""

    def _complain(self) -> EngineError:
        return EngineError(
            "this stack has secrets: set PULUMI_CONFIG_PASSPHRASE or "
            "PULUMI_CONFIG_PASSPHRASE_FILE, and keep the encryptionsalt in the stack's file"
        )

    def encrypt(self, plaintext: str) -> str:
        """Refuse."""
        raise self._complain()

    def decrypt(self, envelope: str) -> str:
        """Refuse."""
        raise self._complain()


def crypter_for(passphrase: str | None, state: str | None) -> Crypter:
    """Return the crypter of a stack, whichever of passphrase and salt are there."""
    if passphrase is None:
        return MissingPassphrase(state)
    return Crypter(passphrase, state)
