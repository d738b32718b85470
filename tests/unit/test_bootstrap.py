"""When a zone begins on its first front-end, and who is installed first."""

import json
import threading
from typing import Any

import pytest
from pulumi.dynamic import Config

from procedures.facts.facts import Facts
from procedures.install import configuration
from providers import run_state, runtime
from providers.bootstrap import BootstrapProvider
from providers.run_state import RunState
from tests.unit.test_procedures import SHIPPED, facts

WITH_SERVER_ID = configuration.with_server_id(SHIPPED, 2)


def founding(monkeypatch: pytest.MonkeyPatch, **config: Any) -> RunState:
    """A new stack of three front-ends."""
    front_ends = {f"n1a{number}": {"address": f"10.2.50.{number}"} for number in (1, 2, 3)}
    values = {"frontends": front_ends, **config}
    texts = {f"opennebula-ha:{key}": json.dumps(value) for key, value in values.items()}
    monkeypatch.setattr(run_state, "_current", None)
    monkeypatch.setattr(runtime, "_config", Config(texts, "opennebula-ha"))
    return run_state.current()


def blank() -> dict[str, Facts]:
    """Its front-ends before anything is installed."""
    nothing = {"has_content": False, "oned_conf": "", "active": False, "packages": {}}
    return {name: facts(name, **nothing) for name in ("n1a1", "n1a2", "n1a3")}


def test_the_zone_begins_ahead_where_every_front_end_is_blank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = founding(monkeypatch)
    here.found_on(blank())
    assert here.blank == blank()


@pytest.mark.parametrize(
    "config",
    [
        {"restore_from": "/a/dump"},
        {"fstab": [{"src": "a:/b", "path": "/c", "fstype": "nfs"}]},
        {"ds": {"config": {"mounts": [{"type": "image", "path": "/c"}]}}},
    ],
)
def test_a_dump_or_shares_come_before_any_zone(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    here = founding(monkeypatch, **config)
    here.found_on(blank())
    assert not here.blank


@pytest.mark.parametrize(
    "seen",
    [
        {**blank(), "n1a3": facts("n1a3")},
        {**blank(), "n1a2": facts("n1a2", has_content=False, oned_conf=WITH_SERVER_ID)},
        {name: one for name, one in blank().items() if name != "n1a3"},
    ],
    ids=["data", "a place in a zone", "one that was not looked at"],
)
def test_no_zone_begins_ahead_where_one_may_be(
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, Facts]
) -> None:
    here = founding(monkeypatch)
    here.found_on(seen)
    assert not here.blank


def test_the_founder_is_installed_before_the_others_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    here = founding(monkeypatch)
    here.found_on(blank())
    monkeypatch.setattr(run_state, "HEAD_START", 60.0)
    order: list[str] = []

    def install(name: str) -> None:
        with here.turn(name):
            order.append(name)

    other = threading.Thread(target=install, args=("n1a2",))
    other.start()
    install("n1a1")
    other.join(60)
    assert order == ["n1a1", "n1a2"]


def test_the_others_wait_no_longer_than_for_its_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    here = founding(monkeypatch)
    here.found_on(blank())
    monkeypatch.setattr(run_state, "HEAD_START", 0.0)
    with here.turn("n1a2"):
        pass


def test_who_leaves_may_be_on_the_list_of_a_founder_and_nobody_else() -> None:
    now: dict[str, Any] = {"n1a1": {}, "n1a2": {}}
    for before, changes in (
        (now, False),
        ({"n1a1": {}}, False),
        ({**now, "n1a3": {}}, True),
    ):
        found = BootstrapProvider().diff("", {"front_ends": before}, {"front_ends": now})
        assert found.changes is changes
    half = {"front_ends": now, "incomplete": "create"}
    assert BootstrapProvider().diff("", half, {"front_ends": now}).changes
