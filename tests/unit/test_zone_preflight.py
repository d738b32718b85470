"""Changes that the zone would refuse are refused before any host is written. Pure."""

from typing import Any

import pytest

from hosts.models import Host
from opennebula.membership.observed import FrontEndView
from opennebula.zone import RaftStatus, ServerEntry, State, ZoneView, endpoint
from procedures.preflight.zone_preflight import Foreseen, ZoneChange, judge
from procedures.specs import ZoneSpec

NAMES = ("n1a1", "n1a2", "n1a3")
POOL = tuple(ServerEntry(number, name, endpoint(name)) for number, name in enumerate(NAMES))


def host(name: str) -> Host:
    return Host(name=name, address=f"10.2.50.{9 + int(name[-1])}")


def change(*staying: str, leaving: tuple[str, ...] = (), **others: Any) -> ZoneChange:
    given: dict[str, Any] = {"highly_available": True, **others.pop("zone", {})}
    zone = ZoneSpec(name="OpenNebula", endpoint=endpoint("10.2.50.86"), **given)
    return ZoneChange(
        zone,
        {name: host(name) for name in staying},
        {name: host(name) for name in leaving},
        **others,
    )


def status(number: int, state: State) -> RaftStatus:
    return RaftStatus(server_id=number, state=state, term=4, index=9, commit=9)


def server(name: str, **changes: Any) -> FrontEndView:
    number = NAMES.index(name) if name in NAMES else -1
    given: dict[str, Any] = {
        "running": True,
        "server_id": number,
        "has_content": True,
        "identity": "ours",
        "pool": POOL,
        "log_index": 9,
        "log_term": 4,
        "log_begins": 0,
        "status": status(number, State.LEADER if number == 0 else State.FOLLOWER),
    }
    return FrontEndView(name=name, **{**given, **changes})


def blank(name: str) -> FrontEndView:
    return FrontEndView(name=name)


def view(*silent: str) -> ZoneView:
    answers = {one.name: one.status for one in map(server, NAMES) if one.name not in silent}
    return ZoneView(POOL, {name: one for name, one in answers.items() if one is not None})


def seen(*others: FrontEndView, silent: tuple[str, ...] = ()) -> list[FrontEndView]:
    down: dict[str, Any] = {"running": False, "status": None}
    return [*(server(name, **(down if name in silent else {})) for name in NAMES), *others]


def refusal(found: Foreseen) -> str:
    assert len(found.refusals) == 1, [str(one) for one in found.refusals]
    assert not found.adopted
    return str(found.refusals[0])


def test_a_running_zone_is_adopted_if_all_its_servers_are_listed() -> None:
    assert judge(change(*NAMES, new=NAMES), seen(), view()) == Foreseen((), frozenset(NAMES))


def test_a_running_standalone_front_end_is_adopted_unchanged() -> None:
    alone = server("n1a1", server_id=-1, pool=(), status=status(-1, State.SOLO))
    wanted = change("n1a1", zone={"highly_available": False})
    assert judge(wanted, [alone], ZoneView((), {})) == Foreseen((), frozenset({"n1a1"}))


def test_a_conversion_is_not_an_adoption() -> None:
    alone = server("n1a1", server_id=-1, pool=(), status=status(-1, State.SOLO))
    others = [blank("n1a2"), blank("n1a3")]
    assert judge(change(*NAMES, new=NAMES), [alone, *others], ZoneView((), {})) == Foreseen()


def test_blank_hosts_become_a_zone_and_join_one() -> None:
    assert judge(change(*NAMES), [blank(name) for name in NAMES], ZoneView((), {})) == Foreseen()
    grown = judge(change(*NAMES, "n1a4", new=("n1a4",)), seen(blank("n1a4")), view())
    assert grown.refusals == ()


def test_servers_that_the_config_does_not_list_are_refused() -> None:
    text = refusal(judge(change("n1a1", new=NAMES), [server("n1a1")], view("n1a2", "n1a3")))
    assert "zone server 1 n1a2" in text


def test_a_zone_of_three_cannot_become_standalone_at_once() -> None:
    wanted = change("n1a1", leaving=("n1a2", "n1a3"), zone={"highly_available": False})
    text = refusal(judge(wanted, seen(), view()))
    assert "shrink it to one with force_ha: true first" in text


