"""Faults of several servers are repaired one after the other, and the zone keeps its quorum."""

from dataclasses import dataclass, replace
from itertools import combinations, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opennebula.membership.repair import Condition, Need, plan_repairs
from opennebula.zone import RaftStatus, ServerEntry, State, ZoneView, endpoint, quorum
from procedures.membership.member_status import MemberStatus
from procedures.membership.repair import conditions
from tests.unit.test_procedures import facts


@dataclass(frozen=True)
class Kind:
    """A kind of drift that a refresh reports of a server, and its effect on that server."""

    shown: tuple[str, ...] = ()
    resync: tuple[str, ...] = ()
    is_up: bool = True
    lags: bool = False
    number: int | None = None
    """The SERVER_ID with which its oned runs."""
    content: bool = True

    @property
    def place(self) -> MemberStatus:
        return MemberStatus(
            0, (*self.shown, *self.resync), self.resync, follows=self.is_up and not self.lags
        )


KINDS = {
    "stopped": Kind(("its oned is stopped",), is_up=False),
    "silent": Kind(("its oned does not answer",), is_up=False),
    "lags": Kind(("its log ends at 5, the leader's at 7",), lags=True),
    "blank": Kind(("its database is empty",), is_up=False, content=False),
    "id in its file": Kind(resync=("SERVER_ID 7 in oned.conf, the pool says 1",)),
    "runs with another id": Kind(resync=("it runs with SERVER_ID 7, the pool says 1",), number=7),
    "data": Kind(resync=("its data differ from the leader's: user_pool",)),
    "key": Kind(resync=("/var/lib/one/.one/one_key: not as on the leader",)),
    "list": Kind(resync=("its data differ from the leader's: zone_pool",)),
    "stopped with other data": Kind(
        ("its oned is stopped",), ("its data differ from the leader's: user_pool",), is_up=False
    ),
    "stopped with another id": Kind(
        ("its oned is stopped",), ("SERVER_ID 7 in oned.conf, the pool says 1",), is_up=False
    ),
}
HELD = facts()
OF_A_LEADER = ("id in its file",)
"""The leader is the reference of the comparison, or is the leader no longer."""


def observed(faulty: dict[str, Kind], leader: str, size: int) -> list[Condition]:
    """Make a zone in which these servers have faults, as a repair sees it."""
    names = [f"n{number}" for number in range(size)]
    pool = tuple(ServerEntry(number, name, endpoint(name)) for number, name in enumerate(names))
    kinds = {name: faulty.get(name, Kind()) for name in names}
    statuses = {
        name: RaftStatus(
            server_id=number if kind.number is None else kind.number,
            state=State.LEADER if name == leader else State.FOLLOWER,
            term=1,
            index=5 if kind.lags else 7,
            commit=7,
        )
        for number, (name, kind) in enumerate(kinds.items())
        if kind.is_up
    }
    known = {
        name: replace(HELD, has_content=kind.content, identity="zone" if kind.content else "")
        for name, kind in kinds.items()
    }
    places = {name: kind.place for name, kind in kinds.items()}
    return conditions(ZoneView(pool, statuses), known, places)


def assert_repaired(servers: list[Condition]) -> None:
    """Check the plan: at each step a majority of the pool runs without the server in repair."""
    plan = plan_repairs(servers)
    assert plan.refusal is None
    up = {one.name for one in servers if one.follows}
    (leader,) = (one.name for one in servers if one.leads)
    due = {one.name for one in servers if one.need}
    assert sorted(plan.order) == sorted(due)
    for name in plan.order:
        if name in up:
            assert len(up - {name}) >= quorum(len(servers)), plan.order
        if name == leader:
            # Any leader after that has the zone's data.
            assert due == {leader}
        up.add(name)
        due.remove(name)
    assert up == {one.name for one in servers}


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize(("first", "second"), list(product(KINDS, KINDS)))
def test_every_pair_of_followers_is_repaired(first: str, second: str, size: int) -> None:
    for one, other in permutations([f"n{number}" for number in range(size)], 2):
        leader = next(f"n{n}" for n in range(size) if f"n{n}" not in (one, other))
        servers = observed({one: KINDS[first], other: KINDS[second]}, leader, size)
        assert_repaired(servers)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize(("own", "other"), list(product(OF_A_LEADER, KINDS)))
def test_the_leader_and_a_follower_are_repaired(own: str, other: str, size: int) -> None:
    for leader, follower in permutations([f"n{number}" for number in range(size)], 2):
        assert_repaired(observed({leader: KINDS[own], follower: KINDS[other]}, leader, size))


@given(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=6), st.sampled_from([3, 5, 7]))
def test_any_combination_that_leaves_a_quorum_is_repaired(kinds: list[str], size: int) -> None:
    faulty = {f"n{number + 1}": KINDS[kind] for number, kind in enumerate(kinds[: size - 1])}
    servers = observed(faulty, "n0", size)
    if sum(one.follows for one in servers) >= quorum(size):
        assert_repaired(servers)


def test_swapped_servers_are_repaired_before_different_data() -> None:
    faulty = {"n1": KINDS["data"], "n2": KINDS["runs with another id"]}
    assert plan_repairs(observed(faulty, "n0", 3)).order == ("n2", "n1")


def test_a_repair_that_would_lose_quorum_waits_for_a_lost_server() -> None:
    for gone, faulty in combinations(["n1", "n2"], 2):
        servers = [
            Condition("n0", leads=True),
            Condition(gone, follows=False),
            Condition(faulty, Need.RESYNC),
        ]
        plan = plan_repairs(servers)
        assert plan.order == ()
        assert plan.refusal is not None
        assert gone in plan.refusal.remedy
        assert plan.refusal.seen == "1 (n0)"


def test_a_server_with_foreign_data_does_not_delay_the_others() -> None:
    known = {
        "n0": facts("n0", has_content=True, identity="zone"),
        "n1": facts("n1", has_content=True, identity="another"),
        "n2": facts("n2", has_content=True, identity="zone"),
    }
    pool = tuple(ServerEntry(number, name, endpoint(name)) for number, name in enumerate(known))
    statuses = {"n0": RaftStatus(0, State.LEADER, 1, 7, 7)}
    places = {
        "n0": MemberStatus(0, follows=True),
        "n1": MemberStatus(1, ("its database is empty, or another OpenNebula's",)),
        "n2": KINDS["stopped"].place,
    }
    seen = conditions(ZoneView(pool, statuses), known, places)
    assert plan_repairs(seen).order == ("n2",)
