"""When a zone begins on its first front-end, and which front-end is installed first."""

import json
import threading
from collections.abc import Collection
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pulumi.dynamic import Config

from opennebula.membership.steps import Register, Seed, StartStandalone
from opennebula.zone import ServerEntry, endpoint
from procedures.bootstrap import bootstrap
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.specs import ZoneSpec
from providers import run_state, runtime
from providers.bootstrap import BootstrapProvider
from providers.run_state import RunState
from tests.unit.test_procedures import SHIPPED, facts

ZONE = ZoneSpec(name="OpenNebula", endpoint="", highly_available=True)
NAMES = ("n1a1", "n1a2", "n1a3")
WITH_SERVER_ID = configuration.with_server_id(SHIPPED, 2)


def new_stack(monkeypatch: pytest.MonkeyPatch, **config: Any) -> RunState:
    """Make a new stack of three front-ends."""
    front_ends = {f"n1a{number}": {"address": f"10.2.50.{number}"} for number in (1, 2, 3)}
    values = {"frontends": front_ends, **config}
    texts = {f"opennebula-ha:{key}": json.dumps(value) for key, value in values.items()}
    monkeypatch.setattr(run_state, "_current", None)
    monkeypatch.setattr(runtime, "_config", Config(texts, "opennebula-ha"))
    return run_state.current()


def blank() -> dict[str, Facts]:
    """Make its front-ends before the installation."""
    nothing = {"has_content": False, "oned_conf": "", "active": False, "packages": {}}
    return {name: facts(name, **nothing) for name in ("n1a1", "n1a2", "n1a3")}


def test_the_zone_begins_early_if_every_front_end_is_blank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = new_stack(monkeypatch)
    here.note_blank(blank())
    assert here.blank == blank()


@pytest.mark.parametrize(
    "config",
    [
        {"restore_from": "/a/dump"},
        {"fstab": [{"src": "a:/b", "path": "/c", "fstype": "nfs"}]},
        {"ds": {"config": {"mounts": [{"type": "image", "path": "/c"}]}}},
    ],
)
def test_restores_and_shares_come_before_any_zone(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    here = new_stack(monkeypatch, **config)
    here.note_blank(blank())
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
def test_no_zone_begins_early_if_one_may_exist(
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, Facts]
) -> None:
    here = new_stack(monkeypatch)
    here.note_blank(seen)
    assert not here.blank


def test_the_first_front_end_is_installed_before_the_others_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = new_stack(monkeypatch)
    here.note_blank(blank())
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


def test_the_others_wait_no_longer_than_its_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    here = new_stack(monkeypatch)
    here.note_blank(blank())
    monkeypatch.setattr(run_state, "HEAD_START", 0.0)
    with here.turn("n1a2"):
        pass


def test_a_first_server_may_list_only_front_ends_that_leave() -> None:
    """This is not a change by itself: ``Zone`` applies it, even many runs later."""
    provider = BootstrapProvider()
    now: dict[str, Any] = {"frontends": {"n1a1": {}, "n1a2": {}}}
    before: dict[str, Any] = {"frontends": {**now["frontends"], "n1a3": {}}}
    assert provider.check(now, now).inputs == now
    assert provider.check({"frontends": {"n1a1": {}}}, now).inputs == now
    left = provider.check(before, now).inputs
    assert left == {**now, "left": ["n1a3"]}
    assert provider.check(left, now).inputs == left
    assert provider.check(left, before).inputs == before
    assert not provider.diff("", before, left).changes
    assert provider.diff("", {**now, "incomplete": "create"}, now).changes


def plan_with(
    monkeypatch: pytest.MonkeyPatch, first: Facts, then: Facts
) -> tuple[type[object], bool]:
    """Return the kind of the first step, and whether the end of the first server's oned was
    awaited. ``then``: its facts after that.
    """
    awaited = []
    monkeypatch.setattr(bootstrap, "statuses", lambda access, hosts: {})
    monkeypatch.setattr(bootstrap, "require_names", lambda seen, hosts: None)
    monkeypatch.setattr(bootstrap, "all_facts", lambda *_, **__: {"n1a1": then})
    monkeypatch.setattr(bootstrap, "await_stopped", lambda access, hosts: awaited.append({*hosts}))
    seen = {**blank(), "n1a1": first}
    hosts = {name: front_end.host for name, front_end in seen.items()}
    access = cast("Access", None)
    begun = bootstrap._Bootstrapping(access, ZONE, hosts, {}, None, existed=False, seen=seen)
    planned = begun._plan()
    assert awaited in ([], [{"n1a1"}])
    return type(planned[0]), bool(awaited)


def standalone(registered: Collection[str], **changes: Any) -> Facts:
    entries = "".join(
        f"<SERVER><ID>{number}</ID><NAME>{name}</NAME>"
        f"<ENDPOINT>http://{name}:2633/RPC2</ENDPOINT></SERVER>"
        for number, name in enumerate(registered)
    )
    body = f"<ZONE><SERVER_POOL>{entries}</SERVER_POOL></ZONE>"
    conf = configuration.with_server_id(SHIPPED, -1)
    return facts("n1a1", **{"oned_conf": conf, "zone_body": body, "active": False, **changes})


def test_a_server_that_stops_is_awaited_before_any_other_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is neither up nor down: no call can register the others, and none may start it."""
    stopping, stopped = (standalone(NAMES[:1], stopping=now) for now in (True, False))
    assert plan_with(monkeypatch, stopping, stopped) == (StartStandalone, True)
    member = facts("n1a1", oned_conf=WITH_SERVER_ID, stopping=True, active=False)
    assert plan_with(monkeypatch, member, standalone(NAMES)) == (Seed, True)
    assert plan_with(monkeypatch, stopping, standalone(NAMES[:1], active=True)) == (Register, True)


class Api:
    """The API of the first server."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def zone(self) -> tuple[str, str, str]:
        return ZONE.name, "", ""

    def servers(self) -> tuple[ServerEntry, ...]:
        return tuple(ServerEntry(n, name, endpoint(name)) for n, name in enumerate(self.names))

    def add_server(self, name: str, _endpoint: str, _grpc: str) -> None:
        self.names.append(name)


def test_a_zone_begins_with_two_executions_and_no_observation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, ran = Api(), []
    access = SimpleNamespace(
        report=lambda _: None,
        named=lambda pool: pool,
        run=lambda host, name, **given: ran.append((host.name, name, given)),
    )
    monkeypatch.setattr(bootstrap, "zone_lock", lambda access, hosts: nullcontext())
    monkeypatch.setattr(bootstrap, "answering", lambda access, host: api)
    seen = blank()
    # A package from before has its file; the installation writes it.
    seen["n1a1"] = facts("n1a1", has_content=False, oned_conf=SHIPPED)
    hosts = {name: front_end.host for name, front_end in seen.items()}
    bootstrap.begin(cast("Access", access), ZONE, hosts, seen)
    assert [(host, name) for host, name, _ in ran] == [("n1a1", "bootstrap"), ("n1a1", "kill")]
    assert ran[0][2]["secrets"] == {"oned_conf": ""}
    assert api.names == [*NAMES]
