"""Interrupted creates of ours are recorded as incomplete; all other operations are kept."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.pending import OURS, settled
from hosts.models import Host
from procedures.specs import MemberSpec, ZoneSpec
from providers.state import as_input

ROOT = Path(__file__).parents[2]
ZONE = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=True)
MEMBER = MemberSpec(host=Host(name="n1", address="10.0.0.1"), zone=ZONE)


def operation(kind: str, of: str, spec: object = None) -> dict[str, Any]:
    inputs = {"spec": spec, "__provider": "code", "secrets": {"ciphertext": "x"}, "drift": None}
    resource = {"urn": f"urn:pulumi:lab::opennebula-ha::{of}::n1", "type": of}
    return {"type": kind, "resource": {**resource, "inputs": inputs}}


def exported(
    *pending: dict[str, Any], resources: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    deployment = {"resources": [*resources], "pending_operations": [*pending]}
    return {"version": 3, "deployment": deployment}


def test_an_interrupted_create_is_recorded_as_incomplete() -> None:
    ours = operation("creating", f"{OURS}ZoneMember", as_input(MEMBER))
    others = (
        operation("creating", "command:remote:Command"),
        operation("deleting", f"{OURS}ZoneMember"),
    )
    zone = {"urn": "urn:zone"}
    half = {
        **ours["resource"],
        "id": "n1",
        "outputs": {
            "spec": as_input(MEMBER),
            "__provider": "code",
            "secrets": {"ciphertext": "x"},
            "incomplete": "create",
        },
        "initErrors": ["its create was interrupted"],
    }
    given = exported(ours, *others, resources=(zone,))
    assert settled(given) == exported(*others, resources=(zone, half))


def test_an_existing_record_gets_no_second_one() -> None:
    ours = operation("creating", f"{OURS}ZoneMember", as_input(MEMBER))
    there = {"urn": ours["resource"]["urn"], "pendingReplacement": True}
    assert settled(exported(ours, resources=(there,))) == exported(resources=(there,))


def test_an_interrupted_update_is_repeated() -> None:
    wanted = as_input(MEMBER)
    ours = operation("updating", f"{OURS}ZoneMember", wanted)
    for before, spec, after in (
        (None, wanted, {"incomplete": "update"}),
        ("create", wanted, {"incomplete": "create"}),
        # The next run knows what was interrupted, whatever it will change.
        (None, "former", {"incomplete": "update", "attempted": [{"spec": wanted}]}),
    ):
        outputs = {"incomplete": before, "spec": spec}
        there: dict[str, Any] = {"urn": ours["resource"]["urn"], "outputs": outputs}
        now = {
            "outputs": {**outputs, **after},
            "initErrors": [f"its {after['incomplete']} was interrupted"],
        }
        expected = exported(resources=({**there, **now},))
        assert settled(exported(ours, resources=(there,))) == expected


def test_an_interrupted_delete_is_created_again_if_in_the_config() -> None:
    ours = operation("deleting", f"{OURS}ZoneMember", as_input(MEMBER))
    there = {"urn": ours["resource"]["urn"], "outputs": {"spec": as_input(MEMBER)}}
    now = {
        "outputs": {**there["outputs"], "incomplete": "update"},
        "initErrors": ["its delete was interrupted"],
    }
    assert settled(exported(ours, resources=(there,))) == exported(
        ours, resources=({**there, **now},)
    )


def test_a_record_that_waits_for_its_deletion_stays() -> None:
    ours = operation("creating", f"{OURS}ZoneMember", as_input(MEMBER))
    there = {"urn": ours["resource"]["urn"], "delete": True}
    after = settled(exported(ours, resources=(there,)))
    assert after is not None
    half, kept = after["deployment"]["resources"]
    assert (half["id"], kept) == ("n1", there)


def test_nothing_is_recorded_for_checks() -> None:
    assert settled(exported(operation("creating", f"{OURS}Preflight", None))) == exported()


def test_a_kind_of_another_release_is_not_recorded() -> None:
    assert settled(exported(operation("creating", f"{OURS}Moon", None))) == exported()


@pytest.mark.parametrize("kind", ["Bootstrap", "Zone", "Rollout", "VirtualIp"])
def test_each_kind_knows_its_id(kind: str) -> None:
    after = settled(exported(operation("creating", f"{OURS}{kind}", as_input(ZONE))))
    assert after is not None
    (half,) = after["deployment"]["resources"]
    assert half["id"]


def test_a_state_without_pending_operations_stays() -> None:
    assert settled(exported()) is None
    assert settled({"version": 3, "deployment": {}}) is None
    assert settled(exported(operation("creating", "command:remote:Command"))) is None


CLI = """#!/usr/bin/env bash
case "$*" in
    "stack export") cat "$HOME/state" ;;
    "stack import") cat >"$HOME/state" ;;
    "up --yes")
        trap 'exit 130' INT
        trap 'exit 143' TERM
        echo running
        while :; do read -r -t 0.1 <> <(:) || true; done ;;
    *) exit "$1" ;;
esac
"""


@pytest.fixture
def cli(tmp_path: Path) -> Path:
    """Make a home with a CLI that fails, and a state with an interrupted create."""
    (tmp_path / "pulumi").write_text(CLI)
    (tmp_path / "pulumi").chmod(0o755)
    given = operation("creating", f"{OURS}ZoneMember", as_input(MEMBER))
    (tmp_path / "state").write_text(json.dumps(exported(given)))
    return tmp_path


def running(home: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "commands.run", "pulumi", *words],
        cwd=ROOT,
        env={"HOME": str(home), "PATH": f"{home}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )


def left(home: Path) -> Any:
    return json.loads((home / "state").read_text())["deployment"]["pending_operations"]


def test_a_failed_run_records_its_interrupted_operations(cli: Path) -> None:
    process = running(cli, "3")
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 3
    assert "the next up resumes them" in said
    assert left(cli) == []


def test_a_successful_run_does_not_read_the_state(cli: Path) -> None:
    process = running(cli, "0")
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 0
    assert len(left(cli)) == 1


def test_a_signal_reaches_the_cli_and_the_wrapper_continues(cli: Path) -> None:
    process = running(cli, "up", "--yes")
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    # As from a terminal: the CLI receives the signal itself.
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert left(cli) == []
