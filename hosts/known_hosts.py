"""A known_hosts file as OpenSSH reads it: marks, patterns, hashed names; other lines are skipped.

OpenSSH skips what it cannot read, such as lines of SSH-1, and so does this.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import paramiko

_REVOKED = "@revoked"
_AUTHORITY = "@cert-authority"


@dataclass(frozen=True)
class Records:
    """What a file says of one host."""

    keys: tuple[paramiko.PKey, ...] = ()
    """All that it may show, in the order of the file."""
    revoked: tuple[paramiko.PKey, ...] = ()
    """Those that it must not show, whatever else says so."""
    authority: bool = False
    """A certificate authority may sign for it. Paramiko verifies no such certificates."""


def lookup(text: str, name: str) -> Records:
    """Return the records of a host by its name in such a file, such as ``[10.0.0.1]:2222``."""
    keys: list[paramiko.PKey] = []
    revoked: list[paramiko.PKey] = []
    authority = False
    for mark, key in _matching(text.splitlines(), name):
        if mark == _AUTHORITY:
            authority = True
        elif mark == _REVOKED:
            revoked.append(key)
        elif key not in keys:
            keys.append(key)
    return Records(tuple(keys), tuple(revoked), authority)


def _matching(lines: Iterable[str], name: str) -> Iterator[tuple[str, paramiko.PKey]]:
    for line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        mark = words.pop(0) if words[0].startswith("@") else ""
        if mark not in ("", _REVOKED, _AUTHORITY) or len(words) < 3:
            continue
        if not _covers(words[0], name):
            continue
        try:
            key = public_key(words[1], words[2])
        except ValueError:
            continue
        yield mark, key


def _covers(patterns: str, name: str) -> bool:
    """Return whether the first field of a line means that name."""
    if patterns.startswith("|"):
        return _is_hash_of(patterns, name)
    found = False
    for pattern in patterns.lower().split(","):
        if _matches(pattern.removeprefix("!"), name.lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches(pattern: str, name: str) -> bool:
    """Only ``*`` and ``?`` are special: brackets stand around names with a port."""
    return fnmatchcase(name, re.sub(r"\[", "[[]", pattern))


def _is_hash_of(field: str, name: str) -> bool:
    try:
        _, version, salt, digest = field.split("|")
        expected = base64.b64decode(digest, validate=True)
        key = base64.b64decode(salt, validate=True)
    except ValueError:
        return False
    made = hmac.new(key, name.encode(), hashlib.sha1).digest()
    return version == "1" and hmac.compare_digest(made, expected)


def public_key(kind: str, data: str) -> paramiko.PKey:
    """Return the public key of that kind, from its data in base64. Raises ValueError."""
    try:
        key: paramiko.PKey = paramiko.PKey.from_type_string(
            kind, base64.b64decode(data, validate=True)
        )
    except (IndexError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        raise ValueError(str(error)) from None
    if key.get_name() != kind:
        raise ValueError(f"a key of the kind {key.get_name()}")
    return key
