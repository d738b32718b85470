"""How to log in to a host: the stack's settings, and the operator's ~/.ssh/config."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko

from hosts.errors import HostError
from hosts.models import Host, SshSettings, parse_hops

_STEP = "read the SSH client's configuration"
_OPTIONS = {"user": "User", "port": "Port", "bastion": "ProxyJump"}
"""What the stack may set of an SSH client's configuration: its settings and their options."""
_MOST_HOPS = 8
_DEEPEST = 16
"""OpenSSH's limit for nested Include."""
_COMMENT = re.compile(r"""(?i)^(?!\s*proxycommand)((?:"[^"]*"|'[^']*'|[^"'])*?)\s#.*$""")
"""A line with a comment at its end, outside quotes. OpenSSH passes all of a command to a shell."""
_WITHOUT_VALUE = ("all", "canonical", "final")
_CONDITIONS = (*_WITHOUT_VALUE, "host", "originalhost", "user", "localuser", "exec")
"""The conditions of Match that paramiko knows."""
_MATCH = re.compile(r"(\s*match(?:\s*=\s*|\s+))(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Login:
    """Address, user, keys and jump hosts of a login."""

    address: str
    port: int
    user: str
    key_files: tuple[Path, ...] = ()
    only_these_keys: bool = False
    """Of the agent's keys, use only these."""
    hops: "tuple[Login, ...]" = ()
    """The jump hosts, the first one first."""
    proxy_command: str | None = None
    """A command on this machine that replaces the connection to the first hop, or to the host."""


def login(host: Host, settings: SshSettings) -> Login:
    """Return how to log in to a front-end.

    The stack's settings take precedence. In the file, the blocks for the front-end's name apply if
    a Host line has it, otherwise those for its address. Raises HostError for an invalid file.
    """
    return _Reader(host, settings).login()


class _Reader:
    def __init__(self, host: Host, settings: SshSettings) -> None:
        self._host = host
        self._settings = settings
        try:
            required = "config_file" in settings.model_fields_set
            lines = _lines(settings.config_file.expanduser(), required=required)
            self._text = "\n".join(map(_with_known_conditions, lines))
            paramiko.SSHConfig.from_text(self._text)
        except (OSError, ValueError, paramiko.ConfigParseError) as error:
            raise self._fault(getattr(error, "strerror", None) or str(error)) from None

    def login(self) -> Login:
        settings = self._settings
        name, address = self._host.name, self._host.login_address
        alias = name if _names(self._text, name) else address
        common = settings.model_dump(include={*_OPTIONS}, exclude_unset=True)
        given = {**common, **self._host.ssh.model_dump(exclude_none=True)}
        overrides = {option: given[key] for key, option in _OPTIONS.items() if given.get(key)}
        options = self._lookup(alias, {"HostName": address, **overrides})
        if settings.private_key is not None or settings.private_key_file is not None:
            options.pop("identityfile", None)
        user = options.get("user", settings.user)
        return self._login(options, user, self._hops(options, user))

    def _hops(self, options: dict[str, Any], user: str, depth: int = 0) -> tuple[Login, ...]:
        jump = options.get("proxyjump") or "none"
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
        for hop_user, name, port in hops:
            overrides = {"User": hop_user} if hop_user else {}
            if port:
                overrides["Port"] = str(port)
            hop = self._lookup(name, overrides)
            # Only the first hop may have jump hosts itself. One that is configured for all hosts
            # (Host *) does not apply to the jump host itself.
            own = hop.get("proxyjump") != jump and not logins
            before = self._hops(hop, user, depth + len(hops)) if own else ()
            logins += [*before, self._login(hop, hop.get("user", user), ())]
        return (*logins[:1], *(replace(login, proxy_command=None) for login in logins[1:]))

    def _login(self, options: dict[str, Any], user: str, hops: tuple[Login, ...]) -> Login:
        keys = (Path(text).expanduser() for text in options.get("identityfile", ()))
        try:
            port = int(options.get("port", 22))
        except ValueError:
            port = 0
        if not 1 <= port <= 65535:
            raise self._fault(f"Port {options['port']}")
        return Login(
            address=options["hostname"],
            port=port,
            user=user,
            key_files=tuple(key for key in keys if key.is_file()),
            only_these_keys=options.get("identitiesonly", "no").lower() == "yes",
            hops=hops,
            proxy_command=None if hops else options.get("proxycommand"),
        )

    def _lookup(self, alias: str, overrides: dict[str, Any]) -> dict[str, Any]:
        """Return the options for a host. The first value of an option counts."""
        # This machine need not be able to resolve the name.
        first = {"CanonicalizeHostname": "no", **overrides}
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
    """Return whether a Host line has that name, in another pattern than ``*``."""
    for line in re.findall(r"^\s*host(?:\s*=\s*|\s+)(.+)$", text, re.IGNORECASE | re.MULTILINE):
        words = [word.strip('"') for word in line.split() if word.strip('"*?')]
        if words and paramiko.SSHConfig.from_text(
            f"Host {' '.join(words)}\n  IdentitiesOnly yes"
        ).lookup(name).get("identitiesonly"):
            return True
    return False


def _with_known_conditions(line: str) -> str:
    """Return a line with the conditions of Match as paramiko spells them.

    Raises ValueError for one that it does not know: it would be fulfilled.
    """
    found = _MATCH.fullmatch(line)
    if not found:
        return line
    words = iter(re.findall(r'(?:"[^"]*"|\S)+', found[2]))
    known = []
    for word in words:
        known.append(word.lower())
        condition = known[-1].removeprefix("!")
        if condition not in _CONDITIONS:
            raise ValueError(f"Match {condition}: a condition that is not supported")
        if condition not in _WITHOUT_VALUE:
            known.append(next(words, ""))
    return found[1] + " ".join(known)


def _lines(path: Path, *, required: bool, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a file, with the contents of included files."""
    if depth > _DEEPEST:
        raise ValueError(f"Include goes deeper than {_DEEPEST} files")
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        if required:
            raise
        return
    for line in (_COMMENT.sub(r"\1", commented) for commented in text.splitlines()):
        found = re.fullmatch(r"\s*include(?:\s*=\s*|\s+)(.+?)\s*", line, re.IGNORECASE)
        if not found:
            yield line
            continue
        for included in _included(path, found[1].replace('"', "").split()):
            yield from _lines(included, required=True, depth=depth + 1)


def _included(path: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the files that patterns of Include match, relative to the folder of ``path``."""
    for pattern in patterns:
        expanded = Path(pattern).expanduser()
        if expanded.is_absolute():
            yield from sorted(Path("/").glob(str(expanded.relative_to("/"))))
        else:
            yield from sorted(path.parent.glob(pattern))
