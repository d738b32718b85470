"""The status of a healthy zone, and the name of each fault."""

from dataclasses import replace

import pytest

from opennebula.zone import (
    RaftStatus,
    ServerEntry,
    State,
    ZoneView,
    endpoint,
    faults,
    quorum,
)

POOL = tuple(ServerEntry(number, f"n{number}", endpoint(f"n{number}")) for number in range(3))
WHOLE = {
    "n0": RaftStatus(0, State.FOLLOWER, 7, 40, 40, voted_for=1),
    "n1": RaftStatus(1, State.LEADER, 7, 40, 40, voted_for=1),
    "n2": RaftStatus(2, State.FOLLOWER, 7, 40, 40, voted_for=-1),
}


def view(**changes: RaftStatus | None) -> ZoneView:
    """Make the healthy zone with other statuses; None does not answer."""
    statuses = {**WHOLE, **changes}
    return ZoneView(POOL, {name: one for name, one in statuses.items() if one is not None})


@pytest.mark.parametrize(
    ("servers", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)]
)
def test_a_quorum_is_half_of_the_servers_plus_one(servers: int, needed: int) -> None:
    assert quorum(servers) == needed


def test_a_healthy_zone_has_a_leader_and_no_faults() -> None:
    assert view().leader() == "n1"
    assert faults(view()) == []


def test_a_deposed_leader_of_an_older_term_does_not_count() -> None:
    seen = view(n0=replace(WHOLE["n0"], state=State.LEADER, term=6))
    assert seen.leader() == "n1"
    assert "n0 is leader, not follower" in faults(seen)


@pytest.mark.parametrize(
    "seen",
    [
        ZoneView(POOL, {}),
        view(n1=replace(WHOLE["n1"], state=State.CANDIDATE)),
        view(n1=None),
        view(n0=replace(WHOLE["n0"], state=State.LEADER)),
    ],
)
def test_there_is_no_leader_unless_the_newest_term_has_exactly_one(seen: ZoneView) -> None:
    assert seen.leader() is None
    assert "there is not exactly one leader" in faults(seen)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (None, "n2 does not answer"),
        (replace(WHOLE["n2"], server_id=5), "n2 runs with SERVER_ID 5, the pool says 2"),
        (replace(WHOLE["n2"], server_id=-1), "n2 runs with SERVER_ID -1, the pool says 2"),
        (replace(WHOLE["n2"], state=State.CANDIDATE), "n2 is candidate, not follower"),
        (replace(WHOLE["n2"], state=State.SOLO), "n2 is solo, not follower"),
        (replace(WHOLE["n2"], term=6), "n2 is in term 6, the leader in 7"),
        (
            replace(WHOLE["n2"], index=39, commit=39),
            "n2 has index 39 and commit 39, the leader 40 and 40",
        ),
        (
            replace(WHOLE["n2"], commit=39),
            "n2 has index 40 and commit 39, the leader 40 and 40",
        ),
    ],
)
def test_each_fault_of_a_server_is_named(changed: RaftStatus | None, fault: str) -> None:
    assert faults(view(n2=changed)) == [fault]


def test_under_writes_one_of_the_leaders_recent_records_is_enough() -> None:
    ahead = {**WHOLE, "n1": replace(WHOLE["n1"], index=43, commit=42)}
    assert faults(view(**ahead), record=40) == []
    assert faults(view(**ahead), record=41) == [
        "n0 has index 40 and commit 40, the leader 43 and 42",
        "n2 has index 40 and commit 40, the leader 43 and 42",
    ]
    behind = {**ahead, "n2": replace(WHOLE["n2"], index=42, commit=39)}
    assert faults(view(**behind), record=40) == [
        "n2 has index 42 and commit 39, the leader 43 and 42"
    ]
