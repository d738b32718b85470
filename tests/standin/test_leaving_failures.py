"""Failures of a server that leaves in the wrong way, and of a lost quorum."""

from tests.standin.servers import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    SOLO,
    Server,
    bootstrap,
    bootstrap_one,
    leader_of,
    wait_for,
    wait_for_users,
)


def test_a_removed_server_that_runs_deposes_the_leader_repeatedly(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    term = int(leader.status()["TERM"])
    removed = next(server for server in three if server is not leader)
    leader.ask("one.zone.delserver", 0, three.index(removed))
    wait_for(
        "terms go up",
        lambda: max(int(s.status().get("TERM", "0")) for s in three) >= term + 3,
        seconds=60,
    )
    assert len(removed.servers()) == 3


def test_a_removed_leader_continues_to_lead_unlisted(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    number = three.index(leader)
    leader.ask("one.zone.delserver", 0, number)
    leader.ask("one.user.allocate", "hidden", "secret", "", [1])
    rest = [server for server in three if server is not leader]
    for server in rest:
        wait_for_users(server, "hidden")
        assert number not in server.servers()
    assert leader.state() == LEADER
    assert {server.state() for server in rest} == {FOLLOWER}


def test_a_write_without_quorum_hangs_and_commits_later(three: list[Server]) -> None:
    bootstrap(three)
    leader = leader_of(three)
    rest = [server for server in three if server is not leader]
    for server in rest:
        server.freeze()
    write = leader.later("one.user.allocate", "late", "secret", "", [1])
    wait_for("INDEX > COMMIT", lambda: _ahead(leader))
    assert leader.state() == LEADER
    assert write.answer is None
    for server in rest:
        server.thaw()
    for server in three:
        wait_for_users(server, "late")


def test_a_zone_of_two_blocks_without_one_until_it_is_standalone(three: list[Server]) -> None:
    pair = three[:2]
    bootstrap(pair)
    leader = leader_of(pair)
    leader.ask("one.user.allocate", "alice", "secret", "", [1])
    left = next(server for server in pair if server is not leader)
    wait_for_users(left, "alice")
    leader.kill()
    wait_for("a candidate", lambda: left.state() == CANDIDATE)
    refused = left.call("one.zone.delserver", 0, pair.index(leader))
    assert "oned cluster in election mode" in refused[1]
    left.kill()
    left.prepare(-1)
    left.start()
    assert left.state() == SOLO
    left.ask("one.zone.delserver", 0, pair.index(leader))
    left.stop()
    left.prepare(pair.index(left))
    left.start()
    assert leader_of([left]) is left
    assert "alice" in left.users()


def test_a_removed_server_makes_a_standalone_one_follow_for_ever(three: list[Server]) -> None:
    pair = three[:2]
    bootstrap(pair)
    leader = leader_of(pair)
    other = next(server for server in pair if server is not leader)
    leader.stop()
    leader.prepare(-1)
    leader.start()
    wait_for("the solo server follows", lambda: leader.state() == FOLLOWER)
    other.kill()
    refused = leader.call("one.zone.delserver", 0, pair.index(other))
    assert not refused[0]
    assert leader.status()["SERVER_ID"] == "-1"
    assert leader.state() == FOLLOWER


def test_a_disabled_zone_refuses_changes_of_its_servers(three: list[Server]) -> None:
    first, second, _ = three
    bootstrap_one(first)
    first.ask("one.zone.enable", 0, False)
    refused = first.call("one.zone.addserver", 0, f'SERVER=[NAME="b",ENDPOINT="{second.endpoint}"]')
    assert "zone disabled" in refused[1]
    assert "zone disabled" in first.call("one.zone.delserver", 0, 0)[1]
    first.ask("one.zone.enable", 0, True)
    first.ask("one.user.allocate", "alice", "secret", "", [1])


def _ahead(server: Server) -> bool:
    status = server.status()
    return bool(status) and int(status["LOG_INDEX"]) > int(status["COMMIT"])
