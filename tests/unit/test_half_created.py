"""Remains of a failed create: what may be stopped, and which servers still leave a zone."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from pulumi.dynamic import Config

from hosts.models import Host
from hosts.script import Output
from opennebula.zone import STANDALONE_ID, endpoint
from procedures.bootstrap.bootstrap import KnownZone
from procedures.facts.facts import Facts
from procedures.facts.traces import Traces
from procedures.install import configuration, remove
from procedures.specs import ZoneSpec
from providers import run_state, runtime
from providers import zone as zones
from providers.state import hosts_input
from providers.zone import ZoneProvider
from tests.unit.test_procedures import facts
from tests.unit.test_procedures import spec as installation_spec

SPEC = installation_spec()
BARE: dict[str, Any] = {"packages": {}, "has_content": False, "active": False}


@dataclass
class Recorded:
    """An access that runs nothing."""

    left: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def run(self, _host: Host, name: str, **given: Any) -> Output:
        self.asked.append((name, given["variables"]))
        return Output({"left": self.left}, (), "")


def removed(monkeypatch: pytest.MonkeyPatch, seen: Facts, access: Recorded, **how: bool) -> str:
    monkeypatch.setattr(remove, "facts", lambda *_, **__: seen)
    given: Any = access
    return remove.remove(given, SPEC, **how)


def test_nothing_is_stopped_on_a_host_that_was_never_seen_blank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = Recorded()
    said = removed(monkeypatch, facts(), access, half_installed=True)
    assert access.asked == []
    assert "stays as it is" in said


def test_a_complete_installation_is_stopped_without_a_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = Recorded("opennebula")
    assert removed(monkeypatch, facts(), access) == ""
    assert [name for name, _ in access.asked] == ["uninstall"]


@pytest.mark.parametrize("left", ["", "opennebula-common"])
def test_remains_on_a_host_that_was_blank_are_reported(
    monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    access = Recorded(left)
    seen = facts(**BARE, traces=Traces(claimed="new"))
    said = removed(monkeypatch, seen, access, half_installed=True)
    ((name, variables),) = access.asked
    assert (name, variables["account"], variables["database"]) == ("uninstall", "", "")
    assert (left in said) if left else (said == "")


def test_nothing_is_dropped_from_a_mariadb_that_never_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Recorded()
    seen = facts(traces=Traces(claimed="new"), silent="MariaDB does not answer")
    removed(monkeypatch, seen, access, half_installed=True)
    ((_, variables),) = access.asked
    assert (variables["account"], variables["database"]) == ("", "")


ZONE = ZoneSpec(name="Main", endpoint=endpoint("n1a1"), highly_available=True)
NAMES = ("n1a1", "n1a2", "n1a3")
HOSTS = {name: Host(name=name, address=f"10.2.50.1{name[-1]}") for name in NAMES}
SERVERS = "".join(
    f"<SERVER><ID>{number}</ID><NAME>{name}</NAME><ENDPOINT>{endpoint(name)}</ENDPOINT></SERVER>"
    for number, name in enumerate(NAMES)
)
BODY = f"<ZONE><SERVER_POOL>{SERVERS}</SERVER_POOL></ZONE>"


@pytest.mark.parametrize("server_id", [STANDALONE_ID, 0])
def test_a_server_leaves_a_half_created_zone_properly(
    monkeypatch: pytest.MonkeyPatch, server_id: int
) -> None:
    did: list[Any] = []
    conf = configuration.with_server_id(facts().oned_conf, server_id)
    first = facts("n1a1", oned_conf=conf, zone_body=BODY)
    seen = {"n1a1": first, "n1a2": facts("n1a2", has_content=False)}

    def found(*given: Any, **_: Any) -> KnownZone:
        did.append(("found", sorted(given[3])))
        return KnownZone()

    monkeypatch.setattr(run_state, "_current", None)
    monkeypatch.setattr(runtime, "_config", Config({}, "opennebula-ha"))
    monkeypatch.setattr("procedures.bootstrap.bootstrap.zone_lock", lambda *_: nullcontext())
    monkeypatch.setattr(zones, "_observe_and_resume", lambda *_: seen)
    monkeypatch.setattr(
        "procedures.credentials.password.set_password",
        lambda *_, **how: did.append(how["changed"]),
    )
    monkeypatch.setattr("procedures.bootstrap.bootstrap.bootstrap_or_adopt", found)
    monkeypatch.setattr("procedures.membership.leave.prepare", lambda *_, **__: True)
    monkeypatch.setattr(
        "procedures.membership.leave.leave",
        lambda *given, **_: did.append(("leave", given[2].name)),
    )
    olds = {
        **ZoneProvider.inputs_of(ZONE),
        "frontends": hosts_input(HOSTS),
        "one_pass": "former",
        "incomplete": "create",
        "lost": [],
    }
    staying = {name: HOSTS[name] for name in NAMES[:2]}
    news = {**olds, "frontends": hosts_input(staying), "one_pass": "new", "urn": ""}
    outs = ZoneProvider().update("zone-0", olds, news).outs
    assert outs is not None
    assert outs["drift"] == []
    # A first server that is still alone never had the others in its zone.
    expected = [("found", ["n1a3"]), ("leave", "n1a3")]
    assert did == [True, *(expected if server_id != STANDALONE_ID else [("found", [])])]
