"""A front-end whose installation fails, and which then leaves the stack."""

from pathlib import Path

import pytest

from lab.machines import LabHost
from tests.lab.conftest import MakeLab
from tests.lab.foreign import do, everything
from tests.lab.operators import VIP_KEYS, Operator
from tests.lab.zones import one, servers

pytestmark = pytest.mark.lab

FAILS = "echo 'DPkg::{0} {{ \"false\"; }};' >/etc/apt/apt.conf.d/99-test"
MARK = "/var/lib/opennebula-ha/claimed"


@pytest.mark.campaign
@pytest.mark.parametrize("force_ha", [True, False])
def test_remains_of_a_failed_installation_leave_with_the_host(
    make_lab: MakeLab, tmp_path: Path, force_ha: bool
) -> None:
    names = ["n1a1", "n1a2", "n1a3"]
    lab = make_lab(3, template="mariadb")
    operator = Operator(lab, tmp_path, front_ends=names)
    operator.config["force_ha"] = force_ha
    for key in VIP_KEYS:
        del operator.config[key]
    without, installed = lab.host("n1a2"), lab.host("n1a3")
    do(without, FAILS.format("Pre-Install-Pkgs"))
    do(installed, FAILS.format("Post-Invoke"))
    before = everything([without])
    run = operator.up()
    assert not run.ok
    assert "n1a2: install packages" in run.output
    assert "n1a3: install packages" in run.output
    for host in (without, installed):
        assert host.run(f"cat {MARK}").stdout == "new\n"

    operator.config["frontends"] = operator.list_of(["n1a1"])
    run = operator.up()
    assert run.ok, run.output
    assert everything([without]) == before
    assert "n1a2: its installation never ended" not in run.output
    assert "n1a3: its installation never ended" in run.output
    assert "there stays opennebula:" in run.output
    assert is_idle(installed)
    assert "oneadmin" in one(lab.host("n1a1"), "oneuser list")
    assert operator.up("--expect-no-changes").ok

    # The front-ends may be listed again.
    for host in (without, installed):
        do(host, "rm /etc/apt/apt.conf.d/99-test")
    operator.change(names)
    assert sorted(server.name for server in servers(lab.host("n1a1"))) == names


def is_idle(host: LabHost) -> bool:
    """Check that OpenNebula does not run there, nor start at boot, and has no masked unit."""
    state = host.run("systemctl is-active opennebula; systemctl is-enabled opennebula").stdout
    return state == "inactive\ndisabled\n" and host.run(f"test -e {MARK}").returncode != 0
