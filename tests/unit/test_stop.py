"""A stop in progress is waited for, and an oned that hangs at its end is killed."""

from pathlib import Path

import pytest

from tests.unit.sandbox import Sandbox

OSES = 'ID=debian\nVERSION_ID="12"\n'
# A stop ends at once if nothing hangs; a kill always ends it.
ONED = r"""
"systemctl show -p ActiveState "*) cat /ROOT/state ;;
"systemctl show -p SubState "*) cat /ROOT/substate ;;
"systemctl show -p MainPID "*) cat /ROOT/pid ;;
"systemctl --no-block stop opennebula.service")
    touch /ROOT/stopped
    if [ ! -e /ROOT/hangs ]; then echo inactive >/ROOT/state
    elif [ "$(cat /ROOT/state)" = active ]; then echo deactivating >/ROOT/state; fi ;;
"systemctl kill "*) echo failed >/ROOT/state ;;
*" start "*) echo active >/ROOT/state ;;
"""
LOG = "/var/log/one/oned.log"
FINISHED = "Sun Nov 22 10:00:00 2026 [Z0][ONE][I]: All modules finalized, exiting.\n\n"


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    host = Sandbox(tmp_path / "host", OSES, ONED, new="7.2.0-1")
    told = {"state": "active", "substate": "stop-sigterm", "pid": "7"}
    for name, text in told.items():
        host.file(name, text)
    return host


def ends_after(host: Sandbox, looks: int) -> None:
    """End by itself after that number of looks."""
    host.answer(
        "systemctl show -p ActiveState *",
        "echo x >>/ROOT/looks"
        f"; [ $(wc -l </ROOT/looks) -gt {looks} ] && echo inactive || echo deactivating",
    )


STOP, START = (f"systemctl {word} opennebula.service" for word in ("--no-block stop", "start"))

KILL = "systemctl kill --signal=KILL --kill-who=main opennebula.service"


def begins_to_stop_after(host: Sandbox, state: str, looks: int) -> None:
    """Be in that state until it is stopped, and for that number of looks after it."""
    host.answer(
        "systemctl show -p ActiveState *",
        f"[ ! -e /ROOT/stopped ] || echo x >>/ROOT/looks; touch /ROOT/looks"
        f"; [ $(wc -l </ROOT/looks) -gt {looks} ] && echo inactive || echo {state}",
    )


@pytest.mark.parametrize("script", ["start", "restart"])
def test_a_start_with_a_former_file_is_ended_before_the_next(host: Sandbox, script: str) -> None:
    begins_to_stop_after(host, "activating", 3)
    host.run(script, {"server_id": ""} if script == "start" else {"oned_conf": ""})
    asked = host.asked("systemctl")
    assert asked.index(STOP) < asked.index(START)
    assert host.file("looks").count("x") > 3


def test_a_running_oned_is_not_started_again(host: Sandbox) -> None:
    host.run("start", {"server_id": ""})
    assert STOP not in host.asked("systemctl")


@pytest.mark.parametrize("state", ["activating", "deactivating", "failed", "inactive"])
def test_server_id_is_set_after_a_starting_oned_was_stopped(host: Sandbox, state: str) -> None:
    begins_to_stop_after(host, state, 3)
    host.file("/etc/one/oned.conf", "SERVER_ID = -1\n")
    output = host.run(
        "assign_server_id", {"db_name": "one", "zone": "", "oned_conf": "SERVER_ID = 1"}
    )
    assert "remedy" not in output.values
    assert STOP in host.asked("systemctl")
    assert host.file("/etc/one/oned.conf") == "SERVER_ID = 1\n"


def test_a_running_oned_keeps_its_server_id(host: Sandbox) -> None:
    host.file("/etc/one/oned.conf", "SERVER_ID = -1\n")
    output = host.run(
        "assign_server_id", {"db_name": "one", "zone": "", "oned_conf": "SERVER_ID = 1"}
    )
    assert output.values["seen"] == "oned running"
    assert host.file("/etc/one/oned.conf") == "SERVER_ID = -1\n"


