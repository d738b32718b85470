"""Addresses that the program passes in place of the config: outputs, which may be unknown."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.dynamic import Config
from pulumi.output import UNKNOWN, Unknown
from pulumi.runtime import mocks

import opennebula_ha
from commands import stack
from hosts.models import Host
from providers import notes
from providers.installation import InstallationProvider
from providers.run_state import RunState
from providers.state import hosts_input
from settings import PROJECT, Settings, SettingsError, parse
from settings.forms import LATER
from tests.unit.bad_configs import MISSING
from tests.unit.test_commands import AFTER, BEFORE, SSH
from tests.unit.test_graph import Graph, _Mocks, _Monitor, build
from tests.unit.test_settings import GOOD, good, raw

SECRETS = ("one_pass", "db_password", "ssh")
RICH = {
    "ssh": SSH,
    "commands": [BEFORE, AFTER],
    "ensure_keys_for": ["ubuntu"],
    "ssl": {"web_server": "nginx"},
}
ADDRESSES = {name: entry["address"] for name, entry in GOOD["frontends"].items()}


def without_addresses() -> dict[str, Any]:
    front_ends = deepcopy(GOOD["frontends"])
    for entry in front_ends.values():
        del entry["address"]
    return {**GOOD, "frontends": front_ends}


def faults(addresses: Mapping[str, Any], **changes: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(raw({**without_addresses(), **changes}), addresses=addresses)
    return [fault.removeprefix(f"{PROJECT}:") for fault in caught.value.faults]


def test_unknown_addresses_are_no_fault_and_all_else_is_checked() -> None:
    later = dict.fromkeys(ADDRESSES, LATER)
    assert parse(raw(without_addresses()), addresses=later).hosts.keys() == ADDRESSES.keys()
    (fault,) = faults(later, one_version="seven")
    assert fault.startswith("one_version: expected a version")


def test_commands_name_the_stack_that_the_cli_has_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = tmp_path / "pulumi"
    cli.write_text('#!/bin/sh\n[ "$*" = "stack --show-name" ] && echo dev\n')
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    stack.name.cache_clear()
    assert stack.name() == "dev"
    cli.unlink()
    stack.name.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stack.name() == "…"
    monkeypatch.setenv("PULUMI_STACK", "production")
    stack.name.cache_clear()
    assert stack.name() == "production"
    stack.name.cache_clear()


def test_known_addresses_are_checked_as_those_of_the_config() -> None:
    assert parse(raw(without_addresses()), addresses=ADDRESSES) == good()
    wrong = {"n1a1": "10.2.50.86", "n1a2": "10.2.50.300", "n1a3": None}
    assert faults(wrong) == [
        "frontends.n1a3.address: the program passed none",
        "frontends.n1a2.address: expected an IPv4 address, such as 10.2.50.10, saw 10.2.50.300",
    ]
    assert faults({**ADDRESSES, "n1a1": "10.2.50.86"}) == [
        "one_vip: 10.2.50.86 is the address of n1a1; expected an unused address"
    ]


def test_program_and_config_must_agree() -> None:
    assert faults({**ADDRESSES, "n1a4": "10.2.50.13"})[0] == (
        "frontends: the program has the address of n1a4: list n1a4"
    )
    assert faults({"n1a1": "10.2.50.10"}) == [
        "frontends.n1a2.address: missing",
        "frontends.n1a3.address: missing",
    ]
    assert faults(ADDRESSES, frontends=GOOD["frontends"])[0] == (
        "frontends.n1a1.address: the program sets it: remove it here"
    )


def test_commands_get_the_addresses_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings() -> Settings:
        values = {
            key: {"value": value, "secret": key.rpartition(":")[2] in SECRETS}
            for key, value in raw(without_addresses()).items()
        }
        return stack._settings(StringIO(json.dumps(values)))

    with pytest.raises(SettingsError, match=r"n1a1\.address: missing"):
        settings()
    monkeypatch.setenv(stack.ADDRESSES, json.dumps(ADDRESSES))
    assert settings() == good()
    monkeypatch.setenv(stack.ADDRESSES, "n1a1")
    with pytest.raises(SettingsError, match="expected JSON of front-ends to addresses, saw n1a1"):
        settings()


@pytest.fixture
def own_config() -> Iterator[None]:
    values = raw({**without_addresses(), **RICH})
    pulumi.runtime.set_all_config(values, [f"{PROJECT}:{key}" for key in SECRETS])
    yield
    pulumi.runtime.set_all_config({}, [])


def of_program(*, preview: bool = False, **addresses: Any) -> Graph:
    """Build the graph of a program that passes these addresses as outputs."""
    monitor = _Monitor()
    mocks.set_mocks(_Mocks(), PROJECT, "lab", preview=preview, monitor=monitor)

    @mocks.test  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
    def run() -> pulumi.Output[str | None]:
        given: dict[str, pulumi.Input[str]] = {
            name: pulumi.Output.from_input(value) for name, value in addresses.items()
        }
        return opennebula_ha.HighAvailableZone("zone", {"addresses": given}).endpoint

    run()
    return Graph({one.urn: one for one in monitor.requests}, {})


@pytest.mark.usefixtures("own_config")
def test_outputs_arrive_wherever_the_config_s_addresses_do() -> None:
    found = of_program(**ADDRESSES)
    wanted = build(one_token=MISSING, auth=MISSING, **RICH)
    assert [key for key in found.kinds() if not key.startswith("Stack ")] == wanted.kinds()
    for key in wanted.kinds():
        there, here = wanted[key].inputs, found[key].inputs
        # A digest of the specs, which also changes with them; and the front-ends for providers.
        extra = {"wanted", "secrets", *({"frontends"} - there.keys())}
        assert {k: v for k, v in here.items() if k not in extra} == {
            k: v for k, v in there.items() if k not in extra
        }, key
        assert "<the address of" not in found[key].wire


@pytest.mark.usefixtures("own_config")
def test_only_unknown_addresses_are_unknown_in_a_preview() -> None:
    found = of_program(preview=True, **{**ADDRESSES, "n1a2": UNKNOWN})
    front_ends = found["Preflight zone"].inputs["frontends"]
    seen = {name: host["address"] for name, host in front_ends.items()}
    assert isinstance(seen.pop("n1a2"), Unknown)
    assert seen == {name: at for name, at in ADDRESSES.items() if name != "n1a2"}
    assert found["Installation n1a2"].inputs["host"]["name"] == "n1a2"


@pytest.fixture
def loop_of_an_ended_program() -> Iterator[None]:
    """Report no results that nothing awaits: a program would have ended."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(asyncio.new_event_loop())


