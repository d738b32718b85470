"""If an ``up`` is killed at any moment, the next one ends like an undisturbed one."""

import signal
from pathlib import Path

import pytest

from lab.machines import Lab
from tests.engine.playground import session
from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator, kill_at
from tests.lab.zones import assert_whole, one, servers, wait_for

pytestmark = pytest.mark.lab

FOUNDING = (
    "install packages",
    "bootstrap the database",
    "dump the database",
    "send the database and the keys",
    "put the database in place",
    "n1a1: set SERVER_ID",
    "start n1a1, n1a2, n1a3 together",
    "wait for a leader",
)
JOINING = (
    "n1a4: allow the transfer",
    "send the database and the keys to n1a4",
    "n1a4: restore the database",
    "n1a4: register with the leader",
    "n1a4: start oned",
    "n1a5: put the database in place",
    "n1a5: start oned",
)


def test_up_resumes_if_killed_during_bootstrap_and_join(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(3, template="mariadb", wait_scale=0.2)
    operator = Operator(lab, tmp_path, front_ends=["n1a1", "n1a2", "n1a3"])
    killed = [moment for moment in FOUNDING if kill_at(operator, moment)]
    assert len(killed) >= 6, f"only killed at {killed}"
    run = operator.up()
    assert run.ok, run.output
    assert "pending operations" not in run.output
    assert_whole(lab, ["n1a1", "n1a2", "n1a3"])
    assert {server.id for server in servers(lab.host("n1a1"))} == {0, 1, 2}
    one(lab.host("n1a1"), "oneuser create alice secret-of-alice")

    lab.add_host("n1a4", blank=False)
    lab.add_host("n1a5", blank=False)
    names = [host.name for host in lab.hosts]
    operator.config["frontends"] = operator.list_of(names)
    killed = [moment for moment in JOINING if kill_at(operator, moment)]
    assert len(killed) >= 5, f"only killed at {killed}"
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, names)
    assert {server.id for server in servers(lab.host("n1a1"))} == {0, 1, 2, 3, 4}
    assert_no_trust_left(lab)
    assert "alice" in one(lab.host("n1a5"), "oneuser list")
    assert operator.up("--expect-no-changes").ok


def test_up_resumes_after_ctrl_c_twice(make_lab: MakeLab, tmp_path: Path) -> None:
    """The first Ctrl-C lets the CLI finish its running calls; the second ends it at once."""
    lab = make_lab(3, template="mariadb", wait_scale=0.2)
    operator = Operator(lab, tmp_path, front_ends=["n1a1", "n1a2", "n1a3"])
    with operator.start_up() as process:
        assert process.stdout is not None
        said = []
        for moment in ("install packages", "cancelling"):
            for line in process.stdout:
                said.append(line)
                if moment in line:
                    break
            process.send_signal(signal.SIGINT)
        said += process.stdout
    assert process.returncode != 0
    assert "Traceback" not in "".join(said)
    # None of its processes is still running.
    wait_for(lambda: True if not session(process.pid) else None, "the end of all processes")
    operator.cancel()
    run = operator.up()
    assert run.ok, run.output
    assert "pending operations" not in run.output
    assert_whole(lab, ["n1a1", "n1a2", "n1a3"])


def assert_no_trust_left(lab: Lab) -> None:
    for host in lab.hosts:
        keys = host.run("cat /home/ubuntu/.ssh/authorized_keys").stdout
        assert len(keys.splitlines()) == 1, f"{host.name}: {keys}"
