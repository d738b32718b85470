"""The keys that an account accepts on each front-end, and the hosts that it knows there."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from procedures.context import Access
from procedures.credentials import login_keys
from procedures.credentials.login_keys import Account, obsolete, wanted
from procedures.specs import LoginKeysSpec
from procedures.transfer import seed

KNOWN = {"n1": "n1,10.0.0.1 ssh-ed25519 H1", "n2": "n2,10.0.0.2 ssh-ed25519 H2"}


def test_each_account_accepts_its_keys_from_the_other_front_ends() -> None:
    seen = {
        "n1": {"ubuntu": Account("ssh-ed25519 U1"), "root": Account("ssh-rsa R1")},
        "n2": {"ubuntu": Account("ssh-ed25519 U2"), "root": Account("ssh-ed25519 R2")},
    }
    assert wanted(seen, KNOWN) == {
        "n1": {
            "ubuntu": Account("ssh-ed25519 U1", "ssh-ed25519 U2 ubuntu@n2", KNOWN["n2"]),
            "root": Account("ssh-rsa R1", "ssh-ed25519 R2 root@n2", KNOWN["n2"]),
        },
        "n2": {
            "ubuntu": Account("ssh-ed25519 U2", "ssh-ed25519 U1 ubuntu@n1", KNOWN["n1"]),
            "root": Account("ssh-ed25519 R2", "ssh-rsa R1 root@n1", KNOWN["n1"]),
        },
    }


def test_applying_wanted_keys_twice_changes_nothing() -> None:
    seen = {"n1": {"root": Account("K1")}, "n2": {"root": Account("K2")}}
    once = wanted(seen, KNOWN)
    assert wanted(once, KNOWN) == once


def test_a_missing_key_is_not_allowed_anywhere() -> None:
    seen = {"n1": {"root": Account("")}, "n2": {"root": Account("K2")}}
    assert wanted(seen, KNOWN)["n2"]["root"].authorized == ""


HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1]}") for name in ("n1", "n2", "n3")}
SPEC = LoginKeysSpec(users=("ubuntu",), hosts=HOSTS)


class Hosts:
    """Front-ends that log in to each other; ``failed`` and ``log`` by host."""

    def __init__(self, failed: Mapping[str, str], log: Mapping[str, str]) -> None:
        self.failed, self.log = failed, log
        self.asked: list[tuple[str, str]] = []
        self.report = lambda said: None

    def connection(self, host: Host) -> Any:
        return type("Session", (), {"port": 22, "user": "ubuntu"})

    def run(self, host: Host, name: str, **given: Any) -> Output:
        self.asked.append((host.name, name))
        if name == "try_logins":
            others = [f"{n} {one.address} 22" for n, one in HOSTS.items() if n != host.name]
            assert given["variables"] == {"users": "ubuntu", "targets": "\n".join(others)}
            return Output({"failed": self.failed.get(host.name, "")})
        return Output({"refused": self.log[host.name]})


def test_a_login_is_tried_from_each_host_to_all_others() -> None:
    hosts = Hosts({}, {})
    login_keys._try(cast(Access, hosts), SPEC)
    assert sorted(hosts.asked) == [(name, "try_logins") for name in HOSTS]


def test_one_message_has_both_hosts_and_sshds_message() -> None:
    refused = "ubuntu n3 ubuntu@10.0.0.3: Permission denied (publickey)."
    why = "User ubuntu from 10.0.0.1 not allowed because not listed in AllowUsers"
    hosts = Hosts({"n1": refused, "n2": refused}, {"n3": why})
    with pytest.raises(HostError) as caught:
        login_keys._try(cast(Access, hosts), SPEC)
    (error,) = caught.value.errors  # type: ignore[attr-defined]
    assert (error.host, error.expected) == (
        "n3",
        "ubuntu of n1, n2 to be accepted as ubuntu of n3",
    )
    assert error.seen == f"{refused.split(' ', 2)[2]}; sshd on n3: {why}"
    assert "AllowUsers" in error.remedy
    assert "opennebula-ha:ensure_keys_for" in error.remedy


def test_an_unreadable_log_still_gives_a_message() -> None:
    hosts = Hosts({"n1": "ubuntu n2 Connection closed"}, {"n2": ""})
    with pytest.raises(HostError, match="Connection closed; its log says nothing"):
        login_keys._try(cast(Access, hosts), SPEC)


def test_a_refused_transfer_shows_sshds_message() -> None:
    hosts = Hosts({}, {"n2": "Authentication refused: bad ownership or modes for directory /home"})
    said = HostError(
        "n1",
        "send the database and the keys",
        expected="the database and the keys on n2",
        seen="n2: ubuntu@10.0.0.2: Permission denied (publickey).",
        remedy="check",
    )
    error = seed._login_failed(cast(Access, hosts), HOSTS["n1"], [HOSTS["n2"], HOSTS["n3"]], said)
    assert (error.host, error.step) == ("n2", said.step)
    assert "from n1" in error.expected
    assert error.seen == f"{said.seen}; sshd on n2: {hosts.log['n2']}"
    assert "ubuntu of n1 (10.0.0.1)" in error.remedy


def test_removed_accounts_and_front_ends_lose_access() -> None:
    hosts = {name: Host(name=name, address=f"10.0.0.{n}") for n, name in enumerate("abc", 1)}
    before = LoginKeysSpec(users=("root", "ubuntu"), hosts=hosts)
    now = LoginKeysSpec(users=("root",), hosts={name: hosts[name] for name in "ab"})
    found = [(spec.users, sorted(at)) for spec, at in obsolete(before, now)]
    assert found == [(("root", "ubuntu"), ["c"]), (("ubuntu",), ["a", "b"])]
