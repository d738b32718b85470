"""Files put in place on all front-ends are removed if a reverted config does not have them."""

from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest
from pulumi.dynamic import Config

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from procedures.specs import LoginKeysSpec, Spec, WebSpec
from providers import run_state, runtime
from providers.everywhere import EverywhereProvider
from providers.login_keys import LoginKeysProvider
from providers.state import as_input
from providers.web_server import WebServerProvider

NAMES = ("n1", "n2", "n3", "n4")
HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1]}") for name in NAMES}


@dataclass
class Connection:
    port: int = 22
    host_key: str = "ssh-ed25519 key"


@dataclass
class Hosts:
    """Records which scripts ran on which host; one of them may fail."""

    fails_on: str = ""
    withdrawn: set[tuple[str, str]] = field(default_factory=set)

    changes: Event = field(default_factory=Event)

    def report(self, _text: str) -> None:
        """Ignore all reports."""

    def connection(self, _host: Host) -> Connection:
        return Connection()

    def run(self, host: Host, name: str, *, variables: dict[str, str], **_: Any) -> Output:
        if host.name == self.fails_on and name != "authorize":
            raise HostError(host.name, name, expected="one that works", seen="none", remedy="run")
        if name == "authorize":
            users = enumerate(variables["users"].split())
            gone = {user for n, user in users if not variables[f"authorized_{n}"]}
            self.withdrawn |= {(host.name, user) for user in gone}
        elif variables.get("action") == "withdraw":
            self.withdrawn |= {(host.name, variables["server"])}
        keys = {f"public_{n}": f"key {user}" for n, user in enumerate("ab")}
        look = dict.fromkeys(
            ("fault", "bundle", "site", "linked", "enabled", "active", "failed"), ""
        )
        return Output({**keys, **look})


def of_keys(hosts: int, what: str) -> LoginKeysSpec:
    chosen = {name: HOSTS[name] for name in NAMES[:hosts]}
    return LoginKeysSpec(users=tuple(what.split()), hosts=chosen)


def of_web(hosts: int, what: str) -> WebSpec:
    chosen = {name: HOSTS[name] for name in NAMES[:hosts]}
    return WebSpec(hosts=chosen, server=what, names=("n1",), key="/k", certchain="/c")


def given(spec: Spec) -> dict[str, Any]:
    return {"spec": as_input(spec), "after": {}, "urn": "", "__provider": "code"}


CASES: dict[str, tuple[EverywhereProvider, Spec, Spec, set[tuple[str, str]]]] = {
    "a host, keys": (LoginKeysProvider(), of_keys(3, "a"), of_keys(4, "a"), {("n4", "a")}),
    "an account": (
        LoginKeysProvider(),
        of_keys(3, "a"),
        of_keys(3, "a b"),
        {(name, "b") for name in NAMES[:3]},
    ),
    "a host, site": (
        WebServerProvider(),
        of_web(3, "apache"),
        of_web(4, "apache"),
        {("n4", "apache")},
    ),
    "another server": (
        WebServerProvider(),
        of_web(2, "apache"),
        of_web(2, "nginx"),
        {("n1", "nginx"), ("n2", "nginx")},
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("then", ["put back", "failed again, put back", "deleted"])
def test_files_of_a_failed_update_are_removed(
    monkeypatch: pytest.MonkeyPatch, name: str, then: str
) -> None:
    provider, before, wanted, gone = CASES[name]
    there = Hosts()
    monkeypatch.setattr(runtime, "_config", Config({}, "opennebula-ha"))
    monkeypatch.setattr(run_state, "_current", None)
    monkeypatch.setattr(run_state.RunState, "access", lambda *_: there)
    olds = {**given(before), "drift": []}

    def fail(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
        there.fails_on = "n1"
        with pytest.raises(HostError) as failed:
            provider.update("id", olds, news)
        there.fails_on = ""
        there.withdrawn.clear()
        _, outputs = failed.value._opennebula_ha_partial  # type: ignore[attr-defined]
        kept: dict[str, Any] = outputs
        return kept

    kept = fail(olds, given(wanted))
    if then == "deleted":
        provider.delete("id", kept)
        assert gone <= there.withdrawn
        return
    if then != "put back":
        kept = fail(kept, given(before))
    assert provider.diff("id", kept, given(before)).changes
    outs = provider.update("id", kept, given(before)).outs
    assert there.withdrawn == gone
    assert "attempted" not in (outs or {})