@pytest.mark.parametrize("highly_available", [True, False])
def test_a_host_that_leaves_a_lone_first_server_was_in_no_zone(
    highly_available: bool,
) -> None:
    wanted: dict[str, Any] = {"zone": {"highly_available": highly_available}}
    first = server("n1a1", server_id=-1, running=False, status=None)
    two = ("n1a2", "n1a3")
    found = judge(change("n1a1", leaving=two, **wanted), [first], ZoneView((), {}))
    assert found.refusals == ()
    # Nothing is known of a name that the stack never had.
    found = judge(change("n1a1", leaving=two[:1], **wanted), [first], ZoneView((), {}))
    assert "n1a3" in refusal(found)


def test_a_new_front_end_with_data_of_another_opennebula() -> None:
    stranger = server("n1a4", identity="theirs", server_id=-1, pool=(), status=None)
    wanted = change(*NAMES, "n1a4", new=("n1a4",))
    found = judge(wanted, seen(stranger), view())
    assert any(
        str(one).startswith("n1a4: identify the OpenNebula on the host") for one in found.refusals
    )


def test_a_shrink_while_a_remaining_server_is_down_is_refused() -> None:
    wanted = change("n1a1", "n1a2", leaving=("n1a3",))
    assert "n1a2 down" in refusal(judge(wanted, seen(silent=("n1a2",)), view("n1a2")))
    degraded = change("n1a1", "n1a2", leaving=("n1a3",), allow_degraded=True)
    assert "would lose quorum" in refusal(judge(degraded, seen(silent=("n1a2",)), view("n1a2")))


def test_a_shrink_restarts_a_server_of_an_interrupted_leave() -> None:
    stopped = server("n1a2", running=False, status=None, stopped_by_us=True)
    others = [one for one in seen() if one.name != "n1a2"]
    wanted = change("n1a1", "n1a2", leaving=("n1a3",))
    assert judge(wanted, [stopped, *others], view("n1a2")).refusals == ()


def test_a_leaving_front_end_that_cannot_be_reached_is_refused() -> None:
    wanted = change("n1a1", "n1a2", leaving=("n1a3",))
    without = [one for one in seen() if one.name != "n1a3"]
    assert "opennebula-ha:lost" in refusal(judge(wanted, without, view("n1a3")))


def test_lost_servers_are_removed_if_others_lead_or_one_remains() -> None:
    left = [one for one in seen() if one.name != "n1a3"]
    assert judge(change("n1a1", "n1a2", lost=("n1a3",)), left, view("n1a3")).refusals == ()
    last = server("n1a1", status=status(0, State.CANDIDATE))
    alone = change("n1a1", lost=("n1a2", "n1a3"))
    assert judge(alone, [last], ZoneView((), {})).refusals == ()


def test_a_zone_of_two_loses_one_while_a_former_server_leaves() -> None:
    two = POOL[:2]
    last = server("n1a1", pool=two, status=status(0, State.CANDIDATE))
    former = server("n1a3", running=False, status=None)
    alone = change("n1a1", leaving=("n1a3",), lost=("n1a2",))
    assert judge(alone, [last, former], ZoneView((), {})).refusals == ()


def test_lost_servers_without_which_no_leader_exists_are_refused() -> None:
    five = (
        *POOL,
        ServerEntry(3, "n1a4", endpoint("n1a4")),
        ServerEntry(4, "n1a5", endpoint("n1a5")),
    )
    left = [
        server(name, pool=five, status=status(number, State.CANDIDATE))
        for number, name in enumerate(("n1a1", "n1a2"))
    ]
    wanted = change("n1a1", "n1a2", lost=("n1a3", "n1a4", "n1a5"))
    assert "no leader" in refusal(judge(wanted, left, ZoneView((), {})))


@pytest.mark.parametrize(
    ("password", "silent", "said"),
    [
        ("new", ("n1a3",), "no answer of the oned on n1a3"),
        ("a<b", (), "without any of & < >"),
    ],
)
def test_a_new_password_needs_every_server_and_must_match(
    password: str, silent: tuple[str, ...], said: str
) -> None:
    wanted = change(*NAMES, changes_password=True)
    assert said in refusal(judge(wanted, seen(silent=silent), view(*silent), password))
