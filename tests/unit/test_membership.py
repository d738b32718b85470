"""Bootstrap, join and leave: each state that an interrupted run can leave is a row."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hosts.models import Host
from opennebula.membership.join import JoinPlan, plan_join
from opennebula.membership.leave import check_leave, check_shrink
from opennebula.membership.observed import FrontEndView, Refusal
from opennebula.membership.steps import (
    Adopt,
    AssignServerId,
    Bootstrap,
    RefreshServerList,
    Register,
    Restore,
    Retire,
    Seed,
    SeedAhead,
    StartStandalone,
    StartTogether,
    ZoneStep,
)
from opennebula.membership.zone import plan_zone
from opennebula.zone import RaftStatus, ServerEntry, State, ZoneView, endpoint
from procedures import zone_leader
from procedures.membership import leave

L, F, C = State.LEADER, State.FOLLOWER, State.CANDIDATE
NAMES = ("n1", "n2", "n3")
POOL = tuple(ServerEntry(number, name, endpoint(name)) for number, name in enumerate(NAMES))


def blank(name: str) -> FrontEndView:
    return FrontEndView(name)


BLANK = [blank(name) for name in NAMES]


def standalone(
    name: str, pool: tuple[ServerEntry, ...] = (), *, running: bool = False
) -> FrontEndView:
    """Make a server with its own database, outside a zone."""
    return FrontEndView(
        name, running=running, has_content=True, identity="one", pool=pool, log_index=0, log_term=0
    )


def member(
    name: str,
    state: State | None = None,
    term: int = 0,
    index: int = 0,
    pool: tuple[ServerEntry, ...] = POOL,
) -> FrontEndView:
    """Make a zone server: stopped, or in the state that its oned reports."""
    number = next((entry.id for entry in pool if entry.name == name), 9)
    status = RaftStatus(number, state, term, index, index) if state is not None else None
    return FrontEndView(
        name,
        running=state is not None,
        server_id=number,
        has_content=True,
        identity="one",
        pool=pool,
        log_index=index,
        log_term=term,
        status=status,
    )


TAIL: list[ZoneStep] = [Seed("n1", ("n2", "n3")), AssignServerId("n1"), StartTogether(NAMES)]
REGISTER: list[ZoneStep] = [Register("n1", NAMES)]

# Every state that a killed bootstrap leaves, in order, and the remaining steps.
FOUNDING: dict[str, tuple[list[FrontEndView], list[ZoneStep]]] = {
    "nothing yet": (BLANK, [Bootstrap("n1"), *REGISTER, *TAIL]),
    "an empty database that was being bootstrapped": (
        [replace(blank("n1"), running=True), blank("n2"), blank("n3")],
        [Bootstrap("n1"), *REGISTER, *TAIL],
    ),
    "bootstrapped": (
        [standalone("n1", running=True), blank("n2"), blank("n3")],
        [*REGISTER, *TAIL],
    ),
    "bootstrapped, and stopped since": (
        [standalone("n1"), blank("n2"), blank("n3")],
        [StartStandalone("n1"), *REGISTER, *TAIL],
    ),
    "one registered": (
        [standalone("n1", POOL[:1], running=True), blank("n2"), blank("n3")],
        [Register("n1", ("n2", "n3")), *TAIL],
    ),
    "one registered, and stopped since": (
        [standalone("n1", POOL[:1]), blank("n2"), blank("n3")],
        [StartStandalone("n1"), Register("n1", ("n2", "n3")), *TAIL],
    ),
    "all registered": ([standalone("n1", POOL, running=True), blank("n2"), blank("n3")], TAIL),
    "stopped for the dump": ([standalone("n1", POOL), blank("n2"), blank("n3")], TAIL),
    "one with its SERVER_ID, and its database being replaced": (
        [standalone("n1", POOL), replace(blank("n2"), server_id=1), blank("n3")],
        TAIL,
    ),
    "one has the copy": ([standalone("n1", POOL), member("n2"), blank("n3")], TAIL),
    "all have the copy": ([standalone("n1", POOL), member("n2"), member("n3")], TAIL),
    "first with its SERVER_ID": (
        [member("n1"), member("n2"), member("n3")],
        [StartTogether(NAMES)],
    ),
    "one started": ([member("n1", C, 1), member("n2"), member("n3")], [StartTogether(NAMES)]),
    "two started, none elected": (
        [member("n1", F), member("n2", C, 2), member("n3")],
        [StartTogether(NAMES)],
    ),
    "two started, one elected": (
        [member("n1", F, 1), member("n2", L, 1), member("n3")],
        [Adopt("n2"), StartTogether(("n3",))],
    ),
    "all running": ([member("n1", F, 1), member("n2", F, 1), member("n3", L, 1)], [Adopt("n3")]),
}


@pytest.mark.parametrize("state", FOUNDING)
def test_a_bootstrap_resumes_from_any_state_in_any_order_of_hosts(state: str) -> None:
    hosts, steps = FOUNDING[state]
    for order in permutations(hosts):
        assert plan_zone(order, highly_available=True) == steps


OTHER: dict[str, tuple[list[FrontEndView], bool, list[ZoneStep]]] = {
    "one front-end that will grow": (
        [blank("n1")],
        True,
        [
            Bootstrap("n1"),
            Register("n1", ("n1",)),
            Seed("n1", ()),
            AssignServerId("n1"),
            StartTogether(("n1",)),
        ],
    ),
    "one front-end without high availability": ([blank("n1")], False, [Bootstrap("n1")]),
    "a standalone front-end that runs": ([standalone("n1", running=True)], False, []),
    "a standalone front-end that was stopped": ([standalone("n1")], False, [StartStandalone("n1")]),
    "conversion of one with content": (
        [standalone("n2", running=True), blank("n1"), blank("n3")],
        True,
        [
            Register("n2", ("n2", "n1", "n3")),
            Seed("n2", ("n1", "n3")),
            AssignServerId("n2"),
            StartTogether(NAMES),
        ],
    ),
    "conversion of one alone, by force_ha": (
        [standalone("n1", running=True)],
        True,
        [Register("n1", ("n1",)), Seed("n1", ()), AssignServerId("n1"), StartTogether(("n1",))],
    ),
    "after a destroy": (
        [member(name, term=3, index=70) for name in NAMES],
        True,
        [StartTogether(NAMES)],
    ),
    "after a destroy, one host replaced": (
        [member("n1", term=3, index=70), member("n2", term=3, index=69), blank("n3")],
        True,
        [StartTogether(("n1", "n2"))],
    ),
    "after a destroy that met a join before the registration": (
        [
            member("n1", term=3, index=70),
            member("n2", term=3, index=70),
            member("n3", term=3, index=70),
            replace(member("n4", term=3, index=69), server_id=3),
        ],
        True,
        [StartTogether(NAMES)],
    ),
    "after a destroy that met a join between registration and start": (
        [
            member("n1", term=3, index=70),
            member("n2", term=3, index=70),
            replace(member("n3", term=3, index=69, pool=POOL[:2]), server_id=2),
        ],
        True,
        [StartTogether(("n1", "n2"))],
    ),
    "the same from one to two servers, where both are needed": (
        [
            member("n1", term=3, index=70, pool=POOL[:2]),
            replace(member("n2", term=3, index=69, pool=POOL[:1]), server_id=1),
        ],
        True,
        [RefreshServerList(("n2",)), StartTogether(("n1", "n2"))],
    ),
    "a whole zone, and a blank host that will join": (
        [member("n1", L, 2, pool=POOL[:2]), member("n2", F, 2, pool=POOL[:2]), blank("n3")],
        True,
        [Adopt("n1")],
    ),
    "a whole zone, and blank hosts that will join": (
        [member("n1", L, 2, pool=POOL[:1]), blank("n2"), blank("n3")],
        True,
        [Adopt("n1"), SeedAhead("n1", ("n2", "n3"))],
    ),
    "one of them has a copy already, from a run that was killed": (
        [member("n1", L, 2, pool=POOL[:1]), replace(member("n2"), pool=POOL[:1]), blank("n3")],
        True,
        [Adopt("n1")],
    ),
    "a deposed leader that has not noticed": (
        [member("n1", L, 2), member("n2", L, 3), member("n3", F, 3)],
        True,
        [Adopt("n2")],
    ),
}


@pytest.mark.parametrize("state", OTHER)
def test_other_first_states_have_their_steps(state: str) -> None:
    hosts, highly_available, steps = OTHER[state]
    for order in permutations(hosts):
        assert plan_zone(order, highly_available=highly_available) == steps


REFUSED: dict[str, tuple[list[FrontEndView], str, str]] = {
    "two with databases of their own": (
        [standalone("n1"), replace(standalone("n2"), identity="two"), blank("n3")],
        "n1, n2 each hold one",
        "",
    ),
    "a server in the pool that is not in the config": (
        [standalone("n1", (*POOL, ServerEntry(3, "n4", endpoint("n4")))), blank("n2"), blank("n3")],
        "zone server 3 n4",
        "",
    ),
    "a server in the pool under another endpoint": (
        [
            standalone("n1", (ServerEntry(0, "n1", "http://10.0.0.1:2633/RPC2"),)),
            blank("n2"),
            blank("n3"),
        ],
        "zone server 0 n1 at http://10.0.0.1:2633/RPC2",
        "",
    ),
    "a zone with a leader and a server that is not in the config": (
        [member("n1", L, 1), member("n2", F, 1)],
        "zone server 2 n3",
        "",
    ),
    "a stopped zone with a server that is not in the config": (
        [member("n1"), member("n2")],
        "zone server 2 n3",
        "",
    ),
    "one outside the zone and running servers of it": (
        [standalone("n1", POOL, running=True), member("n2", C), member("n3")],
        "oned running on both",
        "n1",
    ),
    "one outside the zone and servers of another": (
        [standalone("n1", POOL), replace(member("n2"), identity="two"), blank("n3")],
        "n2 hold another zone's",
        "n2",
    ),
    "one outside the zone with older data than its servers": (
        [standalone("n1", POOL), member("n2", term=4, index=70), member("n3", term=4, index=70)],
        "n2, n3 changed in a zone without it",
        "n1",
    ),
    "servers of two zones": (
        [member("n1"), replace(member("n2"), identity="two"), member("n3")],
        "n1, n2, n3 hold databases of different zones",
        "",
    ),
    "leaders of two zones": (
        [member("n1", L, 2), replace(member("n2", L, 1), identity="two"), blank("n3")],
        "n1 and n2 each lead a zone of their own",
        "",
    ),
    "servers whose databases are out of reach": (
        [replace(blank("n1"), server_id=0), replace(blank("n2"), server_id=1), blank("n3")],
        "none anywhere, with a SERVER_ID on n1, n2",
        "n1",
    ),
    "fewer databases than a majority": (
        [member("n1"), blank("n2"), blank("n3")],
        "only n1",
        "n2, n3",
    ),
    "a wrong SERVER_ID in the configuration": (
        [member("n1"), replace(member("n2"), server_id=7), member("n3")],
        "SERVER_ID 7",
        "n2",
    ),
    "a leader with a SERVER_ID that the pool does not know": (
        [replace(member("n1", L, 9), server_id=7), *map(member, NAMES[1:])],
        "SERVER_ID 7",
        "n1",
    ),
    "a running copy that the zone does not list": (
        [member("n1", term=2, pool=POOL[:1]), replace(member("n2", C, pool=POOL[:1]), server_id=1)],
        "SERVER_ID 1",
        "n2",
    ),
}


@pytest.mark.parametrize("state", REFUSED)
def test_states_that_could_lose_data_are_refused(state: str) -> None:
    hosts, seen, host = REFUSED[state]
    for order in permutations(hosts):
        plan = plan_zone(order, highly_available=True)
        assert isinstance(plan, Refusal)
        assert seen in plan.seen
        assert plan.host == host
        assert plan.expected
        assert plan.remedy


def test_nothing_starts_while_a_leaving_host_may_have_the_database() -> None:
    for ha in (True, False):
        plan = plan_zone([blank("n2")], highly_available=ha, leaving=["n1"])
        assert isinstance(plan, Refusal)
        assert plan.host == "n1"
    assert plan_zone([blank("n2")], highly_available=False) == [Bootstrap("n2")]


@pytest.mark.parametrize("holder", [standalone("n1"), member("n1", pool=POOL[:1])])
def test_a_standalone_stack_keeps_the_database_on_its_host(holder: FrontEndView) -> None:
    plan = plan_zone([holder, blank("n2")], highly_available=False, leaving=["n1"])
    assert isinstance(plan, Refusal)
    assert plan.host == "n1"


def test_stopped_servers_start_together_unless_they_leave() -> None:
    five = tuple(ServerEntry(number, f"n{number}", "") for number in range(5))
    pool = tuple(replace(entry, endpoint=endpoint(entry.name)) for entry in five)
    leader = member("n0", L, 1, pool=pool)
    awake = [member(name, F, 1, pool=pool) for name in ("n1", "n2")]
    stopped = [member("n3", pool=pool), member("n4", pool=pool)]
    whole = [leader, *awake, *stopped]
    assert plan_zone(whole, highly_available=True) == [Adopt("n0"), StartTogether(("n3", "n4"))]
    assert plan_zone(whole, highly_available=True, leaving=["n3"]) == [
        Adopt("n0"),
        StartTogether(("n4",)),
    ]


# Joining

LEADER = member("n1", L, 2, 40, pool=POOL[:2])
JOINING: dict[str, tuple[FrontEndView, tuple[ServerEntry, ...], JoinPlan]] = {
    "a blank host": (blank("n2"), POOL[:1], JoinPlan(seed=True, register=True, start=True)),
    "a copy, not registered": (
        replace(member("n2", pool=POOL[:2]), pool=POOL[:1]),
        POOL[:1],
        JoinPlan(seed=True, register=True, start=True),
    ),
    "a copy, registered": (member("n2"), POOL[:2], JoinPlan(start=True)),
    "registered by hand before": (
        blank("n2"),
        POOL[:2],
        JoinPlan(seed=True, start=True, reasons=("its database is empty",)),
    ),
    "its host replaced": (
        replace(blank("n2"), server_id=1),
        POOL[:2],
        JoinPlan(seed=True, start=True, reasons=("its database is empty",)),
    ),
    "a copy without its SERVER_ID": (
        standalone("n2"),
        POOL[:2],
        JoinPlan(seed=True, start=True, reasons=("it has no valid SERVER_ID",)),
    ),
    "another SERVER_ID than in the pool": (
        replace(member("n2"), server_id=4),
        POOL[:2],
        JoinPlan(seed=True, start=True, reasons=("it has no valid SERVER_ID",)),
    ),
    "running with the SERVER_ID that it had before": (
        replace(member("n2", F), status=RaftStatus(4, F, 2, 40, 40)),
        POOL[:2],
        JoinPlan(start=True),
    ),
    "stopped": (member("n2"), POOL[:2], JoinPlan(start=True)),
    "a server already": (member("n2", F), POOL[:2], JoinPlan()),
}


@pytest.mark.parametrize("state", JOINING)
def test_a_join_does_the_missing_steps(state: str) -> None:
    host, pool, plan = JOINING[state]
    assert plan_join(host, LEADER, pool) == plan


@pytest.mark.parametrize(
    ("host", "begins", "seeds"),
    [
        (member("n2", index=29), 30, True),
        (member("n2", index=30), 30, False),
        (blank("n2"), 1, True),
    ],
)
def test_a_copy_of_this_run_is_enough_if_the_log_covers_the_rest(
    host: FrontEndView, begins: int, seeds: bool
) -> None:
    leader = replace(LEADER, log_begins=begins)
    plan = plan_join(host, leader, POOL[:1], seeded=True)
    assert plan == JoinPlan(seed=seeds, register=True, start=True)
    # The age of any other copy is not known.
    assert plan_join(host, leader, POOL[:1]) == JoinPlan(seed=True, register=True, start=True)


@pytest.mark.parametrize(
    ("index", "begins", "seeds"), [(29, 30, True), (30, 30, False), (0, 1, False), (0, 2, True)]
)
def test_a_server_behind_the_leaders_log_is_resynced(index: int, begins: int, seeds: bool) -> None:
    """The leader sends a record only while it has the previous one, too."""
    host = member("n2", F, index=index)
    plan = plan_join(host, replace(LEADER, log_begins=begins), POOL[:2])
    assert isinstance(plan, JoinPlan)
    assert plan == JoinPlan(seed=seeds, start=seeds, reasons=plan.reasons)
    assert "".join(plan.reasons) == (
        f"its log ends at {index}, the leader's begins at {begins}" if seeds else ""
    )


@pytest.mark.parametrize("host", [member("n2"), member("n2", F), standalone("n2", POOL)])
def test_a_server_that_differs_rejoins_running_or_stopped(host: FrontEndView) -> None:
    assert plan_join(host, LEADER, POOL, resync=("why",)) == JoinPlan(
        seed=True, start=True, reasons=("why",)
    )


@pytest.mark.parametrize("host", [replace(standalone("n2"), identity="two"), blank("n2")])
def test_a_difference_does_not_bypass_the_other_rules(host: FrontEndView) -> None:
    assert plan_join(host, LEADER, POOL, resync=("why",)) == plan_join(host, LEADER, POOL)


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        (replace(standalone("n2"), identity="two"), "a database of another OpenNebula"),
        (replace(member("n2"), identity="two"), "a database of another OpenNebula"),
        (standalone("n2", running=True), "a running oned on a copy of the zone's database"),
    ],
)
def test_a_join_that_could_lose_data_is_refused(host: FrontEndView, seen: str) -> None:
    for seeded in (False, True):
        plan = plan_join(host, LEADER, POOL[:1], seeded=seeded)
        assert isinstance(plan, Refusal)
        assert (plan.host, plan.seen) == ("n2", seen)


# Back to standalone, and front-ends that will leave


def test_a_zone_of_one_server_can_become_standalone() -> None:
    for host in (member("n1", L, pool=POOL[:1]), standalone("n1", POOL[:1])):
        assert plan_zone([host], highly_available=False) == [Retire("n1")]


@pytest.mark.parametrize(
    "hosts",
    [[member("n1", L, pool=POOL[:2])], [member("n1", pool=POOL[:1]), member("n2", pool=POOL[:2])]],
)
def test_a_larger_zone_must_shrink_first(hosts: list[FrontEndView]) -> None:
    plan = plan_zone(hosts, highly_available=False)
    assert isinstance(plan, Refusal)
    assert plan.seen == "a zone of n1, n2"


def test_a_server_that_will_leave_is_not_a_foreign_one() -> None:
    hosts = [member("n1", L, 1), member("n2", F, 1)]
    assert isinstance(plan_zone(hosts, highly_available=True), Refusal)
    assert plan_zone(hosts, highly_available=True, leaving=["n3"]) == [Adopt("n1")]
    stopped = [member("n1"), member("n2")]
    assert plan_zone(stopped, highly_available=True, leaving=["n3"]) == [
        StartTogether(("n1", "n2"))
    ]


# Leaving


def zone(*states: State | None) -> ZoneView:
    """Make the zone of the first n1, n2, …; None does not answer."""
    pool = tuple(
        ServerEntry(number, f"n{number + 1}", endpoint(f"n{number + 1}"))
        for number in range(len(states))
    )
    return ZoneView(
        pool,
        {
            entry.name: RaftStatus(entry.id, state, 1, 5, 5)
            for entry, state in zip(pool, states, strict=True)
            if state is not None
        },
    )


@pytest.mark.parametrize(
    ("view", "leaving", "refusal"),
    [
        (zone(L, F, F), "n3", ""),
        (zone(L, F, F), "n1", ""),
        (zone(L, F, None), "n3", ""),
        (zone(L, F, C), "n3", ""),
        (zone(L, F, None), "n2", "n1 up"),
        (zone(L, F, C), "n2", "n1 up"),
        (zone(L, F, None), "n1", "n2 up"),
        (zone(L, F, F, None), "n4", ""),
        (zone(L, F, F, None), "n3", "n1, n2 up"),
        (zone(L, F, F, F, None), "n4", ""),
        (zone(L, F, F, None, None), "n3", "n1, n2 up"),
        (zone(L, F), "n2", ""),
        (zone(L, None), "n2", ""),
        (zone(L, F), "n1", ""),
        (zone(None, C), "n2", "none up"),
        (zone(L), "n1", "n1 alone"),
    ],
)
def test_a_server_leaves_only_if_the_others_keep_quorum(
    view: ZoneView, leaving: str, refusal: str
) -> None:
    found = check_leave(view, leaving)
    assert (found.seen if found else "") == refusal
    if found:
        assert found.host == leaving


def test_no_server_leaves_while_another_host_is_down() -> None:
    found = check_leave(zone(L, F, F, F, None), "n4", ["n5"])
    assert found is not None
    assert found.seen == "no answer from n5"


def test_a_server_that_takes_no_record_is_no_part_of_a_majority() -> None:
    assert check_leave(zone(L, F, F), "n2", stuck=[]) is None
    found = check_leave(zone(L, F, F), "n2", stuck=["n3"])
    assert found is not None
    assert found.seen == "n1 up; n3 takes no record of the leader"
    assert "pulumi refresh" in found.remedy
    # It is no part of one either way.
    assert check_leave(zone(L, F, F), "n3", stuck=[]) is None


@pytest.mark.parametrize(
    ("view", "leaving", "degraded", "refusal"),
    [
        (zone(L, F, F), ["n3"], False, ""),
        (zone(L, F, None), ["n3"], False, ""),
        (zone(L, F, F, F, F), ["n4", "n5"], False, ""),
        (zone(L, F, None, F, F), ["n4", "n5"], False, "n3 down"),
        (zone(L, C, F), ["n3"], False, "n2 down"),
        (zone(L, F, F, F, None), ["n4"], True, ""),
        (zone(L, F, None, F, F), ["n4", "n5"], True, "2 (n1, n2)"),
        (zone(None, None, L), ["n3"], True, "0 (none)"),
    ],
)
def test_a_zone_shrinks_only_if_the_remaining_servers_suffice(
    view: ZoneView, leaving: list[str], degraded: bool, refusal: str
) -> None:
    found = check_shrink(view, leaving, allow_degraded=degraded)
    assert (found.seen if found else "") == refusal


@pytest.mark.parametrize(
    "front_ends",
    [BLANK, [replace(blank(name), server_id=number) for number, name in enumerate(NAMES)]],
    ids=["blank hosts", "zone servers without a database"],
)
def test_without_data_a_dump_begins_the_zone(front_ends: list[FrontEndView]) -> None:
    plan = plan_zone(front_ends, highly_available=True, restoring=True)
    assert plan == [Restore("n1"), *REGISTER, *TAIL]
    assert plan_zone([blank("n1")], highly_available=False, restoring=True) == [Restore("n1")]


@pytest.mark.parametrize("before", FOUNDING)
def test_with_data_a_dump_is_ignored(before: str) -> None:
    front_ends, steps = FOUNDING[before]
    if any(one.has_content for one in front_ends):
        assert plan_zone(front_ends, highly_available=True, restoring=True) == steps


def test_a_known_zone_is_not_bootstrapped_again_without_its_data() -> None:
    for hosts, ha in (([blank("n1")], False), ([blank(name) for name in NAMES], True)):
        plan = plan_zone(hosts, highly_available=ha, existed=True)
        assert isinstance(plan, Refusal)
        assert "make restore" in plan.remedy
        again = plan_zone(hosts, highly_available=ha, existed=True, restoring=True)
        assert isinstance(again, list)
        assert again[0] == Restore("n1")


def test_a_silent_servers_host_is_called_at_the_address_of_its_entry() -> None:
    """Other programs register servers under names that no host resolves."""
    called: list[str] = []

    def connect(_port: int, _timeout: float, address: str) -> Any:
        called.append(address)
        raise ConnectionRefusedError("Connection refused")

    connection = SimpleNamespace(open_stream=connect)
    access = cast(Any, SimpleNamespace(connection=lambda _: connection))
    pool = tuple(replace(entry, endpoint=endpoint(f"10.0.0.{entry.id}")) for entry in POOL)
    view = ZoneView(pool, {"n1": RaftStatus(0, L, 1, 1, 1)})
    assert leave._dead(access, view, {"n1": Host(name="n1", address="10.0.0.0")}, "n3") == []
    assert called == ["10.0.0.1"]


def again(view: ZoneView) -> ZoneView:
    """Return the zone in its next term."""
    later = {name: replace(one, term=one.term + 1) for name, one in view.statuses.items()}
    return replace(view, statuses=later)


@pytest.mark.parametrize(
    ("after", "ended"),
    [
        (zone(L, F), []),
        (again(zone(L, F)), ["n1, n2"]),
        (again(zone(F, L)), ["n1, n2"]),
        (zone(C, C), ["n1, n2"]),
    ],
)
def test_an_election_during_a_leave_ends_with_an_announced_vip(
    monkeypatch: pytest.MonkeyPatch, after: ZoneView, ended: list[str]
) -> None:
    """It may be the last step of a run: of two candidates, one had led for a moment and announced
    the VIP last, and clients had no answer after a successful `up`.
    """
    done: list[str] = []
    for name in ("stop", "_delete"):
        monkeypatch.setattr(leave, name, lambda *_: None)
    monkeypatch.setattr(leave, "zone_lock", lambda *_: nullcontext())
    monkeypatch.setattr(leave, "_last_two", lambda *_: False)
    monkeypatch.setattr(leave, "_dead", lambda *_: [])
    monkeypatch.setattr(zone_leader, "stuck", lambda *_, **__: {})
    monkeypatch.setattr(zone_leader, "wait_for_leader", lambda *_: zone(L, F, F))
    monkeypatch.setattr(leave, "zone_view", lambda *_: after)
    monkeypatch.setattr(
        leave, "leading_with_vips", lambda _a, _z, hosts: done.append(", ".join(sorted(hosts)))
    )
    hosts = {name: Host(name=name, address="10.0.0.1") for name in NAMES}
    nothing = cast(Any, None)
    leave.leave(nothing, nothing, hosts["n3"], hosts, allow_degraded=False, dumped=True)
    assert done == ended
