"""An oned is not stopped while that may never end, and one that hangs in its exit is killed."""

import time
from pathlib import Path

import pytest

from tests.unit.sandbox import Sandbox

OSES = 'ID=debian\nVERSION_ID="12"\n'
# A stop ends at once where nothing hangs; a kill ends it in any case.
ONED = r"""
"systemctl show -p ActiveState "*) cat /ROOT/state ;;
"systemctl show -p SubState "*) cat /ROOT/substate ;;
"systemctl show -p MainPID "*) cat /ROOT/pid ;;
"systemctl show -p ActiveEnterTimestampMonotonic "*) cat /ROOT/ready ;;
"systemctl --no-block stop opennebula.service")
    date +%s.%N >/ROOT/stopped
    [ -e /ROOT/hangs ] && echo deactivating >/ROOT/state || echo inactive >/ROOT/state ;;
"systemctl kill "*) echo failed >/ROOT/state ;;
"systemctl start "*) echo active >/ROOT/state ;;
"""
LOG = "/var/log/one/oned.log"
FINISHED = "Sun Nov 22 10:00:00 2026 [Z0][ONE][I]: All modules finalized, exiting.\n\n"


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    host = Sandbox(tmp_path / "host", OSES, ONED, new="7.2.0-1")
    told = {"state": "active", "substate": "stop-sigterm", "ready": "0", "pid": "7"}
    for name, text in told.items():
        host.file(name, text)
    return host


def ends_after(host: Sandbox, looks: int) -> None:
    """It ends by itself, so many looks later."""
    host.answer(
        "systemctl show -p ActiveState *",
        "echo x >>/ROOT/looks"
        f"; [ $(wc -l </ROOT/looks) -gt {looks} ] && echo inactive || echo deactivating",
    )


@pytest.mark.parametrize(("script", "given"), [("stop", {}), ("restart", {"oned_conf": ""})])
def test_one_that_has_just_started_is_stopped_four_seconds_after_it_was_ready(
    host: Sandbox, script: str, given: dict[str, str]
) -> None:
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    ready = time.clock_gettime(time.CLOCK_BOOTTIME) - 3
    host.file("ready", f"{ready * 1e6:.0f}")
    host.run(script, given)
    assert float(host.file("stopped")) - booted - ready > 3.9


def test_one_that_runs_for_longer_is_stopped_at_once(host: Sandbox) -> None:
    host.file("ready", "1000000")
    begun = time.monotonic()
    assert "kill" not in " ".join(host.run("stop", {}).steps)
    assert time.monotonic() - begun < 3


def test_one_that_has_finished_and_does_not_end_is_killed_and_that_is_said(host: Sandbox) -> None:
    host.file("hangs", "")
    host.file(LOG, FINISHED)
    output = host.run("stop", {})
    assert "remedy" not in output.values
    assert "kill oned: it has ended all of its modules, and hangs in its exit" in output.steps
    kill = "systemctl kill --signal=KILL --kill-who=main opennebula.service"
    assert kill in host.asked("systemctl")


@pytest.mark.parametrize(
    ("substate", "pid", "log"),
    [
        ("stop-post", "7", FINISHED),
        ("stop-sigterm", "0", FINISHED),
        ("stop-sigterm", "7", "[Z0][ONE][I]: Stopping oned\n"),
    ],
)
def test_one_that_is_not_done_or_whose_hook_runs_is_waited_for(
    host: Sandbox, substate: str, pid: str, log: str
) -> None:
    for name, text in {"state": "deactivating", "substate": substate, "pid": pid, LOG: log}.items():
        host.file(name, text)
    ends_after(host, 29)
    output = host.run("await_stopped", {}, exclusive=False)
    assert output.values["waited"] == "yes"
    assert not [line for line in host.asked("systemctl") if " kill " in line]


def test_what_is_being_stopped_starts_again_only_when_it_has_ended(host: Sandbox) -> None:
    host.file("state", "deactivating")
    ends_after(host, 4)
    host.run("start", {"server_id": ""})
    asked = host.asked("systemctl")
    looks = [n for n, line in enumerate(asked) if "ActiveState" in line]
    assert len(looks) >= 5
    assert asked.index("systemctl start opennebula.service") > max(looks)
