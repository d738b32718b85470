"""Package sources of a host: through a proxy, without unattended upgrades, with a version pin."""

from collections.abc import Iterator

import pytest

from lab.machines import Lab, LabHost
from lab.machines.server import URL
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import Operator, config
from tests.lab.zones import assert_whole, leader_seen_by

pytestmark = pytest.mark.lab

NAME = "n1a1"
# Only the proxy can resolve this name.
NOWHERE = "http://packages.invalid/opennebula"
UNATTENDED = """
mkdir -p /tmp/made/DEBIAN
printf '%s\\n' 'Package: unattended-upgrades' 'Version: 1' 'Architecture: all' \
    'Maintainer: lab <lab@lab>' 'Description: installs upgrades' >/tmp/made/DEBIAN/control
dpkg-deb --build /tmp/made /tmp/made.deb && dpkg --install /tmp/made.deb
"""
OTHERS = "/etc/apt/sources.list.d/others.list"
PIN = "/etc/apt/preferences.d/opennebula"

Zone = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def zone(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    """Make a zone of one server, with packages that come through the proxy."""
    lab = make_module_lab(1, template="mariadb")
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=[NAME])
    operator.config |= {
        "force_ha": True,
        "repository": {"url": NOWHERE},
        "pkg_cache_proxy": URL,
        "unattend_disable": True,
    }
    assert do(lab.host(NAME), UNATTENDED)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_packages_come_through_the_proxy(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    assert leader_seen_by(host) == NAME
    assert do(host, "! getent hosts packages.invalid")
    assert do(host, "apt-get -q update 2>&1 | grep 'Get:\\|Hit:' | grep packages.invalid")
    assert do(host, "runuser -u nobody -- apt-config dump | grep 10.2.50.1:8080")
    assert operator.up("--expect-no-changes").ok


def test_unattended_upgrades_are_removed(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    assert do(host, "! dpkg-query -W unattended-upgrades")
    assert do(host, UNATTENDED)
    shown = operator.refresh()
    assert "package unattended-upgrades: installs upgrades automatically" in shown.output
    assert operator.up().ok
    assert do(host, "! dpkg-query -W unattended-upgrades")


def test_a_plain_upgrade_keeps_opennebulas_version(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    newer = "[signed-by=/etc/apt/keyrings/opennebula.asc] http://x.invalid/opennebula/7.2.1"
    host.run(f"echo 'deb {newer}/Debian/12 stable opennebula' >{OTHERS}")
    assert do(host, "apt-get -q update")
    unpinned = "apt-get -s -o Dir::Etc::preferencesparts=/tmp upgrade"
    assert do(host, f"{unpinned} | grep '^Inst opennebula .*7.2.1-1'")
    for upgrade in ("upgrade", "full-upgrade", "install opennebula"):
        assert do(host, f"apt-get -q -y {upgrade}")
        assert version(host) == "7.2.0-1"
    assert do(host, "runuser -u nobody -- apt-cache policy opennebula | grep 'Candidate: 7.2.0-1'")
    refreshed = operator.refresh()
    assert "drift:" not in refreshed.output


def test_a_removed_pin_is_reported_and_restored(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    host.run(f"rm {PIN}")
    shown = operator.refresh()
    assert "packages of OpenNebula: not kept from a plain upgrade" in shown.output
    assert operator.up().ok
    assert "Pin: version 7.2.0-1\n" in host.run(f"cat {PIN}").stdout


def test_a_rollout_overrides_the_pin_and_updates_it(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    host.run(f"rm {OTHERS}")
    operator.config["one_version"] = "7.2.1"
    run = operator.up()
    assert run.ok, run.output
    assert version(host) == "7.2.1-1"
    assert "Pin: version 7.2.1-1\n" in host.run(f"cat {PIN}").stdout
    assert assert_whole(lab, [NAME]) == NAME
    assert "drift:" not in operator.refresh().output


def test_package_lists_that_cannot_be_updated_are_an_error(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    host.run(f"echo 'deb http://x.invalid/nothing ./' >{OTHERS}")
    features = {**operator.config["features"], "flow": True}
    with config(operator, update_pkg_cache=True, features=features):
        message = only(operator.up(), NAME)
    assert message.step == "refresh the lists of all package repositories"
    assert "http://x.invalid/nothing" in message.seen
    assert "update_pkg_cache: false" in message.remedy
    assert version(host, "opennebula-flow") == ""
    operator.config["features"] = features
    run = operator.up()
    assert run.ok, run.output
    assert version(host, "opennebula-flow") == "7.2.1-1"


def test_the_proxy_is_removed_with_its_key(zone: Zone) -> None:
    lab, operator = zone
    host = lab.host(NAME)
    host.run(f"rm {OTHERS}")
    del operator.config["pkg_cache_proxy"]
    operator.config["repository"] = {"url": f"{URL}/opennebula"}
    run = operator.up()
    assert run.ok, run.output
    assert do(host, "! apt-config dump | grep -i '^Acquire::http::Proxy \"http'")
    assert "drift:" not in operator.refresh().output


def version(host: LabHost, package: str = "opennebula") -> str:
    """Return the version of a package; empty if it is not installed."""
    return host.run(f"dpkg-query -W -f '${{Version}}' {package}").stdout


def do(host: LabHost, command: str) -> bool:
    """Run a command there; tell whether it succeeded. Print its output for a failed test."""
    done = host.run(command)
    print(command, done.stdout, done.stderr)
    return done.returncode == 0
