"""Commands of your own, run by pulumi-command, or by its stand-in if it is not available.

The tests share one lab and run in order.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator
from tests.lab.zones import connections

NAMES = ["n1a1", "n1a2", "n1a3"]
NOTE = "/etc/of-the-operator"
LOG = "/var/log/of-the-operator"
BEFORE: dict[str, Any] = {
    "name": "early",
    "hosts": ["n1a2"],
    "when": "before-installation",
    # OpenNebula is not installed at that moment.
    "create": f"! dpkg-query -W opennebula 2>/dev/null && echo early | sudo tee {LOG}",
}
AFTER: dict[str, Any] = {
    "name": "note",
    "when": "after-join",
    "create": f"sudo -u oneadmin onezone show 0 | sudo tee {NOTE}; echo create | sudo tee -a {LOG}",
    "update": f"echo update | sudo tee -a {LOG}",
    "delete": f"sudo rm {NOTE}",
    "triggers": ["one"],
}


pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3, template="mariadb")
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.standins = True
    operator.config["commands"] = [BEFORE, AFTER]
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def logs(lab: Lab) -> dict[str, list[str]]:
    """Return what has run on each host."""
    return {name: lab.host(name).run(f"cat {LOG} 2>/dev/null").stdout.split() for name in NAMES}


def test_each_command_runs_on_its_hosts_at_its_time(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    assert logs(lab) == {"n1a1": ["create"], "n1a2": ["early", "create"], "n1a3": ["create"]}
    for name in NAMES:
        # Each host was in the zone by then.
        assert name in lab.host(name).run(f"cat {NOTE}").stdout
    before = connections(lab)
    run = operator.up("--expect-no-changes")
    assert run.ok, run.output
    assert connections(lab) == before
    key = lab.key.read_text(encoding="utf-8").splitlines()[1]
    assert key not in operator.state()


def test_a_changed_command_runs_again(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    again = {**AFTER, "create": f"{AFTER['create']} "}
    for one, said in ((again, "update"), ({**again, "triggers": ["two"]}, "create")):
        operator.config["commands"] = [BEFORE, one]
        run = operator.up()
        assert run.ok, run.output
        assert {tuple(lines[-1:]) for lines in logs(lab).values()} == {(said,)}


def test_a_failed_command_is_reported_and_run_by_the_next_up(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    failing = {"name": "fails", "hosts": ["n1a1"], "when": "after-join", "create": "echo no; false"}
    keep = operator.config["commands"]
    operator.config["commands"] = [*keep, failing]
    run = operator.up()
    assert not run.ok
    assert "fails-n1a1" in run.output
    operator.config["commands"] = [*keep, {**failing, "create": f"echo yes | sudo tee -a {LOG}"}]
    run = operator.up()
    assert run.ok, run.output
    assert logs(lab)["n1a1"][-1] == "yes"


def test_a_command_that_leaves_the_stack_is_undone(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    operator.config["commands"] = []
    run = operator.up()
    assert run.ok, run.output
    for name in NAMES:
        assert lab.host(name).run(f"ls {NOTE}").returncode != 0
