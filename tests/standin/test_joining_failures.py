"""Failures of a server that joins in the wrong way, as they occur in OpenNebula."""

import sqlite3

from tests.standin.servers import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    Server,
    bootstrap,
    bootstrap_one,
    copy_database,
    leader_of,
    wait_for,
    wait_for_users,
)

SPREAD_TERM = "4294967295"


def test_a_server_with_its_own_database_has_the_index_but_other_data(three: list[Server]) -> None:
    first, second, _ = three
    first.prepare()
    first.start()
    first.ask("one.user.allocate", "solo", "secret", "", [1])
    first.add(first)
    first.stop()
    first.prepare(0)
    first.start()
    leader_of([first])
    second.prepare()
    second.start()
    second.stop()
    first.add(second)
    second.prepare(1)
    second.start()
    first.ask("one.group.allocate", "later")
    keys = ("TERM", "LOG_INDEX", "COMMIT")
    wait_for(
        "equal indexes",
        lambda: [first.status()[key] for key in keys] == [second.status()[key] for key in keys],
    )
    assert "solo" in first.users()
    assert "solo" not in second.users()


def test_a_copy_older_than_the_log_stays_behind_until_replaced(three: list[Server]) -> None:
    first, second, _ = three
    bootstrap_one(first, LOG_RETENTION=3, LOG_PURGE_TIMEOUT=1)
    second.prepare(1)
    copy_database(first, second)
    for number in range(8):
        first.ask("one.group.allocate", f"group-{number}")
    wait_for("record 1 is gone", lambda: not _has_record(first, 1))
    second.start()
    first.add(second)
    first.later("one.group.allocate", "waits")
    wait_for("the complaint", lambda: "Failed to load log record at index" in first.log)
    assert second.state() == FOLLOWER
    assert second.status()["LOG_INDEX"] == "0"
    second.stop()
    copy_database(first, second)
    second.start()
    first.later("one.zone.resetserver", 0, 1)
    wait_for("the follower has all", lambda: _same_index(first, second))


