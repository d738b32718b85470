"""If an ``up`` is interrupted at any moment, the next one ends like an undisturbed one.

The cells here are a sample of those of ``tests/lab/crash_matrix.py``, in one lab.
"""

import signal
from pathlib import Path

import pytest

from lab.machines import Lab
from tests.engine.playground import session
from tests.lab.conftest import MakeLab
from tests.lab.operators import Fault, Operator
from tests.lab.traffic import Writer
from tests.lab.zones import assert_whole, one, servers, wait_for

pytestmark = pytest.mark.lab

THREE = ["n1a1", "n1a2", "n1a3"]


def test_up_resumes_after_each_kind_of_interruption(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(4, template="mariadb")
    operator = Operator(lab, tmp_path, front_ends=THREE)
    press_ctrl_c_twice(operator)
    interrupt(operator, Fault("n1a2 restore", 1, "inside", 2))
    resume(operator)
    leader = assert_whole(lab, THREE)
    assert {server.id for server in servers(lab.host("n1a1"))} == {0, 1, 2}

    rest = [name for name in (*THREE, "n1a4") if name != leader]
    operator.config["frontends"] = operator.list_of(rest)
    with Writer(lab) as writer:
        interrupt(operator, Fault("n1a4 start", 1, "lost"))
        interrupt(operator, Fault(f"{leader} stop", 1, "after"))
        resume(operator)
    leader = assert_whole(lab, rest)
    assert writer.acknowledged
    assert writer.lost(one(lab.host(leader), "oneuser list")) == []
    assert_no_trust_left(lab)
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_a_power_cut_after_the_second_server_is_registered(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    """A majority of two needs it, and it has not started yet."""
    lab = make_lab(3, template="mariadb")
    operator = Operator(lab, tmp_path, front_ends=THREE[:1])
    operator.config["force_ha"] = True
    resume(operator)
    with Writer(lab) as writer:
        operator.config["frontends"] = operator.list_of(THREE)
        interrupt(operator, Fault("api add_server", 1, "after"))
        for host in lab.hosts:
            host.kill()
        for host in lab.hosts:
            host.start()
        resume(operator)
    leader = assert_whole(lab, THREE)
    assert writer.lost(one(lab.host(leader), "oneuser list")) == []
    assert operator.up("--expect-no-changes").ok


def interrupt(operator: Operator, fault: Fault) -> None:
    """Run ``up`` with a fault that must take place."""
    run, _, fired = operator.up_with(fault)
    assert fired, run.output
    assert not run.ok


def resume(operator: Operator) -> None:
    """Run ``up`` after interruptions."""
    run = operator.up()
    assert run.ok, run.output
    assert "pending operations" not in run.output


def press_ctrl_c_twice(operator: Operator) -> None:
    """The first Ctrl-C lets the CLI finish its running calls; the second ends it at once."""
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


def assert_no_trust_left(lab: Lab) -> None:
    for host in lab.hosts:
        keys = host.run("cat /home/ubuntu/.ssh/authorized_keys").stdout
        assert len(keys.splitlines()) == 1, f"{host.name}: {keys}"
