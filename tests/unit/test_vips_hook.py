"""Raft's hook for several addresses: the status of oned decides, in any order of the hooks."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from procedures.install.files import leader
from procedures.install.files.leader import program

ADDRESS = "fd00:2:50::86/64"
COMMANDS = {
    # Addresses are the lines of a file.
    "ip": """case "$*" in
        *" add "*) echo "$3" >>"$HOME/held" ;;
        *" del "*) sed -i "\\\\,^$3,d" "$HOME/held" ;;
        *) sed 's,^,1: eth0 inet6 ,' "$HOME/held" ;;
    esac""",
    "sudo": 'shift; [ "${1##*/}" = announce ] || exec "$@"',
    "hooks/vip.sh": 'echo "$1" >>"$HOME/services"',
    "leads": 'cat "$HOME/state"',
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a host with the hook, on which oned reports the content of the file ``state``."""
    (tmp_path / "hooks").mkdir()
    hook = program("vips.sh").replace(leader.LEADS, str(tmp_path / "leads"))
    for name, text in {**COMMANDS, "hooks/vips.sh": hook}.items():
        file = tmp_path / name
        file.write_text(text if text.startswith("#!") else f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    for name in ("held", "services", "state"):
        (tmp_path / name).touch()
    return tmp_path


def start(home: Path, role: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [home / "hooks" / "vips.sh", role, "eth0", ADDRESS],
        env={"HOME": str(home), "PATH": f"{home}:/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(hook: "subprocess.Popen[str]") -> None:
    _, said = hook.communicate(timeout=30)
    assert (hook.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("asked", "state", "role"),
    [
        ("leader", "3", "leader"),
        ("follower", "2", "follower"),
        ("follower", "1", "follower"),
        # It came late.
        ("leader", "2", "follower"),
        ("follower", "3", "leader"),
        # oned does not run yet, or no more.
        ("leader", "", "leader"),
        ("follower", "", "follower"),
    ],
)
def test_the_leader_by_oneds_status_has_address_and_services(
    home: Path, asked: str, state: str, role: str
) -> None:
    for before in ("", f"{ADDRESS}\n"):
        (home / "held").write_text(before)
        (home / "state").write_text(state)
        ended(start(home, asked))
        assert (home / "held").read_text() == (f"{ADDRESS}\n" if role == "leader" else "")
        assert (home / "services").read_text().split()[-1] == role


@pytest.mark.parametrize("state", ["2", "3"])
def test_hooks_that_wait_for_each_other_end_by_oneds_status(home: Path, state: str) -> None:
    with (home / "hooks" / "vips.sh").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (home / "state").write_text("1")
        hooks = [start(home, role) for role in ("leader", "follower", "leader", "follower")]
        (home / "state").write_text(state)
    for hook in hooks:
        ended(hook)
    assert (home / "held").read_text() == (f"{ADDRESS}\n" if state == "3" else "")
    roles = {"2": "follower", "3": "leader"}
    assert set((home / "services").read_text().split()) == {roles[state]}
