"""Commands to systemd: each change makes it read all units again, which is slow."""

from pathlib import Path

import pytest

from tests.unit.sandbox import Sandbox

OSES = 'ID=debian\nVERSION_ID="12"\n'
STATES = r"""
"systemctl is-enabled "*) sed -n "s/^${asked##* } //p" "$HOME/states"; exit 1 ;;
"systemctl -q is-enabled "*) grep -q "^${asked##* } enabled" "$HOME/states" ;;
*ActiveState*) echo inactive ;;
*UnitFileState*) sed -n "s/^${asked##* } //p" "$HOME/shown" ;;
*DropInPaths*) cat /ROOT/known ;;
"""
ONED, HEM = "opennebula.service", "opennebula-hem.service"
ENABLE = f"systemctl --no-reload enable {ONED}"
BEGIN = f"systemctl --no-block start {ONED}"
READ = "systemctl daemon-reload"
START = f"systemctl start {ONED}"


def properties(**other: str) -> str:
    """Return what systemd knows of a unit that it has read, but for what is different."""
    ours = "/etc/systemd/system/opennebula.service.d/opennebula-ha.conf"
    known = {"LoadState": "loaded", "DropInPaths": ours, "NeedDaemonReload": "no"}
    return "".join(f"{name}={value}\n" for name, value in {**known, **other}.items())


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    host = Sandbox(tmp_path / "host", OSES, STATES, new="7.2.0-1")
    host.file("known", properties())
    return host


def calls(host: Sandbox, script: str, state: str, shown: str = "") -> list[str]:
    host.file("states", f"{ONED} {state}\n")
    host.file("shown", f"{ONED} {shown or state}\n")
    host.run(script, {} if script == "stop" else {"server_id": ""})
    given = host.asked("systemctl")
    hem = [line for line in given if line.endswith(f"able {HEM}")]
    assert all("--no-reload" in line for line in hem)
    asked = [line for line in given if (ONED in line or "reload" in line) and line not in hem]
    return [
        line for line in asked if not any(word in line for word in ("is-enabled", "show", "failed"))
    ]


def test_an_enabled_unit_needs_no_command(host: Sandbox) -> None:
    assert calls(host, "start", "enabled") == [START]


@pytest.mark.parametrize("state", ["disabled", "linked", ""])
def test_a_unit_is_enabled_once_and_systemd_reads_it_while_it_starts(
    host: Sandbox, state: str
) -> None:
    assert calls(host, "start", state) == [ENABLE, BEGIN, READ, START]


@pytest.mark.parametrize(
    "known",
    [
        {"LoadState": "masked"},
        {"NeedDaemonReload": "yes"},
        {"DropInPaths": "/etc/systemd/system/opennebula.service.d/local.conf"},
    ],
)
def test_a_unit_that_systemd_does_not_know_is_read_before_its_start(
    host: Sandbox, known: dict[str, str]
) -> None:
    host.file("known", properties(**known))
    assert calls(host, "start", "disabled") == [ENABLE, READ, START]


def test_systemd_reads_what_an_interrupted_script_has_enabled(host: Sandbox) -> None:
    assert calls(host, "start", "enabled", shown="disabled") == [BEGIN, READ, START]


@pytest.mark.parametrize("state", ["masked", "masked-runtime"])
def test_a_mask_is_removed_first_without_its_own_reload(host: Sandbox, state: str) -> None:
    host.file("known", properties(LoadState="masked"))
    unmask = f"systemctl --no-reload unmask {ONED}"
    assert calls(host, "start", state) == [unmask, ENABLE, READ, START]


def test_a_stopped_oned_is_disabled_from_the_first_moment(host: Sandbox) -> None:
    assert calls(host, "stop", "enabled") == [
        f"systemctl --no-reload disable {ONED}",
        f"systemctl --no-block stop {ONED}",
        "systemctl daemon-reload",
        f"systemctl --no-block stop {ONED}",
    ]


def test_a_disabled_oned_is_only_stopped(host: Sandbox) -> None:
    assert calls(host, "stop", "disabled") == [f"systemctl --no-block stop {ONED}"]