def test_a_follower_stays_behind_until_the_next_write(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    follower = next(server for server in three if server is not leader)
    follower.stop()
    leader.ask("one.group.allocate", "while-away")
    beaten = leader.status()["LOG_INDEX"]
    follower.start()
    leader_of(three)
    leader.ask("one.group.allocate", "wakes")
    wait_for("the follower has all", lambda: _same_index(leader, follower))
    assert int(beaten) < int(follower.status()["LOG_INDEX"])


def test_a_server_id_outside_the_zone_leads_its_own_zone(three: list[Server]) -> None:
    first, second, _ = three
    bootstrap_one(first)
    second.prepare(7)
    copy_database(first, second)
    first.freeze()
    second.start()
    wait_for("a second leader", lambda: second.state() == LEADER)
    second.ask("one.user.allocate", "split", "secret", "", [1])
    assert second.status()["SERVER_ID"] == "7"
    assert second.servers() == {0: "a"}


def test_another_password_spreads_the_highest_term(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    stranger = next(server for server in three if server is not leader)
    stranger.set_password("something else")
    for server in three:
        if server is not stranger:
            server.freeze()
    wait_for("a candidate", lambda: stranger.state() == CANDIDATE)
    for server in three:
        if server is not stranger:
            server.thaw()
    wait_for("the spread term", lambda: leader.status().get("TERM") == SPREAD_TERM)


def test_changing_the_password_before_the_files_raises_the_term(
    three: list[Server],
) -> None:
    bootstrap(three)
    leader = leader_of(three)
    leader.ask("one.user.passwd", 0, "something else")
    for server in three:
        server.password = "something else"
    wait_for("the spread term", lambda: leader.status().get("TERM") == SPREAD_TERM)


def test_an_endpoint_of_a_member_counts_as_a_replica(three: list[Server]) -> None:
    first, _, _ = three
    bootstrap_one(first)
    first.ask("one.zone.addserver", 0, f'SERVER=[NAME="phantom",ENDPOINT="{first.endpoint}"]')
    first.ask("one.user.allocate", "alice", "secret", "", [1])
    assert first.servers() == {0: "a", 1: "phantom"}


def test_a_dead_endpoint_blocks_a_write_even_after_its_removal(three: list[Server]) -> None:
    first, second, _ = three
    bootstrap_one(first)
    first.add(second)
    write = first.later("one.user.allocate", "alice", "secret", "", [1])
    wait_for("the write in the log", lambda: first.status()["LOG_INDEX"] > first.status()["COMMIT"])
    first.ask("one.zone.delserver", 0, 1)
    first.ask("one.group.allocate", "works")
    assert write.answer is None


def test_an_older_follower_does_not_find_a_newer_leader(three: list[Server]) -> None:
    first, second, third = three
    # The new server has the shortest timeout, so it becomes a candidate and wins.
    bootstrap([first, second], ELECTION_TIMEOUT_MS=60_000)
    leader = leader_of([first, second])
    older = second if leader is first else first
    third.prepare(2)
    copy_database(leader, third)
    leader.add(third)
    third.start()
    leader.ask("one.group.allocate", "closes-the-join")
    wait_for("the third has all", lambda: _same_index(leader, third))
    leader.kill()
    assert leader_of([older, third]) is third
    refused = older.call("one.group.allocate", "forwarded")
    assert "Cannot process request, no leader found" in refused[1]
    third.ask("one.group.allocate", "direct")
    older.kill()
    older.start()
    leader_of([older, third])
    wait_for("forwarding", lambda: older.call("one.group.allocate", "after-restart")[0])


def test_a_copy_without_the_newest_servers_leads_alone_on_old_data(three: list[Server]) -> None:
    first, second, third = three
    bootstrap_one(first)
    # The third is made from the same dump as the second: it lists the first server alone.
    second.prepare(1, ELECTION_TIMEOUT_MS=600_000)
    third.prepare(2)
    copy_database(first, second)
    copy_database(first, third)
    first.add(second)
    second.start()
    first.ask("one.group.allocate", "closes-the-join")
    first.add(third)
    first.ask("one.user.allocate", "alice", "secret", "", [1])
    wait_for_users(second, "alice")
    # Before the log brings it the newest list: by its own list it needs no vote.
    first.kill()
    third.start()
    wait_for("the third leads", lambda: third.state() == LEADER)
    third.ask("one.user.allocate", "bob", "secret", "", [1])
    assert third.servers() == {0: "a"}
    assert "alice" not in third.users()
    assert "bob" not in second.users()


def test_servers_that_refuse_to_start(three: list[Server]) -> None:
    first, second, third = three
    first.prepare(0)
    assert "Database has to be bootstraped to start oned in HA" in first.start_and_fail()

    second.prepare()
    (second.home / "var/.one/sunstone_auth").write_text("serveradmin:left over\n")
    assert "already exists but OpenNebula is boostraping" in second.start_and_fail()

    third.prepare()
    assert third.run("oned", "-i").returncode == 0
    third.prepare(0)
    assert "Tried to modify DB being a follower" in third.start_and_fail()


def test_a_database_of_another_version_is_refused(three: list[Server]) -> None:
    first, _, _ = three
    bootstrap_one(first)
    first.stop()
    for version in ("6.10.0", "9.0.0"):
        with sqlite3.connect(first.sqlite) as database:
            database.execute("UPDATE db_versioning SET version = ?", (version,))
        assert "Database version mismatch" in first.start_and_fail()
        assert "Use onedb to upgrade DB." in first.log


def _same_index(one: Server, other: Server) -> bool:
    keys = ("LOG_INDEX", "COMMIT")
    mine, theirs = one.status(), other.status()
    return bool(mine) and [mine[key] for key in keys] == [theirs.get(key) for key in keys]


def _has_record(server: Server, index: int) -> bool:
    with sqlite3.connect(server.sqlite) as database:
        return bool(
            database.execute("SELECT 1 FROM logdb WHERE log_index = ?", (index,)).fetchall()
        )


def test_users_of_a_copy_are_kept(three: list[Server]) -> None:
    first, second, _ = three
    first.prepare()
    first.start()
    first.ask("one.user.allocate", "solo", "secret", "", [1])
    first.stop()
    second.prepare()
    copy_database(first, second)
    second.start()
    wait_for_users(second, "solo")
