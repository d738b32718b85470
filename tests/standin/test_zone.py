"""Several oned in a working zone."""

import os
from functools import partial
from pathlib import Path

from tests.standin.servers import (
    LEADER,
    PASSWORD,
    Server,
    bootstrap,
    bootstrap_one,
    copy_database,
    leader_of,
    wait_for,
    wait_for_users,
)


def test_three_servers_share_writes_and_survive_their_leader(three: list[Server]) -> None:
    bootstrap(three)
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
    # A follower that lags catches up when the next record is replicated to it.
    rest[0].ask("one.user.allocate", "dave", "secret", "", [1])
    wait_for_users(leader, "carol", "dave")


def test_a_joining_server_delays_writes_only_from_one_to_two(three: list[Server]) -> None:
    first, second, third = three
    bootstrap_one(first)
    second.prepare(1)
    copy_database(first, second)
    first.add(second)
    write = first.later("one.user.allocate", "alice", "secret", "", [1])
    wait_for("the write in the log", lambda: first.status()["LOG_INDEX"] > first.status()["COMMIT"])
    assert write.answer is None
    second.start()
    wait_for("the write is answered", lambda: write.answer)
    assert write.answer is not None
    assert write.answer[0]
    third.prepare(2)
    copy_database(first, third)
    first.add(third)
    first.ask("one.user.allocate", "bob", "secret", "", [1])
    third.start()
    first.ask("one.user.allocate", "carol", "secret", "", [1])
    for server in three:
        wait_for_users(server, "alice", "bob", "carol")


def test_leaving_in_the_right_order_from_three_to_one(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    term = leader.status()["TERM"]
    for number, server in enumerate(three):
        if server is not leader:
            server.stop()
            leader.ask("one.zone.delserver", 0, number)
    leader.ask("one.user.allocate", "alice", "secret", "", [1])
    assert leader.status()["TERM"] == term
    assert leader.state() == LEADER


def test_a_stopping_server_leaves_the_processor_to_the_others(three: list[Server]) -> None:
    alone = three[0]
    bootstrap_one(alone)
    alone.stop()
    # Its stop lasts 1.5 s at this pace.
    alone.prepare(0, scale=0.25)
    alone.start()
    process = alone.process
    assert process
    before = processor_seconds(process.pid)
    process.terminate()
    _, _, used = os.wait4(process.pid, 0)
    alone.process = None
    assert used.ru_utime + used.ru_stime - before < 0.5


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def only_by_password(server: Server) -> bool:
    return not server.admits(PASSWORD)


def test_a_login_token_replaces_the_next_password_until_it_is_set(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    term = leader.status()["TERM"]
    leader.ask("one.user.login", "oneadmin", "a-token", -1, -1)
    for server in three:
        wait_for("the token", partial(server.admits, "a-token"))
        assert server.admits(PASSWORD)
    for server in three:
        server.password = "a-token"
        server.set_password(server.password)
    leader.ask("one.user.passwd", 0, "a-token")
    for server in three:
        wait_for("the end of the token", partial(only_by_password, server))
        assert server.admits("a-token")
    leader.ask("one.user.allocate", "alice", "secret", "", [1])
    for server in three:
        wait_for_users(server, "alice")
        assert server.status()["TERM"] == term