@pytest.mark.usefixtures("own_config", "loop_of_an_ended_program")
def test_a_fault_of_an_output_ends_the_program_with_its_text() -> None:
    with pytest.raises(pulumi.RunError, match=r"one_vip: 10\.2\.50\.86 is the address of n1a1"):
        of_program(**{**ADDRESSES, "n1a1": "10.2.50.86"})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunState:
    monkeypatch.setattr(notes, "addresses", {})
    front_ends = json.dumps({"n1": {"ssh": {"port": 2222}}, "n2": {}})
    return RunState(Config({f"{PROJECT}:frontends": front_ends}, PROJECT))


def test_addresses_of_the_run_replace_those_of_the_state(run: RunState) -> None:
    assert run.front_ends == {}
    recorded = {name: Host(name=name, address=f"10.0.0.{name[1]}") for name in ("n1", "n2", "n3")}
    run.note_recorded(recorded)
    assert {name: host.address for name, host in run.front_ends.items()} == {
        "n1": "10.0.0.1",
        "n2": "10.0.0.2",
    }
    assert run.front_ends["n1"].ssh.port == 2222
    moved = recorded["n1"].model_copy(update={"address": "10.0.0.9"})
    InstallationProvider().check({}, {"frontends": hosts_input({"n1": moved})})
    run.note_recorded(recorded)
    assert run.front_ends["n1"].address == "10.0.0.9"


def test_a_machine_s_replacement_replaces_no_installation() -> None:
    olds = {"host": {"name": "n1", "address": "10.0.0.1"}, "urn": "u"}
    probed = InstallationProvider().diff("n1", olds, {**olds, "host": UNKNOWN})
    assert probed.changes
    assert not probed.replaces
    renamed = InstallationProvider().diff("n1", olds, {**olds, "host": {"name": "n2"}})
    assert renamed.replaces == ["host"]
