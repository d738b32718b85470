"""One front-end in no zone: a green up means that its oned, and what runs beside it, runs."""

import pytest

from lab.machines import LabHost
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import Operator
from tests.lab.zones import one

pytestmark = pytest.mark.lab

NAME = "n1a1"


def test_no_up_ends_well_over_an_oned_that_does_not_run(
    make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lab = make_lab(1, template="mariadb", wait_scale=0.2)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=[NAME])
    for key in ("one_vip", "one_vip_cidr", "one_vip_if"):
        del operator.config[key]
    operator.config["features"] = {"gui": True, "flow": True, "gate": True, "form": False}
    operator.config["oned"] = {"LISTEN_ADDRESS": "not-an-address"}
    for _ in range(2):
        message = only(operator.up(), NAME)
        assert "Cannot open server socket" in message.seen

    host = lab.host(NAME)
    del operator.config["oned"]
    assert_runs(operator, host)
    assert operator.up("--expect-no-changes").ok

    # Somebody stopped it, and nobody refreshed since.
    assert host.run("systemctl disable --now opennebula opennebula-flow").returncode == 0
    operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 4}}
    assert_runs(operator, host)

    # One that does not start with what is new runs on with what it had.
    operator.config["oned"] = {"LISTEN_ADDRESS": "not-an-address"}
    for _ in range(2):
        assert "Cannot open server socket" in only(operator.up(), NAME).seen
        assert "oneadmin" in one(host, "oneuser list")
    del operator.config["oned"]
    assert_runs(operator, host)


def assert_runs(operator: Operator, host: LabHost) -> None:
    run = operator.up()
    assert run.ok, run.output
    assert "oneadmin" in one(host, "oneuser list")
    units = ("opennebula", "opennebula-flow", "opennebula-gate", "opennebula-fireedge")
    assert host.run(f"systemctl is-active {' '.join(units)}").returncode == 0
    assert host.run(f"systemctl is-enabled {' '.join(units)}").returncode == 0
