"""Verify host keys: pinned keys, known_hosts, or the first key seen if the stack accepts it."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko

from hosts.errors import HostError
from hosts.known_hosts import Records, lookup, public_key
from hosts.models import Host, SshSettings, record_name

_STEP = "verify the host key"
_append = threading.Lock()


@dataclass(frozen=True)
class Trust(paramiko.MissingHostKeyPolicy):
    """The known keys of one host, and the revoked ones. The client itself knows no key."""

    host: Host
    settings: SshSettings
    records: Records

    def make_transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """Return a transport that prefers the types of the known keys."""
        transport = paramiko.Transport(sock, **options)
        security = transport.get_security_options()
        offered = security.key_types
        # Paramiko lists RSA keys under the names of their signatures.
        known = {
            kind
            for key in self.records.keys
            for kind in offered
            if kind == key.get_name() or (key.get_name() == "ssh-rsa" and kind.startswith("rsa-"))
        }
        security.key_types = sorted(offered, key=lambda kind: kind not in known)
        return transport

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        """Accept the key of the host, or raise HostError."""
        if key in self.records.revoked:
            raise HostError(
                self.host.name,
                _STEP,
                expected=f"a key that is not revoked in {self.settings.known_hosts_file}",
                seen=f"{fingerprint(key)}, which is",
                remedy="that key is marked as stolen or retired: give the host a new one"
                " (ssh-keygen -A after removing /etc/ssh/ssh_host_*), or remove its @revoked line",
            )
        if key in self.records.keys:
            return
        if self.records.keys:
            raise self._changed(key)
        if not self.settings.accept_new_host_keys:
            raise self._unknown(hostname, key)
        path = self.settings.known_hosts_file
        try:
            _remember(path.expanduser(), hostname, key)
        except OSError as error:
            raise HostError(
                self.host.name,
                _STEP,
                expected=f"to note down the host's key in {path}",
                seen=error.strerror or str(error),
                remedy="correct opennebula-ha:ssh known_hosts_file, or make it writable",
            ) from None

    def _changed(self, key: paramiko.PKey) -> HostError:
        pinned = self.host.name in self.settings.host_keys
        source = "opennebula-ha:ssh host_keys" if pinned else str(self.settings.known_hosts_file)
        known = self.records.keys
        expected = next((kept for kept in known if kept.get_name() == key.get_name()), known[0])
        return HostError(
            self.host.name,
            _STEP,
            expected=f"{fingerprint(expected)} as in {source}",
            seen=fingerprint(key),
            remedy=f"if the host was reinstalled, check that fingerprint on its console and replace"
            f" its key in {source}; if it was not, a third party may intercept it: do not continue",
        )

    def _unknown(self, name: str, key: paramiko.PKey) -> HostError:
        path = self.settings.known_hosts_file
        seen = "none there"
        if self.records.authority:
            seen = "only a @cert-authority there, whose certificates are not supported"
        return HostError(
            self.host.name,
            _STEP,
            expected=f"a key for {name} in {path}",
            seen=f"{seen}; the host shows {fingerprint(key)}",
            remedy="check that fingerprint on the host's console, then add the key with"
            " ssh-keyscan or pin it in opennebula-ha:ssh host_keys; accept_new_host_keys:"
            " true trusts each host's first key",
        )


def trust(
    client: paramiko.SSHClient,
    host: Host,
    port: int,
    settings: SshSettings,
    met: paramiko.PKey | None = None,
) -> Trust:
    """Have the client verify the host's key. Any unknown key ends the connection.

    ``met``: the key that this run has verified, for a file that keeps nothing, such as /dev/null.
    Raises HostError for a malformed pinned key, and for a file that cannot be read.
    """
    records = _records(host, port, settings)
    if met is not None and not records.keys:
        records = replace(records, keys=(met,))
    trusted = Trust(host, settings, records)
    client.set_missing_host_key_policy(trusted)
    return trusted


def known_key(host: Host, port: int, settings: SshSettings) -> str | None:
    """Return a known key of the host, in the form of known_hosts, without a connection.

    Prefers Ed25519; None if no key is known. Raises HostError for a record that cannot be read.
    """
    records = _records(host, port, settings)
    valid = [key for key in records.keys if key not in records.revoked]
    best = sorted(valid, key=lambda key: key.get_name() != "ssh-ed25519")[:1]
    return f"{best[0].get_name()} {best[0].get_base64()}" if best else None


def fingerprint(key: paramiko.PKey) -> str:
    """Return the type and fingerprint of a key as ssh prints it: ``ssh-ed25519 SHA256:…``."""
    return f"{key.get_name()} {key.fingerprint}"


def _records(host: Host, port: int, settings: SshSettings) -> Records:
    if host.name in settings.host_keys:
        return Records((_parse(host.name, settings.host_keys[host.name]),))
    path = settings.known_hosts_file
    try:
        text = path.expanduser().read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return Records()
    except OSError as error:
        raise HostError(
            host.name,
            _STEP,
            expected=f"host keys in {path}",
            seen=error.strerror or str(error),
            remedy="correct opennebula-ha:ssh known_hosts_file, or let this account read that file",
        ) from None
    return lookup(text, record_name(host.login_address, port))


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
        return public_key(kind, data)
    except ValueError as error:
        raise HostError(
            host,
            _STEP,
            expected="a public key such as 'ssh-ed25519 AAAA…' in opennebula-ha:ssh host_keys",
            seen=str(error),
            remedy="copy the line from the host's /etc/ssh/ssh_host_ed25519_key.pub",
        ) from None
