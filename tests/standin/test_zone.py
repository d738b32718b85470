"""A zone of several oned: elections, writes, and each failure that the program has to guard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.servers import (
    LEADER,
    Server,
    ended,
    found,
    leader_of,
    sqlite_servers,
    wait_for_users,
)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Server]]:
    with ended(sqlite_servers(tmp_path, ["a", "b", "c"])) as servers:
        yield servers


def test_three_founded_together_elect_one_leader_and_share_writes(three: list[Server]) -> None:
    found(three)
    leader = leader_of(three)
    follower = next(server for server in three if server is not leader)
    follower.ask("one.user.allocate", "alice", "secret", "", [1])
    leader.ask("one.user.allocate", "bob", "secret", "", [1])
    for server in three:
        wait_for_users(server, "alice", "bob")
        assert server.servers() == {0: "a", 1: "b", 2: "c"}
    leader.kill()
    rest = [server for server in three if server is not leader]
    assert leader_of(rest).state() == LEADER
    rest[0].ask("one.user.allocate", "carol", "secret", "", [1])
    leader.start()
    leader_of(three)
    wait_for_users(leader, "carol")
