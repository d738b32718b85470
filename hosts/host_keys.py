"""Whose host key is trusted: pinned keys, known_hosts, or the first one seen where asked for."""

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko

from hosts.errors import HostError
from hosts.models import Host, SshSettings

_STEP = "verify the host key"
_append = threading.Lock()


def trust(client: paramiko.SSHClient, host: Host, port: int, settings: SshSettings) -> None:
    """Tell the client which keys it may meet; any other ends the connection.

    Raises HostError for a pinned key that is none, and for a file that cannot be read.
    """
    pinned = settings.host_keys.get(host.name)
    known_hosts = settings.known_hosts_file.expanduser()
    if pinned is not None:
        key = _parse(host.name, pinned)
        client.get_host_keys().add(record_name(host.address, port), key.get_name(), key)
    elif known_hosts.exists():
        _load(client.load_system_host_keys, host.name, known_hosts)
    client.set_missing_host_key_policy(_Unknown(host.name, settings))


def known_key(host: Host, port: int, settings: SshSettings) -> str | None:
    """The host's key on record, as it stands in a known_hosts file; asks nobody.

    Of several, Ed25519 first. Raises HostError for a record that cannot be read.
    """
    if host.name in settings.host_keys:
        key = _parse(host.name, settings.host_keys[host.name])
        return f"{key.get_name()} {key.get_base64()}"
    known = paramiko.HostKeys()
    file = settings.known_hosts_file.expanduser()
    if file.exists():
        _load(known.load, host.name, file)
    found = known.lookup(record_name(host.address, port))
    kinds = sorted(found or (), key=lambda kind: kind != "ssh-ed25519")
    return f"{kinds[0]} {found[kinds[0]].get_base64()}" if found and kinds else None


def changed(host: Host, settings: SshSettings, error: paramiko.BadHostKeyException) -> HostError:
    """The error for a host that shows another key than the trusted one."""
    pinned = host.name in settings.host_keys
    source = "opennebula-ha:ssh host_keys" if pinned else str(settings.known_hosts_file)
    return HostError(
        host.name,
        _STEP,
        expected=f"{fingerprint(error.expected_key)} as in {source}",
        seen=fingerprint(error.key),
        remedy=f"if the host was reinstalled, check that fingerprint on its console and replace"
        f" its key in {source}; if it was not, somebody may stand in between: do not go on",
    )


def fingerprint(key: paramiko.PKey) -> str:
    """``ssh-ed25519 SHA256:…`` as ssh prints it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return f"{key.get_name()} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def record_name(address: str, port: int) -> str:
    """The name of a host in a known_hosts file."""
    return address if port == 22 else f"[{address}]:{port}"


class _Unknown(paramiko.MissingHostKeyPolicy):
    """What to do about a host whose key is on no record."""

    def __init__(self, host: str, settings: SshSettings) -> None:
        self._host = host
        self._settings = settings

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        path = self._settings.known_hosts_file
        if not self._settings.accept_new_host_keys:
            raise HostError(
                self._host,
                _STEP,
                expected=f"a key for {hostname} in {path}",
                seen=f"none there; the host shows {fingerprint(key)}",
                remedy="check that fingerprint on the host's console, then add the key with"
                " ssh-keyscan or pin it in opennebula-ha:ssh host_keys; accept_new_host_keys:"
                " true trusts each host's first key",
            )
        try:
            _remember(path.expanduser(), hostname, key)
        except OSError as error:
            raise HostError(
                self._host,
                _STEP,
                expected=f"to note down the host's key in {path}",
                seen=error.strerror or str(error),
                remedy="correct opennebula-ha:ssh known_hosts_file, or make it writable",
            ) from None


def _load(load: Callable[[str], None], host: str, path: Path) -> None:
    try:
        load(str(path))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise HostError(
            host,
            _STEP,
            expected=f"host keys in {path}",
            seen=getattr(error, "strerror", None) or str(error) or type(error).__name__,
            remedy="correct opennebula-ha:ssh known_hosts_file, or mend that file",
        ) from None


def _remember(path: Path, name: str, key: paramiko.PKey) -> None:
    with _append:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        cut_off = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size
        with path.open("a", encoding="ascii") as known_hosts:
            known_hosts.write("\n" if cut_off else "")
            known_hosts.write(f"{name} {key.get_name()} {key.get_base64()}\n")


def _parse(host: str, text: str) -> paramiko.PKey:
    try:
        kind, data = text.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(data))
    except (
        ValueError,
        binascii.Error,
        paramiko.SSHException,
        paramiko.pkey.UnknownKeyType,
    ) as error:
        raise HostError(
            host,
            _STEP,
            expected="a public key such as 'ssh-ed25519 AAAA…' in opennebula-ha:ssh host_keys",
            seen=str(error),
            remedy="copy the line from the host's /etc/ssh/ssh_host_ed25519_key.pub",
        ) from None
