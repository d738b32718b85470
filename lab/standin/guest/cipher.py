"""The logins of OpenNebula's services: as serveradmin, on behalf of any user (server_cipher).

The password is `TARGET:TOKEN`; the token is `SERVERADMIN:TARGET:EXPIRES`, encrypted with what the
database has as serveradmin's password: the digest of the secret in the `*_auth` files.
"""

import base64
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_PADDING = PKCS7(128)


@dataclass(frozen=True)
class ServerCipher:
    """The content of a `*_auth` file."""

    user: str
    secret: str

    def session(self, target: str = "", *, seconds: int = 1800) -> str:
        """Return a session of that user, or of serveradmin itself."""
        target = target or self.user
        expires = int(time.time()) + seconds
        token = encrypt(self.digest, f"{self.user}:{target}:{expires}")
        return f"{self.user}:{target}:{token}"

    @property
    def digest(self) -> str:
        """Return the digest of the secret, as in the database."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def read_server_auth(path: Path) -> ServerCipher:
    """Return the credentials in a file. Raises OSError or ValueError."""
    user, colon, secret = path.read_text().rstrip().partition(":")
    if not colon:
        raise ValueError("Bad format for one_auth token (<user>:<passwd>)")
    return ServerCipher(user, secret)


def target_of(user: str, digest: str, password: str) -> str | None:
    """Return the user for whom the server user calls; None if its token is invalid or expired."""
    target, _, token = password.partition(":")
    text = decrypt(digest, token) or ""
    who, expires = text.partition(":")[0], text.rpartition(":")[2]
    good = who == user and expires.isdigit() and time.time() < int(expires)
    return target if good else None


def encrypt(digest: str, text: str) -> str:
    """Encrypt with AES-256-CBC, in base64; key and vector are the start of the digest."""
    padder, encryptor = _PADDING.padder(), _aes(digest).encryptor()
    padded = padder.update(text.encode()) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(digest: str, token: str) -> str | None:
    """Return the text; None if it was not encrypted with this key."""
    try:
        unpadder, decryptor = _PADDING.unpadder(), _aes(digest).decryptor()
        sealed = base64.b64decode(token, validate=True)
        padded = decryptor.update(sealed) + decryptor.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        return None


def _aes(digest: str) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(digest[:32].encode()), modes.CBC(digest[:16].encode()))
