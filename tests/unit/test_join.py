"""A front-end that joins: a server that is already healthy is not touched, nor checked twice."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import pytest

from opennebula.zone import RaftStatus, State, ZoneView
from procedures.bootstrap.bootstrap import KnownZone
from procedures.context import Access
from procedures.membership import join, join_server
from procedures.specs import MemberSpec, ZoneSpec
from tests.unit.test_health import HOSTS, NAMES, POOL
from tests.unit.test_procedures import facts

SPEC = MemberSpec(
    host=HOSTS["n3"],
    zone=ZoneSpec(name="Main", endpoint="http://10.0.0.9:2633/RPC2", highly_available=True),
)


def view(state: State = State.FOLLOWER, *, listed: bool = True) -> ZoneView:
    """Make the zone that n1 leads, with n3 in that state."""
    states = {"n1": State.LEADER, "n2": State.FOLLOWER, "n3": state}
    return ZoneView(
        tuple(entry for entry in POOL if listed or entry.name != "n3"),
        {
            name: RaftStatus(server_id=number, state=states[name], term=1, index=7, commit=7)
            for number, name in enumerate(NAMES)
        },
    )


class Zone:
    """The requests to the servers, and whether the host had to join."""

    def __init__(self, present: ZoneView) -> None:
        self.present = present
        self.looks = 0
        self.joined: list[dict[str, Any]] = []
        self.said: list[str] = []

    def look(self, *_: Any) -> ZoneView:
        self.looks += 1
        return self.present

    def join(self, *_: Any, **given: Any) -> "Zone":
        self.joined.append(given)
        return self

    def run(self) -> int:
        return 2


def joined(
    monkeypatch: pytest.MonkeyPatch, present: ZoneView, known_zone: KnownZone | None = None
) -> Zone:
    zone = Zone(present)
    monkeypatch.setattr(join, "zone_view", zone.look)
    monkeypatch.setattr(join, "zone_lock", lambda *_: nullcontext())
    monkeypatch.setattr(join, "Join", zone.join)
    access = Access(cast(Any, None), cast(Any, None), zone.said.append)
    assert join.join(access, SPEC, HOSTS, known_zone) == 2
    return zone


def test_a_healthy_server_is_not_checked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zone = joined(monkeypatch, view(), KnownZone(view()))
    assert (zone.looks, zone.joined) == (0, [])


@pytest.mark.parametrize("then", [None, view(State.CANDIDATE), view(listed=False)])
def test_a_recovered_server_is_checked_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, then: ZoneView | None
) -> None:
    zone = joined(monkeypatch, view(), KnownZone(then))
    assert (zone.looks, zone.joined) == (1, [])


@pytest.mark.parametrize("now", [view(State.CANDIDATE), view(listed=False)])
def test_an_unhealthy_server_joins(monkeypatch: pytest.MonkeyPatch, now: ZoneView) -> None:
    known_zone = KnownZone(view(listed=False), seeded=frozenset({"n3"}))
    zone = joined(monkeypatch, now, known_zone)
    assert zone.joined == [{"seeded": True}]
    assert joined(monkeypatch, now).joined == [{"seeded": False}]


def test_faults_are_reported_before_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = view()
    lags = replace(behind.statuses["n3"], index=5, commit=5)
    zone = joined(monkeypatch, ZoneView(behind.pool, {**behind.statuses, "n3": lags}))
    assert zone.said == ["n3: repair: its log ends at 5, the leader's at 7"]
    # A new server has no faults to report.
    assert joined(monkeypatch, view(listed=False)).said == []


def test_a_server_with_another_list_than_the_leader_is_reported() -> None:
    said: list[str] = []
    access = Access(cast(Any, None), cast(Any, None), said.append)
    one = join_server.Join(access, SPEC, HOSTS)
    body = "<ZONE><SERVER_POOL>{}</SERVER_POOL></ZONE>"
    entry = "<SERVER><ID>{0}</ID><NAME>{1}</NAME><ENDPOINT>http://{1}:2633/RPC2</ENDPOINT></SERVER>"
    everybody = "".join(entry.format(number, name) for number, name in enumerate(NAMES))
    one._report_list(facts("n3", zone_body=body.format(everybody)), view())
    assert said == []
    one._report_list(facts("n3", zone_body=body.format(entry.format(0, "n1"))), view())
    assert said == ["n3: its database lists n1, the zone has n1, n2, n3"]
