"""The keys for a login: the stack's, those of ~/.ssh/config, the agent's, and default files."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from hosts.errors import HostError
from hosts.host_keys import fingerprint
from hosts.models import SshSettings
from hosts.ssh_config import Login

_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")


class _LockedError(Exception):
    """A private key has a passphrase."""


@dataclass(frozen=True)
class Keys:
    """Keys to try, in this order."""

    first: paramiko.PKey | None = None
    files: tuple[Path, ...] = ()
    agent: bool = False
    """All keys of the agent are tried."""
    defaults: bool = False
    """The default files in ~/.ssh are tried."""
    config_files: tuple[Path, ...] = ()
    """Files in ~/.ssh/config."""

    def __str__(self) -> str:
        if self.first is not None and not self.agent:
            return fingerprint(self.first)
        named = ", ".join(map(str, self.config_files))
        return f"{named} or the agent's keys" if named else "the agent's and default keys"

    def locked(self) -> list[Path]:
        """Return the files that were not tried because they have a passphrase."""
        usual = (Path("~/.ssh").expanduser() / name for name in _USUAL) if self.defaults else ()
        return [file for file in (*self.config_files, *usual) if _is_locked(file)]


def find(host: str, login: Login, settings: SshSettings) -> Keys:
    """Return the keys for a login. Raises HostError for a key of the stack that cannot be read."""
    if settings.private_key is not None or settings.private_key_file is not None:
        return Keys(_of_stack(host, settings))
    locked = [file for file in login.key_files if _is_locked(file)]
    # sshd limits the number of attempts: of many keys in an agent, try the configured one first.
    return Keys(
        next((key for file in locked if (key := _in_agent(file))), None),
        tuple(file for file in login.key_files if file not in locked),
        agent=not login.only_these_keys,
        defaults=not login.key_files,
        config_files=login.key_files,
    )


def _of_stack(host: str, settings: SshSettings) -> paramiko.PKey:
    """Return the stack's own key, from the agent if it has a passphrase."""
    file, remedy = None, "correct that key"
    try:
        if settings.private_key is not None:
            source = "opennebula-ha:ssh private_key"
            return _read(settings.private_key.get_secret_value())
        assert settings.private_key_file is not None  # noqa: S101 - asked for only then
        file = settings.private_key_file.expanduser()
        source, remedy = str(file), "correct that path"
        return _from_file(file)
    except OSError as error:
        seen = f"{error.strerror}: {error.filename}"
    except _LockedError:
        if file is not None and (key := _in_agent(file)):
            return key
        seen = "a key with a passphrase" + (", which the agent does not have" if file else "")
        remedy = (
            f"run ssh-add {source}, then run again"
            if file
            else "take the passphrase off a copy (ssh-keygen -p -N '' -f FILE) and set that"
        )
    except (ValueError, paramiko.SSHException):
        seen = "something else"
    raise HostError(
        host,
        "read the SSH key",
        expected=f"a private key in {source}",
        seen=seen,
        remedy=remedy,
    )


def _read(text: str) -> paramiko.PKey:
    """Return the private key in a text, also with Windows line ends.

    Raises _LockedError, or ValueError.
    """
    text = text.replace("\r\n", "\n").strip() + "\n"
    for kind in _KINDS:
        try:
            key: paramiko.PKey = kind.from_private_key(io.StringIO(text))
        except paramiko.PasswordRequiredException:
            raise _LockedError from None
        except (paramiko.SSHException, ValueError, IndexError, TypeError):
            continue
        return key
    raise ValueError("no key of a known type")


def _from_file(file: Path) -> paramiko.PKey:
    try:
        key: paramiko.PKey = paramiko.PKey.from_path(file)
    except (paramiko.PasswordRequiredException, TypeError):
        raise _LockedError from None
    except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return _read(file.read_text(encoding="utf-8-sig"))
    return key


def _is_locked(file: Path) -> bool:
    try:
        _from_file(file)
    except _LockedError:
        return True
    except (OSError, ValueError):
        pass
    return False


def _in_agent(file: Path) -> paramiko.PKey | None:
    """Return the agent's key for a private key file, identified by the .pub file next to it."""
    try:
        kind, data = file.with_name(f"{file.name}.pub").read_text(encoding="utf-8").split()[:2]
    except (OSError, ValueError):
        return None
    return next(
        (key for key in agent_keys() if [key.get_name(), key.get_base64()] == [kind, data]), None
    )


def agent_keys() -> Sequence[paramiko.PKey]:
    """Return the keys of the agent on this machine; none if no agent runs."""
    try:
        return paramiko.Agent().get_keys()
    except (OSError, paramiko.SSHException):
        return ()
