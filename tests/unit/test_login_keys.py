"""Whose keys an account takes on which front-end, and which hosts it knows there."""

from hosts.models import Host
from procedures.credentials.login_keys import Account, obsolete, wanted
from procedures.specs import LoginKeysSpec

KNOWN = {"n1": "n1,10.0.0.1 ssh-ed25519 H1", "n2": "n2,10.0.0.2 ssh-ed25519 H2"}


def test_each_account_takes_the_keys_of_the_same_account_on_the_others() -> None:
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


def test_what_is_so_already_is_what_is_wanted() -> None:
    seen = {"n1": {"root": Account("K1")}, "n2": {"root": Account("K2")}}
    once = wanted(seen, KNOWN)
    assert wanted(once, KNOWN) == once


def test_a_key_that_is_not_there_is_allowed_nowhere() -> None:
    seen = {"n1": {"root": Account("")}, "n2": {"root": Account("K2")}}
    assert wanted(seen, KNOWN)["n2"]["root"].authorized == ""


def test_what_left_the_stack_is_let_in_nowhere_and_what_left_the_list_not_here() -> None:
    hosts = {name: Host(name=name, address=f"10.0.0.{n}") for n, name in enumerate("abc", 1)}
    before = LoginKeysSpec(users=("root", "ubuntu"), hosts=hosts)
    now = LoginKeysSpec(users=("root",), hosts={name: hosts[name] for name in "ab"})
    found = [(spec.users, sorted(at)) for spec, at in obsolete(before, now)]
    assert found == [(("root", "ubuntu"), ["c"]), (("ubuntu",), ["a", "b"])]
