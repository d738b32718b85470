"""The bootstrap starts on the first front-end before the others are installed."""

from pathlib import Path

import pytest

from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator, kill_at
from tests.lab.zones import assert_whole, servers, wait_for

pytestmark = pytest.mark.lab

# After the first oned has run: after an error the engine starts nothing more.
NO_PACKAGES = """cat >/usr/local/bin/fail <<'END'
#!/bin/bash
for _ in $(seq 600); do
    sleep 0.2
    ! echo 2>/dev/null >/dev/tcp/{first}/2633 || break
done
exit 1
END
chmod 0755 /usr/local/bin/fail
echo 'DPkg::Pre-Install-Pkgs {{ "/usr/local/bin/fail"; }};' >/etc/apt/apt.conf.d/99-test"""


@pytest.mark.campaign
def test_a_front_end_that_fails_to_install_can_be_replaced(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    lab = make_lab(4, template="mariadb")
    operator = Operator(lab, tmp_path, front_ends=["n1a1", "n1a2", "n1a3"])
    no_packages = NO_PACKAGES.format(first=lab.host("n1a1").address)
    assert lab.host("n1a3").run(no_packages).returncode == 0
    run = operator.up()
    assert not run.ok
    assert "n1a3" in run.output
    assert "register n1a1, n1a2, n1a3" in run.output
    # It stays stopped until the others are ready.
    first = lab.host("n1a1")
    wait_for(
        lambda: first.run("systemctl is-active opennebula").stdout == "inactive\n" or None,
        "the end of oned",
    )
    assert first.run("systemctl is-enabled opennebula").stdout == "disabled\n"

    names = ["n1a1", "n1a2", "n1a4"]
    operator.config["frontends"] = operator.list_of(names)
    run = operator.up()
    assert run.ok, run.output
    assert "remove n1a3 from the list of servers" in run.output
    assert_whole(lab, names)
    assert {server.name for server in servers(lab.host("n1a4"))} == set(names)
    assert operator.up("--expect-no-changes").ok


def test_up_resumes_if_killed_while_the_first_server_is_alone(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    names = ["n1a1", "n1a2", "n1a3"]
    lab = make_lab(3, template="mariadb")
    operator = Operator(lab, tmp_path, front_ends=names)
    assert kill_at(operator, "register n1a1")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, names)
    assert {server.id for server in servers(lab.host("n1a1"))} == {0, 1, 2}
    assert operator.up("--expect-no-changes").ok
