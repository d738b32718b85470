"""The login to a host: the values of the stack, and for the rest ~/.ssh/config."""

from pathlib import Path
from typing import Any

import pytest

from hosts import ssh_config
from hosts.errors import HostError
from hosts.models import Host, SshSettings
from hosts.ssh_config import Login

HOST = Host(name="n1a1", address="10.2.50.10")


def way(folder: Path, text: str, host: Host = HOST, **stack: Any) -> Login:
    """Return the login to that host for an operator with that file."""
    file = folder / "config"
    file.write_bytes(text.encode())
    settings = SshSettings.model_validate({"config_file": str(file), **stack})
    return ssh_config.login(host, settings)


def refused(folder: Path, text: str, **stack: Any) -> HostError:
    with pytest.raises(HostError) as caught:
        way(folder, text, **stack)
    assert caught.value.step == "read the SSH client's configuration"
    assert "config_file" in caught.value.remedy
    return caught.value


def test_without_a_file_only_the_stack_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Login("10.2.50.10", 22, "root")
    assert way(tmp_path, "") == plain
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert ssh_config.login(HOST, SshSettings()) == plain
    named = SshSettings(config_file=tmp_path / "none")
    with pytest.raises(HostError) as caught:
        ssh_config.login(HOST, named)
    assert caught.value.seen == "No such file or directory"


@pytest.mark.parametrize(
    "hosts", ["n1a1", "10.2.50.10", "n1a?", "10.2.50.*", "x n1a1", '"n1a1"', "n* !n1a2"]
)
def test_a_block_for_the_name_or_the_address_counts(tmp_path: Path, hosts: str) -> None:
    text = f"Host {hosts}\n  User ops\n  Port 2222\nHost *\n  User all\n  Port 22\n"
    assert way(tmp_path, text) == Login("10.2.50.10", 2222, "ops")


def test_a_block_for_other_hosts_does_not_count(tmp_path: Path) -> None:
    text = "Host n1a2 10.2.50.1\n  User ops\nHost n* !n1a1\n  Port 2222\n"
    assert way(tmp_path, text) == Login("10.2.50.10", 22, "root")


def test_values_of_the_stack_take_precedence(tmp_path: Path) -> None:
    text = "User early\nHost *\n  Port 2222\n  HostName 192.0.2.1\n  ProxyJump gate\n"
    # An address is also used by the other front-ends: it is always the stack's.
    assert way(tmp_path, text).address == "10.2.50.10"
    assert way(tmp_path, text).hops == (Login("192.0.2.1", 2222, "early"),)
    assert way(tmp_path, text, user="ubuntu", port=22, bastion="none") == Login(
        "10.2.50.10", 22, "ubuntu"
    )
    own = Host.model_validate({**HOST.model_dump(), "ssh": {"user": "me", "port": 23}})
    found = way(tmp_path, text, own, user="ubuntu")
    assert (found.user, found.port) == ("me", 23)


