"""The logins of OpenNebula's services: as serveradmin, on behalf of any user (server_cipher).

The password is `TARGET:TOKEN`; the token is `SERVERADMIN:TARGET:EXPIRES`, encrypted with what the
database has as serveradmin's password: the digest of the secret in the `*_auth` files.
"""

import base64
import binascii
import ctypes
import hashlib
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_BLOCK = 16


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
    sealed = _crypt(digest, text.encode(), encrypting=True)
    if sealed is None:
        raise ValueError("libcrypto did not encrypt")
    return base64.b64encode(sealed).decode()


def decrypt(digest: str, token: str) -> str | None:
    """Return the text; None if it was not encrypted with this key."""
    try:
        opened = _crypt(digest, base64.b64decode(token, validate=True), encrypting=False)
        return None if opened is None else opened.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


@cache
def _library() -> ctypes.CDLL:
    # Python's library has no ciphers; the openssl command would show the key in its arguments.
    library = ctypes.CDLL("libcrypto.so.3")
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_cbc"):
        getattr(library, name).restype = ctypes.c_void_p
    return library


def _crypt(digest: str, data: bytes, *, encrypting: bool) -> bytes | None:
    library = _library()
    key, vector = digest[:32].encode(), digest[:_BLOCK].encode()
    if len(key) != 32:
        return None
    context = ctypes.c_void_p(library.EVP_CIPHER_CTX_new())
    cipher = ctypes.c_void_p(library.EVP_aes_256_cbc())
    done, rest = ctypes.c_int(), ctypes.c_int()
    out = ctypes.create_string_buffer(len(data) + 2 * _BLOCK)
    try:
        ok = (
            library.EVP_CipherInit_ex(context, cipher, None, key, vector, int(encrypting)) == 1
            and library.EVP_CipherUpdate(context, out, ctypes.byref(done), data, len(data)) == 1
            and library.EVP_CipherFinal_ex(
                context, ctypes.byref(out, done.value), ctypes.byref(rest)
            )
            == 1
        )
        return out.raw[: done.value + rest.value] if ok else None
    finally:
        library.EVP_CIPHER_CTX_free(context)
