"""How a server differs from the leader: real differences, and writes on their way."""

from typing import Any

import pytest

from opennebula.zone import ServerEntry, endpoint
from procedures.facts.facts import Facts, KeyFile
from procedures.install.configuration import with_server_id
from procedures.replica_drift import lasting, mismatches, tables
from tests.unit.test_procedures import facts

ENTRY = ServerEntry(1, "n1a1", endpoint("n1a1"))
ONE_KEY, SSH_KEY = "/var/lib/one/.one/one_key", "/var/lib/one/.ssh/id_rsa"
HOOKS, VMM = "/var/lib/one/remotes/hooks", "/var/lib/one/remotes/vmm"


def server(number: int = 1, **changes: Any) -> Facts:
    given = {
        "oned_conf": with_server_id("", number),
        "keys": keys({ONE_KEY: "k", SSH_KEY: "s"}),
        "remotes": {HOOKS: "h", VMM: "v"},
    }
    return facts(**{**given, **changes})


def keys(digests: dict[str, str]) -> dict[str, KeyFile]:
    return {path: KeyFile(0o600, "oneadmin:oneadmin", one) for path, one in digests.items()}


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (server(), []),
        (server(7), ["SERVER_ID 7 in oned.conf, the pool says 1"]),
        (server(-1), ["SERVER_ID -1 in oned.conf, the pool says 1"]),
        (server(keys=keys({ONE_KEY: "x", SSH_KEY: "s"})), [f"{ONE_KEY}: not as on the leader"]),
        (server(keys=keys({ONE_KEY: "k"})), [f"{SSH_KEY}: missing"]),
        (server(keys=keys({ONE_KEY: "k", SSH_KEY: "s", f"{ONE_KEY}.old": "o"})), []),
        (server(remotes={HOOKS: "x", VMM: "v"}), [f"{HOOKS}: not as on the leader"]),
        (server(remotes={VMM: "v"}), [f"{HOOKS}: not as on the leader"]),
        (server(remotes={HOOKS: "h", VMM: "v", "more": "m"}), ["more: not as on the leader"]),
    ],
)
def test_differences_from_the_leader_are_named(own: Facts, found: list[str]) -> None:
    assert mismatches(own, server(0), ENTRY) == found


def holding(index: int = 1, **checksums: int) -> Facts:
    lines = [f"opennebula.{name}\t{number}" for name, number in checksums.items()]
    return facts(log_index=index, checksums="\n".join(lines))


def test_a_table_that_only_one_of_them_has_differs() -> None:
    assert tables(holding(user_pool=1, vm_pool=2), holding(user_pool=1)) == ["vm_pool"]
    assert tables(holding(user_pool=1), holding(user_pool=1, vm_pool=2)) == ["vm_pool"]
    assert tables(holding(user_pool=1), holding(user_pool=1)) == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        # It was a write on its way.
        ((holding(5, users=1), holding(6, users=2)), (holding(6, users=2),) * 2, []),
        # There are no writes.
        ((holding(users=1), holding(users=2)), (holding(users=1), holding(users=2)), ["users"]),
        ((holding(), holding(users=2)), (holding(), holding(users=2)), ["users"]),
        # Users change all the time; hosts do not.
        (
            (holding(5, users=1, hosts=8), holding(6, users=2, hosts=9)),
            (holding(7, users=3, hosts=8), holding(8, users=4, hosts=9)),
            ["hosts"],
        ),
        # The server has not yet got what the leader had at the first look.
        (
            (holding(5, users=1), holding(6, users=2)),
            (holding(5, users=1), holding(6, users=2)),
            [],
        ),
    ],
)
def test_only_lasting_differences_count(
    before: tuple[Facts, Facts], after: tuple[Facts, Facts], found: list[str]
) -> None:
    assert lasting(before, after) == found
