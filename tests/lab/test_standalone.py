"""A standalone front-end: ``up`` succeeds only if its oned and the services next to it run."""

import pytest

from lab.machines import LabHost
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import Operator
from tests.lab.zones import one, wait_for

pytestmark = pytest.mark.lab

NAME = "n1a1"
PACE = "/etc/opennebula-standin.json"


@pytest.mark.campaign
def test_up_fails_if_oned_does_not_run(
    make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lab = make_lab(1)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=[NAME])
    for key in ("one_vip", "one_vip_cidr", "one_vip_if"):
        del operator.config[key]
    operator.config["features"] = {"gui": True, "flow": True, "gate": True, "form": False}
    operator.config["oned"] = {"LISTEN_ADDRESS": "not-an-address"}
    for _ in range(2):
        message = only(operator.up(), NAME)
        assert "Cannot open server socket" in message.seen

    # systemd starts it again and again: with the former file, until the corrected one arrives.
    host = lab.host(NAME)
    is_starting(host)
    del operator.config["oned"]
    assert_runs(operator, host)
    assert operator.up("--expect-no-changes").ok

    # oned was stopped, and no refresh has run since.
    assert host.run("systemctl disable --now opennebula opennebula-flow").returncode == 0
    operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 4}}
    assert_runs(operator, host)

    # An oned that does not start with the new configuration keeps running with the former one.
    operator.config["oned"] = {"LISTEN_ADDRESS": "not-an-address"}
    for _ in range(2):
        assert "Cannot open server socket" in only(operator.up(), NAME).seen
        assert "oneadmin" in one(host, "oneuser list")
    del operator.config["oned"]
    assert_runs(operator, host)


def is_starting(host: LabHost) -> None:
    """Tell whether it has begun a start that lasts longer than an up needs to start oned."""
    slow = f'[ ! -e {PACE} ] || sed -i.kept \'s/"wait_scale": [0-9.]*/"wait_scale": 4/\' {PACE}'
    assert host.run(slow).returncode == 0
    # By then it has read its configuration, including the setting that makes it slow.
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
