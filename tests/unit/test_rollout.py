"""A rollout restarts one server at a time, followers first, with a health check after each."""

from dataclasses import replace
from typing import Any, cast

import pytest

from hosts.models import Host
from procedures import health, rollout
from procedures.facts.facts import Facts
from procedures.specs import ZoneSpec
from procedures.upgrade.versions import WantedVersion
from tests.unit.test_procedures import facts

NAMES = ("n1a1", "n1a2", "n1a3")
ZONE = ZoneSpec(
    name="OpenNebula",
    endpoint="http://10.2.50.86:2633/RPC2",
    highly_available=True,
    vips=(),
)


class Zone:
    """Three servers whose restarts and health checks are recorded, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, leaders: tuple[str, ...]) -> None:
        self.happened: list[str] = []
        self.seen = {name: facts(name, next_conf="new") for name in NAMES}
        self._leaders = [*leaders]
        monkeypatch.setattr(rollout, "facts_where_possible", lambda *_, **__: dict(self.seen))
        monkeypatch.setattr(rollout, "renew", self._renew)
        monkeypatch.setattr(rollout, "start", lambda *_: None)
        monkeypatch.setattr(health, "verify", self._verify)
        monkeypatch.setattr(health, "last_check", lambda *given: given[3])
        for name in ("resume", "go_back", "change_database"):
            monkeypatch.setattr(f"procedures.rollout.upgrade.{name}", lambda *_: False)

    def _renew(self, _access: object, front_end: Facts) -> None:
        name = front_end.host.name
        self.happened.append(name)
        self.seen[name] = replace(front_end, next_conf="", since=200)

    def _verify(self, *_: object, **__: object) -> health.HealthyZone:
        self.happened.append("check")
        leader = self._leaders.pop(0) if len(self._leaders) > 1 else self._leaders[0]
        return health.HealthyZone(leader, 1, (), dict(self.seen))

    def roll_out(self) -> list[str]:
        access = cast(Any, type("Access", (), {"report": staticmethod(print)})())
        hosts = {name: Host(name=name, address="192.0.2.1") for name in NAMES}
        rollout.roll_out(
            access, ZONE, hosts, WantedVersion("7.2"), staying=NAMES, features=(), listed=()
        )
        return self.happened


def test_a_health_check_follows_each_restart_and_the_leader_is_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = Zone(monkeypatch, ("n1a2",)).roll_out()
    assert done == ["check", "n1a1", "check", "n1a3", "check", "n1a2", "check"]


def test_a_new_leader_is_last(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Zone(monkeypatch, ("n1a2", "n1a3")).roll_out()
    assert done == ["check", "n1a1", "check", "n1a2", "check", "n1a3", "check"]
