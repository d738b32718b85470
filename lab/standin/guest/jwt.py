"""JSON Web Tokens, signed with HMAC-SHA256."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

_HEADER = {"typ": "JWT", "alg": "HS256"}


def encode(payload: dict[str, Any], key: str) -> str:
    """Return a token with this content, signed with that key."""
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (_HEADER, payload))
    text = ".".join(map(_pack, parts))
    return f"{text}.{_signature(text, key)}"


def decode(token: str, key: str) -> dict[str, Any]:
    """Return a token's content. Raises ValueError if it was not signed with that key."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(text, key).encode()):
        raise ValueError("Signature verification failed")
    try:
        payload = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
    except binascii.Error as error:
        raise ValueError(f"not a token: {error}") from error
    if not isinstance(payload, dict):
        raise ValueError("not a token: no object in it")
    return payload


def _signature(text: str, key: str) -> str:
    return _pack(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
