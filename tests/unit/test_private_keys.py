"""The keys that a login tries, and the message for a key that cannot be used."""

import base64
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hosts import private_keys
from hosts.errors import HostError
from hosts.models import SshSettings
from hosts.ssh_config import Login

LOGIN = Login("10.2.50.10", 22, "ubuntu")


def write(file: Path, passphrase: str = "", *, ends: str = "\n") -> paramiko.PKey:
    """Write a new key to a file, with its public key next to it."""
    made = Ed25519PrivateKey.generate()
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
    openssh = serialization.PrivateFormat.OpenSSH
    text = made.private_bytes(serialization.Encoding.PEM, openssh, locked)
    public = made.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    file.write_bytes(text.replace(b"\n", ends.encode()))
    file.with_name(f"{file.name}.pub").write_bytes(public + b" name\n")
    kind, data = public.decode().split()
    assert kind == "ssh-ed25519"
    key: paramiko.PKey = paramiko.Ed25519Key(data=base64.b64decode(data))
    return key


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> list[paramiko.PKey]:
    """Return the keys of an agent."""
    keys: list[paramiko.PKey] = []
    monkeypatch.setattr(private_keys, "agent_keys", lambda: keys)
    return keys


def failed(settings: SshSettings) -> HostError:
    with pytest.raises(HostError) as caught:
        private_keys.find("n1a1", LOGIN, settings)
    assert caught.value.step == "read the SSH key"
    return caught.value


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_only_the_stacks_key_is_used_also_with_windows_line_ends(tmp_path: Path, ends: str) -> None:
    key = write(tmp_path / "id", ends=ends)
    settings = SshSettings(private_key_file=tmp_path / "id")
    found = private_keys.find("n1a1", LOGIN, settings)
    assert found == private_keys.Keys(key)
    text = (tmp_path / "id").read_bytes().decode()
    settings = SshSettings.model_validate({"private_key": text})
    assert private_keys.find("n1a1", LOGIN, settings) == private_keys.Keys(key)


def test_a_key_with_a_passphrase_is_used_through_the_agent(
    tmp_path: Path, agent: list[paramiko.PKey]
) -> None:
    file = tmp_path / "id"
    settings = SshSettings(private_key_file=file)
    key = write(file, "a passphrase")
    agent.append(write(tmp_path / "other"))
    said = failed(settings)
    assert said.seen == "a key with a passphrase, which the agent does not have"
    assert said.remedy == f"run ssh-add {file}, then run again"
    text = SshSettings.model_validate({"private_key": file.read_text()})
    assert "ssh-keygen -p" in failed(text).remedy
    agent.append(key)
    assert private_keys.find("n1a1", LOGIN, settings) == private_keys.Keys(key)


@pytest.mark.parametrize(
    "text", ["", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "\0"]
)
def test_a_file_that_is_not_a_key_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "id").write_text(text)
    said = failed(SshSettings(private_key_file=tmp_path / "id"))
    assert (said.seen, said.remedy) == ("something else", "correct that path")
    assert failed(SshSettings(private_key_file=tmp_path)).seen.startswith("Is a directory")
    assert failed(SshSettings(private_key_file=tmp_path / "gone")).seen.startswith("No such file")


def test_keys_of_the_ssh_config_precede_those_of_the_agent(
    tmp_path: Path, agent: list[paramiko.PKey]
) -> None:
    plain, locked = tmp_path / "plain", tmp_path / "locked"
    write(plain)
    key = write(locked, "a passphrase")
    login = Login("10.2.50.10", 22, "ubuntu", (plain, locked))
    found = private_keys.find("n1a1", login, SshSettings())
    assert (found.first, found.files, found.agent, found.defaults) == (None, (plain,), True, False)
    assert found.locked() == [locked]
    assert str(found) == f"{plain}, {locked} or the agent's keys"
    agent.append(key)
    only = Login("10.2.50.10", 22, "ubuntu", (locked,), only_these_keys=True)
    found = private_keys.find("n1a1", only, SshSettings())
    assert (found.first, found.files, found.agent) == (key, (), False)


def test_default_keys_with_a_passphrase_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    write(tmp_path / ".ssh" / "id_ed25519", "a passphrase")
    found = private_keys.find("n1a1", LOGIN, SshSettings())
    assert (found.agent, found.defaults) == (True, True)
    assert found.locked() == [tmp_path / ".ssh" / "id_ed25519"]
