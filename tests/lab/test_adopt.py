"""Adopting a zone that others built: it is observed first, then changed as agreed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.zones import by_hand
from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import DB_PASSWORD, Operator, Run, config
from tests.lab.zones import (
    assert_survives,
    assert_whole,
    assert_whole_by_hand,
    connections,
    data,
    footprint,
    one,
    servers,
)

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
REGISTERED = {
    "n1a1": ("10.2.50.10", "10.2.50.10"),
    "n1a2": ("n1a2.example.org", "n1a2.example.org"),
    "n1a3": ("Front_End_3", "N1A3_One"),
}
"""NAME of each zone server, and the host in its endpoint."""
LOGIN = "10.2.50.111"
"""The address at which the operator's machine reaches n1a2; the front-ends do not use it."""
NOT_FROM_OUTSIDE = """
table inet filter {
    chain input {
        type filter hook input priority 0
        ip saddr 10.2.50.1 ip daddr 10.2.50.11 tcp dport 22 drop
    }
}
"""
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Build three zone servers by hand, with what one-deploy leaves on a host.

    They are registered in three ways. The second one accepts no login from outside at its address
    in the zone.
    """
    lab = make_module_lab(3)
    by_hand(lab, REGISTERED)
    second = lab.host("n1a2")
    added = second.run(f"ip address add {LOGIN}/24 dev eth0")
    assert added.returncode == 0, added.stderr
    records = lab.known_hosts.read_text()
    lab.known_hosts.write_text(records.replace(f"{second.address},", f"{second.address},{LOGIN},"))
    second.firewall(NOT_FROM_OUTSIDE)
    for host in lab.hosts:
        made = host.run(
            f"mysql -e \"CREATE USER oneadmin@'%' IDENTIFIED BY '{DB_PASSWORD}';"
            " GRANT ALL ON *.* TO oneadmin@'%'\""
        )
        assert made.returncode == 0, made.stderr
    assert_whole_by_hand(lab, NAMES)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["frontends"] = front_ends(operator)
    yield lab, operator


def front_ends(operator: Operator) -> dict[str, Any]:
    """Return all front-ends, as the config must list them."""
    listed = operator.list_of(NAMES)
    listed["n1a2"]["ssh"] = {"address": LOGIN}
    listed["n1a3"]["zone_server"] = "Front_End_3"
    return listed


@pytest.mark.campaign
def test_a_list_without_all_servers_of_the_zone_is_refused(site: Site, tmp_path: Path) -> None:
    lab, _ = site
    before = trace(lab)
    careless = Operator(lab, tmp_path, front_ends=["n1a2"])
    all_of_them = front_ends(careless)
    careless.config |= {"force_ha": True, "frontends": {"n1a2": all_of_them["n1a2"]}}
    message = only(careless.up(), "n1a2")
    assert "with the line 'NAME: {address: 10.2.50.10}'" in message.remedy
    assert trace(lab) == before
    assert "opennebula:Installation" not in careless.state()
    # No front-end of the stack has this name: the message shows the line that sets it.
    del all_of_them["n1a3"]["zone_server"]
    careless.config["frontends"] = all_of_them
    message = only(careless.up(), ", ".join(NAMES))
    assert message.seen == "zone server 2 Front_End_3 at http://N1A3_One:2633/RPC2"
    assert "add the line 'zone_server: Front_End_3' to n1a3" in message.remedy
    assert trace(lab) == before
    careless.config["frontends"] = front_ends(careless)
    run = careless.up()
    assert run.ok, run.output
    assert trace(lab) == before


def test_first_preview_reports_the_adoption_of_a_running_zone(site: Site) -> None:
    lab, operator = site
    asked = connections(lab)
    run = operator.preview()
    assert run.ok, run.output
    assert "a zone that runs on these front-ends is adopted" in run.output
    assert connections(lab) == asked


def test_first_up_changes_nothing(site: Site) -> None:
    lab, operator = site
    assert_whole_by_hand(lab, NAMES)
    before = trace(lab)
    run = operator.up()
    assert run.ok, run.output
    assert "a zone runs on n1a1, n1a2, n1a3: adopt it" in run.output
    assert trace(lab) == before
    assert operator.outputs()["status"]["leader"] == leader(lab)
    # The next up changes the listed items: a preview shows them without contacting a host.
    asked = connections(lab)
    listed = differences(operator.preview(), "will be changed")
    assert {"oned.conf: ONEGATE_ENDPOINT", "the zone's ENDPOINT: http://localhost:2633/RPC2"} <= (
        listed
    )
    assert not any("restart" in line for line in listed)
    assert connections(lab) == asked


@pytest.mark.campaign
def test_zone_is_only_observed_as_long_as_the_config_says(site: Site, tmp_path: Path) -> None:
    lab, _ = site
    observer = Operator(lab, tmp_path, front_ends=NAMES)
    observer.config |= {"adopt": "observe", "frontends": front_ends(observer)}
    before = trace(lab)
    run = observer.up()
    assert run.ok, run.output
    assert trace(lab) == before
    preview = observer.preview("--expect-no-changes")
    assert preview.ok, preview.output
    assert "oned.conf: ONEGATE_ENDPOINT" in differences(preview, "not as the stack wants it")
    # A new key is only observed as well, and a refresh reads the hosts again.
    with config(observer, oned={"LOG": {"DEBUG_LEVEL": 5}}):
        run = observer.up()
        assert run.ok, run.output
        listed = differences(observer.preview("--expect-no-changes"), "not as the stack wants it")
        assert "oned.conf: LOG/DEBUG_LEVEL" in listed
        assert observer.refresh().ok
    assert observer.up().ok
    assert trace(lab) == before
    # Not even a destroy changes it: the zone does not belong to this stack.
    assert observer.destroy().ok
    assert trace(lab) == before


def test_only_a_running_zone_can_be_observed(site: Site, tmp_path: Path) -> None:
    lab, _ = site
    observer = Operator(lab, tmp_path, front_ends=["n1a1"])
    observer.config |= {"adopt": "observe", "force_ha": True}
    assert not observer.up().ok


def test_next_up_makes_the_previewed_changes(site: Site) -> None:
    lab, operator = site
    users = {host.name: data(host).count("INSERT INTO `user_pool`") for host in lab.hosts}
    started = starts(lab)
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    # The servers keep their names.
    shown = one(lab.host("n1a1"), "onezone show 0")
    assert all(name in shown for name, _ in REGISTERED.values())
    assert set(operator.outputs()["servers"]) == set(NAMES)
    assert {host.name: data(host).count("INSERT INTO `user_pool`") for host in lab.hosts} == users
    # Each server restarts once, with its changed configuration.
    assert {name: starts(lab)[name] - started[name] for name in NAMES} == dict.fromkeys(NAMES, 1)
    run = operator.refresh()
    assert run.ok, run.output
    assert "drift:" not in run.output
    run = operator.up("--expect-no-changes")
    assert run.ok, run.output
    assert_survives(lab, NAMES, leader(lab))


def trace(lab: Lab) -> list[str]:
    """Collect what a change would leave: files, starts, rights, data, the log's last record."""
    return [
        line
        for host in lab.hosts
        for line in (
            footprint(host),
            data(host),
            host.run("mysql -e 'SELECT * FROM mysql.global_priv'").stdout,
            host.run(
                "systemctl list-unit-files --no-legend 'opennebula*' 'mariadb*' 'apt*'"
            ).stdout,
            *(f"{one.name} {one.state} {one.index}" for one in servers(host)),
        )
    ]


def differences(run: Run, what: str) -> set[str]:
    """Return the differences that a run lists under those words."""
    assert run.ok, run.output
    return set(re.findall(rf"{what}: (.*?)\s*$", run.output, re.MULTILINE))


def leader(lab: Lab) -> str:
    return next(one.name for one in servers(lab.hosts[0]) if one.state == "leader")


def starts(lab: Lab) -> dict[str, int]:
    """Count the starts of each host's oned."""
    count = "journalctl -u opennebula -o cat | grep -c '^Started' || true"
    return {host.name: int(host.run(count).stdout) for host in lab.hosts}