def test_several_jump_hosts_each_have_their_own_block(tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.write_text("a key")
    text = (
        "Host n1a*\n  ProxyJump first,me@second:2222\n"
        f"Host first\n  HostName 192.0.2.1\n  User ops\n  IdentityFile {key}\n  ProxyJump outer\n"
        "Host second\n  HostName 10.9.9.2\n  User no\n  ProxyJump none\n"
        "Host outer\n  Port 443\n  ProxyCommand nc -x proxy %h %p\n"
    )
    found = way(tmp_path, text, user="ubuntu")
    assert found.hops == (
        Login("outer", 443, "ubuntu", proxy_command="nc -x proxy outer 443"),
        Login("192.0.2.1", 22, "ops", (key,)),
        Login("10.9.9.2", 2222, "me"),
    )
    assert found.proxy_command is None
    # The stack's bastion is used instead, with its own block.
    found = way(tmp_path, text, user="ubuntu", bastion="second")
    assert found.hops == (Login("10.9.9.2", 22, "no"),)
    found = way(tmp_path, text, user="ubuntu", bastion="a, b@[fd00::1]:23")
    assert found.hops == (Login("a", 22, "ubuntu"), Login("fd00::1", 23, "b"))


def test_a_proxy_command_connects_to_the_host(tmp_path: Path) -> None:
    text = "Host n1a1\n  HostName other\n  ProxyCommand ssh -W %h:%p %r@gate\n  Port 2200\n"
    assert way(tmp_path, text, user="me").proxy_command == "ssh -W 10.2.50.10:2200 me@gate"
    assert way(tmp_path, "ProxyCommand none\n").proxy_command is None
    assert way(tmp_path, text, bastion="gate").proxy_command is None


def test_existing_keys_are_used_unless_the_stack_has_one(tmp_path: Path) -> None:
    here = tmp_path / "one"
    here.write_text("a key")
    text = f"IdentityFile {tmp_path}/gone\nIdentityFile {here}\nIdentitiesOnly yes\n"
    found = way(tmp_path, text)
    assert (found.key_files, found.only_these_keys) == ((here,), True)
    assert way(tmp_path, text, private_key_file="other").key_files == ()


def test_a_file_made_on_windows_with_includes_is_read(tmp_path: Path) -> None:
    (tmp_path / "more.d").mkdir()
    (tmp_path / "more.d" / "a").write_text("Host n1a1\n  User included\n")
    text = '\ufeff# mine\r\nInclude "more.d/*" none.d/*\r\nHost *\r\n\tUser=other\r\n\tPort\t23\r\n'
    assert way(tmp_path, text) == Login("10.2.50.10", 23, "included")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Host *\n  Port\n", "Unparsable line Port"),
        ("Port ssh\n", "Port ssh"),
        ("Port 70000\n", "Port 70000"),
        ("ProxyJump a b\n", "ProxyJump: expected [user@]host[:port], saw 'a b'"),
        ("Host a\nProxyJump b\nHost *\nProxyJump a\n", "through more than 8 hosts, or in a circle"),
        ('Host "n1a1\n', "Unparsable host"),
        ("Match host\n", "Missing parameter"),
        ("Match tagged work\n  User a\n", "Match tagged: a condition that is not supported"),
        ("Match host n1a1 !version OpenSSH_9.*\n", "Match version: a condition"),
        ('Match host "n1a1\n', "No closing quotation"),
        ("Include config\n", "Include goes deeper than 16 files"),
    ],
)
def test_an_unusable_file_is_named_with_the_reason(tmp_path: Path, text: str, seen: str) -> None:
    assert seen in refused(tmp_path, text).seen


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ("User ops # mine", "ops"),
        ("User ops\t#mine", "ops"),
        ('User "ops # mine"', "ops # mine"),
        ("User ops#1", "ops#1"),
        ("User ops # who's", "ops"),
        ("Match host 10.2.50.10 # mine\n  User ops", "ops"),
        ("Match originalhost n1a1 !user x\n  User ops", "ops"),
        ("Match all\n  User ops", "ops"),
        ("Match Host 10.2.50.10\n  User ops", "ops"),
        ("Match Host elsewhere\n  User theirs\nMatch All\n  User ops", "ops"),
        ("Include more # mine", "included"),
        ("  # Host\nUser ops", "ops"),
    ],
)
def test_comments_and_conditions_are_read_as_openssh_does(
    tmp_path: Path, line: str, user: str
) -> None:
    (tmp_path / "more").write_text("User included\n")
    assert way(tmp_path, f"Host n1a1\n  Port 2222\n{line}\n").user == user


def test_the_command_of_a_proxy_may_have_a_number_sign(tmp_path: Path) -> None:
    command = "sh -c 'nc %h 22 # x'"
    assert way(tmp_path, f"ProxyCommand {command}\n").proxy_command == command.replace(
        "%h", "10.2.50.10"
    )


def test_no_file_ends_in_another_error(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xff\xfe\0H\0o\n")
    refused_or_not = SshSettings(config_file=tmp_path / "config")
    with pytest.raises(HostError):
        ssh_config.login(HOST, refused_or_not)
    with pytest.raises(HostError):
        ssh_config.login(HOST, SshSettings(config_file=tmp_path))
