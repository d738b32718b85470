"""Commands to systemd: each change makes it read all units again, which is slow."""

from pathlib import Path

import pytest

from tests.unit.sandbox import Sandbox

OSES = 'ID=debian\nVERSION_ID="12"\n'
STATES = r"""
"systemctl is-enabled "*) sed -n "s/^${asked##* } //p" "$HOME/states"; exit 1 ;;
"systemctl -q is-enabled "*) grep -q "^${asked##* } enabled" "$HOME/states" ;;
*ActiveState*) echo inactive ;;
"""
START = "systemctl start opennebula.service"
ONED, HEM = "opennebula.service", "opennebula-hem.service"


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "host", OSES, STATES, new="7.2.0-1")


def calls(host: Sandbox, script: str, state: str) -> list[str]:
    host.file("states", f"{ONED} {state}\n")
    host.run(script, {"server_id": ""})
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
def test_a_disabled_unit_is_enabled_once(host: Sandbox, state: str) -> None:
    assert calls(host, "start", state) == [f"systemctl enable {ONED}", START]


@pytest.mark.parametrize("state", ["masked", "masked-runtime"])
def test_a_mask_is_removed_first_without_its_own_reload(host: Sandbox, state: str) -> None:
    unmask = f"systemctl --no-reload unmask {ONED}"
    assert calls(host, "start", state) == [unmask, f"systemctl enable {ONED}", START]


def test_a_stopped_oned_is_disabled_from_the_first_moment(host: Sandbox) -> None:
    assert calls(host, "stop", "enabled") == [
        f"systemctl --no-reload disable {ONED}",
        f"systemctl --no-block stop {ONED}",
        "systemctl daemon-reload",
        f"systemctl --no-block stop {ONED}",
    ]


def test_a_disabled_oned_is_only_stopped(host: Sandbox) -> None:
    assert calls(host, "stop", "disabled") == [f"systemctl --no-block stop {ONED}"]
