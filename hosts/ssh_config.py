"""The way to a host: what the stack says of it, and for the rest the operator's ~/.ssh/config."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko

from hosts.errors import HostError
from hosts.models import Host, SshSettings, parse_hops

_STEP = "read the SSH client's configuration"
_MOST_HOPS = 8
_DEEPEST = 16
"""As deep as OpenSSH follows Include."""


@dataclass(frozen=True)
class Login:
    """Where to log in, as whom, with which keys, and through what."""

    address: str
    port: int
    user: str
    key_files: tuple[Path, ...] = ()
    only_these_keys: bool = False
    """Of an agent only those keys may be used."""
    hops: "tuple[Login, ...]" = ()
    """The jump hosts, the first one first."""
    proxy_command: str | None = None
    """A command of this machine in place of a connection to the first hop, or to the host."""


def login(host: Host, settings: SshSettings) -> Login:
    """Return the way to a front-end.

    What the stack sets counts more. In the file, the blocks for the front-end's name count if
    a Host line has it, otherwise those for its address. Raises HostError for a file that cannot be
    used.
    """
    return _Reader(host, settings).login()


class _Reader:
    def __init__(self, host: Host, settings: SshSettings) -> None:
        self._host = host
        self._settings = settings
        try:
            must_be = "config_file" in settings.model_fields_set
            self._text = "\n".join(_lines(settings.config_file.expanduser(), must_be=must_be))
            paramiko.SSHConfig.from_text(self._text)
        except (OSError, ValueError, paramiko.ConfigParseError) as error:
            raise self._fault(getattr(error, "strerror", None) or str(error)) from None

    def login(self) -> Login:
        settings, own = self._settings, self._host.ssh
        name, address = self._host.name, self._host.login_address
        alias = name if _names(self._text, name) else address
        given: dict[str, Any] = {"HostName": address}
        if user := own.user or settings.set_user:
            given["User"] = user
        if port := own.port or settings.set_port:
            given["Port"] = port
        if settings.bastion is not None:
            # Its hops have no way of their own.
            given["ProxyJump"] = settings.bastion
        found = self._lookup(alias, given)
        if settings.private_key is not None or settings.private_key_file is not None:
            found.pop("identityfile", None)
        user = found.get("user", settings.user)
        return self._made(found, user, self._hops(found, user))

    def _hops(self, found: dict[str, Any], user: str, depth: int = 0) -> tuple[Login, ...]:
        jump = found.get("proxyjump") or "none"
        if jump.lower() == "none":
            return ()
        try:
            hops = parse_hops(jump)
        except ValueError as error:
            raise self._fault(f"ProxyJump: {error}") from None
        if depth + len(hops) > _MOST_HOPS:
            raise self._fault(
                f"ProxyJump leads through more than {_MOST_HOPS} hosts, or in a circle"
            )
        logins: list[Login] = []
        for given_user, name, port in hops:
            given = {"User": given_user} if given_user else {}
            if port:
                given["Port"] = str(port)
            hop = self._lookup(name, given)
            # The first hop may have a way of its own; the way to the others is the one before.
            # A jump host for all hosts, Host *, needs none itself.
            own = hop.get("proxyjump") != jump and not logins
            before = self._hops(hop, user, depth + len(hops)) if own else ()
            logins += [*before, self._made(hop, hop.get("user", user), ())]
        return (*logins[:1], *(replace(one, proxy_command=None) for one in logins[1:]))

    def _made(self, found: dict[str, Any], user: str, hops: tuple[Login, ...]) -> Login:
        keys = (Path(text).expanduser() for text in found.get("identityfile", ()))
        try:
            port = int(found.get("port", 22))
        except ValueError:
            port = 0
        if not 1 <= port <= 65535:
            raise self._fault(f"Port {found['port']}")
        return Login(
            address=found["hostname"],
            port=port,
            user=user,
            key_files=tuple(key for key in keys if key.is_file()),
            only_these_keys=found.get("identitiesonly", "no").lower() == "yes",
            hops=hops,
            proxy_command=None if hops else found.get("proxycommand"),
        )

    def _lookup(self, alias: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the options for a host. The first value counts, so ``given`` comes first."""
        # Names are not looked up here: this machine need not know them.
        first = {"CanonicalizeHostname": "no", **given}
        block = "\n".join(f"  {key} {value}" for key, value in first.items())
        text = f'Host "{alias}"\n{block}\nHost *\n{self._text}'
        try:
            return dict(paramiko.SSHConfig.from_text(text).lookup(alias))
        except (ValueError, paramiko.ConfigParseError) as error:
            raise self._fault(str(error)) from None

    def _fault(self, seen: str) -> HostError:
        file = self._settings.config_file
        return HostError(
            self._host.name,
            _STEP,
            expected=f"{file} that can be used for {self._host.address}",
            seen=seen,
            remedy=f"correct {file}, or name another file in opennebula-ha:ssh config_file"
            " (/dev/null for none)",
        )


def _names(text: str, name: str) -> bool:
    """Tell whether a Host line has that name, in a pattern that is more than ``*``."""
    for line in re.findall(r"^\s*host(?:\s*=\s*|\s+)(.+)$", text, re.IGNORECASE | re.MULTILINE):
        words = [word.strip('"') for word in line.split() if word.strip('"*?')]
        if words and paramiko.SSHConfig.from_text(
            f"Host {' '.join(words)}\n  IdentitiesOnly yes"
        ).lookup(name).get("identitiesonly"):
            return True
    return False


def _lines(path: Path, *, must_be: bool, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a file and, in their place, those of the files that it includes."""
    if depth > _DEEPEST:
        raise ValueError(f"Include goes deeper than {_DEEPEST} files")
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        if must_be:
            raise
        return
    for line in text.splitlines():
        found = re.fullmatch(r"\s*include(?:\s*=\s*|\s+)(.+?)\s*", line, re.IGNORECASE)
        if not found:
            yield line
            continue
        for included in _included(path, found[1].replace('"', "").split()):
            yield from _lines(included, must_be=True, depth=depth + 1)


def _included(path: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the files that patterns of Include mean; those of OpenSSH are relative to ~/.ssh."""
    for pattern in patterns:
        place = Path(pattern).expanduser()
        if place.is_absolute():
            yield from sorted(Path("/").glob(str(place.relative_to("/"))))
        else:
            yield from sorted(path.parent.glob(pattern))