def test_a_finished_oned_that_does_not_end_is_killed_and_reported(host: Sandbox) -> None:
    host.file("hangs", "")
    host.file(LOG, FINISHED)
    output = host.run("stop", {})
    assert "remedy" not in output.values
    assert "kill oned: it has ended all of its modules, and hangs in its exit" in output.steps
    assert KILL in host.asked("systemctl")


def test_a_kill_begins_a_stop_so_that_systemd_does_not_start_it_again(host: Sandbox) -> None:
    host.file("states", "opennebula.service enabled\n")
    host.file("hangs", "")
    output = host.run("kill", {})
    assert "remedy" not in output.values
    asked = host.asked("systemctl")
    disable = "systemctl --no-reload disable opennebula.service"
    assert asked.index(disable) < asked.index(STOP) < asked.index(KILL)


@pytest.mark.parametrize(
    ("substate", "pid", "log"),
    [
        ("stop-post", "7", FINISHED),
        ("stop-sigterm", "0", FINISHED),
        ("stop-sigterm", "7", "[Z0][ONE][I]: Stopping oned\n"),
    ],
)
def test_a_busy_oned_or_a_running_hook_is_waited_for(
    host: Sandbox, substate: str, pid: str, log: str
) -> None:
    for name, text in {"state": "deactivating", "substate": substate, "pid": pid, LOG: log}.items():
        host.file(name, text)
    ends_after(host, 29)
    output = host.run("await_stopped", {}, exclusive=False)
    assert output.values["waited"] == "yes"
    assert not [line for line in host.asked("systemctl") if " kill " in line]


@pytest.mark.parametrize("script", ["stop", "restart"])
def test_a_hook_ends_before_its_oned_is_stopped(host: Sandbox, script: str) -> None:
    """The hook at the end of oned removes the VIP, and waits for one that announces it."""
    host.answer(
        "pgrep -af /hooks/raft/",
        "echo x >>/ROOT/looks; [ $(wc -l </ROOT/looks) -gt 6 ] || echo 7 vip.sh leader",
    )
    output = host.run(script, {} if script == "stop" else {"oned_conf": ""})
    asked = host.asked("systemctl", "pgrep")
    assert asked.index(STOP) > [n for n, line in enumerate(asked) if "pgrep" in line][6]
    assert "wait for the end of Raft's hook" in output.steps


def test_a_stopping_oned_starts_only_after_it_has_ended(host: Sandbox) -> None:
    host.file("state", "deactivating")
    ends_after(host, 4)
    host.run("start", {"server_id": ""})
    asked = host.asked("systemctl")
    looks = [n for n, line in enumerate(asked) if "ActiveState" in line]
    assert len(looks) >= 5
    assert asked.index("systemctl start opennebula.service") > max(looks)


ENABLE, DISABLE = (
    f"systemctl --no-reload {word} opennebula-hem.service" for word in ("enable", "disable")
)


@pytest.mark.parametrize("script", ["start", "restart"])
def test_the_hook_of_a_follower_finds_hem_enabled(host: Sandbox, script: str) -> None:
    """OpenNebula's hook does not stop it otherwise: systemd starts it after oned."""
    host.file("state", "inactive")
    host.run(script, {"server_id": ""} if script == "start" else {"oned_conf": ""})
    asked = host.asked("systemctl")
    assert asked.index(ENABLE) < asked.index(START)


def test_hem_does_not_start_without_its_oned(host: Sandbox) -> None:
    host.run("stop", {})
    asked = host.asked("systemctl")
    assert asked.index(DISABLE) < asked.index(STOP)


def test_a_host_without_hem_starts_and_stops_its_oned(host: Sandbox) -> None:
    host.file("state", "inactive")
    for call in (ENABLE, DISABLE):
        host.fail(call, "Failed: Unit opennebula-hem.service does not exist.")
    for script, variables in {"start": {"server_id": ""}, "stop": {}}.items():
        assert "remedy" not in host.run(script, variables).values
