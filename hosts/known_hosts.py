"""Read a known_hosts file as OpenSSH does: markers, patterns and hashed names.

Like OpenSSH, skip lines that cannot be read, such as those of SSH-1.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import paramiko

_REVOKED = "@revoked"
_AUTHORITY = "@cert-authority"


@dataclass(frozen=True)
class Records:
    """The records of one host."""

    keys: tuple[paramiko.PKey, ...] = ()
    """Accepted keys, in the order of the file."""
    revoked: tuple[paramiko.PKey, ...] = ()
    """Revoked keys, even if they are also accepted."""
    authority: bool = False
    """A certificate authority is listed. Paramiko cannot verify host certificates."""


def lookup(text: str, name: str) -> Records:
    """Return the records of a host by its name in the file, such as ``[10.0.0.1]:2222``."""
    found = list(_matching(text.splitlines(), name))
    return Records(
        keys=tuple(dict.fromkeys(key for mark, key in found if not mark)),
        revoked=tuple(key for mark, key in found if mark == _REVOKED),
        authority=any(mark == _AUTHORITY for mark, _ in found),
    )


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
    """Return whether the first field of a line covers that name."""
    if patterns.startswith("|"):
        try:
            return paramiko.HostKeys.hash_host(name, patterns) == patterns
        except (ValueError, AssertionError):
            return False
    # Of the patterns, ``[`` is only itself: brackets enclose names with a port.
    matching = [
        pattern
        for pattern in patterns.lower().replace("[", "[[]").split(",")
        if fnmatchcase(name.lower(), pattern.removeprefix("!"))
    ]
    return bool(matching) and not any(pattern.startswith("!") for pattern in matching)


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
