"""One front-end in no zone: a green up means that its oned, and what runs beside it, runs."""

import pytest

from lab.machines import LabHost
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import Operator
from tests.lab.zones import one, wait_for

pytestmark = pytest.mark.lab

NAME = "n1a1"
PACE = "/etc/opennebula-standin.json"


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

    # systemd starts it again and again: with the former file, as the corrected one arrives.
    host = lab.host(NAME)
    is_starting(host)
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


def is_starting(host: LabHost) -> None:
    """It has begun to start, and takes longer for it than an up takes to come to its own start."""
    slow = f'[ ! -e {PACE} ] || sed -i.kept \'s/"wait_scale": [0-9.]*/"wait_scale": 4/\' {PACE}'
    assert host.run(slow).returncode == 0
    # By then it has read its configuration, and what it takes that long by.
    begins = "zgrep -h 'Starting OpenNebula' /var/log/one/oned.log* | wc -l"
    before = host.run(begins).stdout
    state = "systemctl show -p SubState --value opennebula"
    wait_for(
        lambda: (host.run(begins).stdout != before and host.run(state).stdout == "start\n") or None,
        "systemd's next start",
    )
    assert host.run(f"[ ! -e {PACE} ] || mv {PACE}.kept {PACE}").returncode == 0


def assert_runs(operator: Operator, host: LabHost) -> None:
    run = operator.up()
    assert run.ok, run.output
    assert "oneadmin" in one(host, "oneuser list")
    units = ("opennebula", "opennebula-flow", "opennebula-gate", "opennebula-fireedge")
    assert host.run(f"systemctl is-active {' '.join(units)}").returncode == 0
    assert host.run(f"systemctl is-enabled {' '.join(units)}").returncode == 0
