"""Which host keys are trusted, and the form of a bastion."""

import socket
import threading
from pathlib import Path
from typing import Any

import paramiko
import pytest

from hosts import host_keys, models
from hosts.errors import HostError
from hosts.models import Host, HostSsh, SshSettings, parse_hops


def new_key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


KEY, OTHER = new_key(), new_key()
HOST = Host(name="n1a1", address="10.2.50.10")


def line(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def meet(settings: SshSettings, key: paramiko.PKey, port: int = 22) -> None:
    """Return the client's result for a host that shows that key."""
    client: Any = paramiko.SSHClient()
    host_keys.trust(client, HOST, port, settings)
    assert not client.get_host_keys()
    client._policy.missing_host_key(client, models.record_name(HOST.address, port), key)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ssh" / "known_hosts"


def written(file: Path, text: str) -> SshSettings:
    file.parent.mkdir()
    file.write_text(text)
    return SshSettings(known_hosts_file=file)


@pytest.mark.parametrize(("port", "name"), [(22, "10.2.50.10"), (2222, "[10.2.50.10]:2222")])
def test_a_key_in_known_hosts_is_trusted(file: Path, port: int, name: str) -> None:
    meet(written(file, f"{name} {line(KEY)}\n"), KEY, port)


def test_a_pinned_key_is_trusted_without_any_file(file: Path) -> None:
    meet(SshSettings(known_hosts_file=file, host_keys={"n1a1": line(KEY)}), KEY)
    assert not file.exists()


def test_a_pinned_key_takes_precedence_over_the_file(file: Path) -> None:
    settings = written(file, f"10.2.50.10 {line(OTHER)}\n")
    pinned = settings.model_copy(update={"host_keys": {"n1a1": f"{line(KEY)} a comment"}})
    meet(pinned, KEY)
    with pytest.raises(HostError, match="as in opennebula-ha:ssh host_keys"):
        meet(pinned, OTHER)


def test_a_changed_key_is_refused_even_if_new_keys_are_accepted(file: Path) -> None:
    settings = written(file, f"10.2.50.10 {line(KEY)}\n")
    with pytest.raises(HostError) as caught:
        meet(settings.model_copy(update={"accept_new_host_keys": True}), OTHER)
    error = caught.value
    assert error.host == "n1a1"
    assert error.expected == f"{host_keys.fingerprint(KEY)} as in {file}"
    assert error.seen == host_keys.fingerprint(OTHER)
    assert "reinstalled" in error.remedy


def test_an_unknown_key_is_refused_with_its_fingerprint(file: Path) -> None:
    with pytest.raises(HostError) as caught:
        meet(SshSettings(known_hosts_file=file), KEY)
    assert host_keys.fingerprint(KEY) in caught.value.seen
    assert "accept_new_host_keys" in caught.value.remedy
    assert not file.exists()


def test_the_first_key_is_recorded_if_configured(file: Path) -> None:
    settings = SshSettings(known_hosts_file=file, accept_new_host_keys=True)
    meet(settings, KEY)
    assert file.read_text() == f"10.2.50.10 {line(KEY)}\n"
    assert file.parent.stat().st_mode & 0o077 == 0
    meet(settings, KEY)
    with pytest.raises(HostError, match="reinstalled"):
        meet(settings, OTHER)


@pytest.mark.parametrize("accepts", [False, True])
def test_a_revoked_key_is_always_refused(file: Path, accepts: bool) -> None:
    settings = written(file, f"10.2.50.10 {line(KEY)}\n@revoked * {line(KEY)}\n")
    settings = settings.model_copy(update={"accept_new_host_keys": accepts})
    with pytest.raises(HostError) as caught:
        meet(settings, KEY)
    assert f"not revoked in {file}" in caught.value.expected
    assert "@revoked" in caught.value.remedy
    assert host_keys.known_key(HOST, 22, settings) is None
    with pytest.raises(HostError, match="as in"):
        meet(settings, OTHER)


def test_an_authority_in_known_hosts_is_reported_as_unsupported(file: Path) -> None:
    settings = written(file, f"@cert-authority * {line(OTHER)}\n")
    with pytest.raises(HostError) as caught:
        meet(settings, KEY)
    assert "@cert-authority" in caught.value.seen
    assert host_keys.fingerprint(KEY) in caught.value.seen
    assert "ssh-keyscan" in caught.value.remedy
    with pytest.raises(HostError, match="@cert-authority"):
        meet(settings, OTHER)


def test_any_of_several_recorded_keys_is_accepted(file: Path) -> None:
    settings = written(file, f"10.2.50.10 {line(KEY)}\n10.2.50.10 {line(OTHER)}\n")
    meet(settings, KEY)
    meet(settings, OTHER)


def test_recorded_key_types_are_requested_first(file: Path) -> None:
    rsa = paramiko.RSAKey.generate(2048)
    settings = written(file, f"10.2.50.10 {line(rsa)}\n")
    trusted = host_keys.trust(paramiko.SSHClient(), HOST, 22, settings)
    one, other = socket.socketpair()
    with one, other:
        kinds = trusted.make_transport(one).get_security_options().key_types
    assert kinds[0].startswith("rsa-sha2")
    assert "ssh-ed25519" in kinds


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="known_hosts_file") as caught:
        meet(SshSettings(known_hosts_file=tmp_path), KEY)
    assert caught.value.seen == "Is a directory"


def test_keys_recorded_at_the_same_time_stay_whole_lines(file: Path) -> None:
    settings = SshSettings(known_hosts_file=file, accept_new_host_keys=True)
    ports = range(3000, 3010)
    threads = [threading.Thread(target=meet, args=(settings, KEY, port)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(file.read_text().splitlines()) == [
        f"[10.2.50.10]:{port} {line(KEY)}" for port in ports
    ]


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 %%%", "ssh-none AAAA"])
def test_an_invalid_pinned_key_is_refused(text: str) -> None:
    with pytest.raises(HostError) as caught:
        meet(SshSettings(host_keys={"n1a1": text}), KEY)
    assert "ssh_host_ed25519_key.pub" in caught.value.remedy


def test_a_fingerprint_is_the_one_that_ssh_prints() -> None:
    assert host_keys.fingerprint(KEY).split() == [KEY.get_name(), KEY.fingerprint]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("gate", ("", "gate", 0)),
        ("ops@gate.example.org", ("ops", "gate.example.org", 0)),
        ("gate:2222", ("", "gate", 2222)),
        ("ops@10.0.0.1:65535", ("ops", "10.0.0.1", 65535)),
        ("ops@[fd00::1]:22", ("ops", "fd00::1", 22)),
    ],
)
def test_a_bastion_is_a_host_with_or_without_user_and_port(
    text: str, place: tuple[str, str, int]
) -> None:
    assert parse_hops(text) == [place]
    assert parse_hops(f"a, {text}") == [("", "a", 0), place]
    assert SshSettings(bastion=text).bastion == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops@",
        "ops@:22",
        "gate:ssh",
        "gate:",
        "gate:0",
        "gate:65536",
        "gate:-1",
        "a b",
        "a:1:2",
        "a,",
        ",a",
        "fd00::1",
    ],
)
def test_a_bastion_of_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_hops(text)


def test_the_record_is_that_of_the_login_address(file: Path) -> None:
    key = new_key()
    host = HOST.model_copy(update={"ssh": HostSsh(address="192.0.2.10")})
    settings = written(file, f"192.0.2.10 {line(key)}\n")
    assert host_keys.known_key(host, 22, settings) == line(key)
    assert host_keys.known_key(HOST, 22, settings) is None
