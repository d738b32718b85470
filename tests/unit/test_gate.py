"""What the gate does while the zone changes under it. Who is whole is in test_zone."""

from typing import Any, cast

import pytest

from hosts.connection import Host
from opennebula.zone import RaftStatus, ServerEntry, State, ZoneView, endpoint
from procedures import gate
from procedures.access import Access

NAMES = ("n1", "n2", "n3")
HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1]}") for name in NAMES}
POOL = tuple(ServerEntry(number, name, endpoint(name)) for number, name in enumerate(NAMES))


class Zone:
    """Three servers. A follower that lags gets what it lacks with the next write of its leader."""

    def __init__(self) -> None:
        self.leader, self.term, self.index = "n1", 1, 41
        self.lag = 0
        self.elects_after_a_write = ""

    def view(self, *_: Any) -> ZoneView:
        return ZoneView(POOL, {name: self._status(name) for name in NAMES})

    def write(self, *_: Any) -> None:
        self.index, self.lag = self.index + 1, 0
        if self.elects_after_a_write:
            # A majority has the record; n3, which is not among it, does not lead.
            self.leader, self.elects_after_a_write = self.elects_after_a_write, ""
            self.term, self.lag = self.term + 1, 1

    def _status(self, name: str) -> RaftStatus:
        index = self.index - (self.lag if name == "n3" else 0)
        state = State.LEADER if name == self.leader else State.FOLLOWER
        return RaftStatus(
            server_id=NAMES.index(name), state=state, term=self.term, commit=index, index=index
        )


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    zone = Zone()
    monkeypatch.setattr(gate, "zone_view", zone.view)
    monkeypatch.setattr(gate, "write", zone.write)
    monkeypatch.setattr(gate, "CONVERGENCE", 2.0)
    return zone


def converged(without: frozenset[str] = frozenset()) -> ZoneView:
    access = Access(cast(Any, None), cast(Any, None), lambda said: None)
    return gate._converged(access, HOSTS, without)


def test_a_leader_is_written_through_once(zone: Zone) -> None:
    assert converged().statuses["n3"].index == 42


def test_a_follower_that_lags_behind_a_leader_elected_meanwhile_gets_that_one_s_write(
    zone: Zone,
) -> None:
    zone.elects_after_a_write = "n2"
    seen = converged()
    assert seen.leader() == "n2"
    assert seen.statuses["n3"].index == seen.statuses["n2"].index
