"""Abnormal states of a lab's zone: valid JSON by the schema, each named with its cause and cure.

Each cure is then done as its text says, and the zone is healthy afterwards. All tests share one
zone: each makes its states, and leaves a healthy zone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.status.report import Health
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP
from tests.lab.status import (
    NAMES,
    REPAIR,
    Site,
    await_healthy,
    blank_site,
    cure,
    does,
    look,
    named,
    roles,
    seen_soon,
    signal_oned,
    write,
)
from tests.lab.zones import assert_whole, connections, executions, leader_seen_by

pytestmark = pytest.mark.lab

FLOW = "opennebula-flow"


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab, operator = blank_site(make_module_lab, tmp_path_factory.mktemp("stack"))
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_status_shows_a_healthy_zone_with_one_command_per_host(site: Site, tmp_path: Path) -> None:
    lab, operator = site
    leader, near, _ = roles(lab)
    asked, connected = executions(lab), connections(lab)
    assert look(operator, "status").findings == []
    assert {name: number + 1 for name, number in asked.items()} == executions(lab)
    assert connections(lab) == connected + 3

    assert look(operator, "doctor").findings == []
    screen = operator.look("status")
    assert screen.ok
    assert f"Leader {leader.name} in term" in screen.output
    assert f"VIP {VIP} on {leader.name}" in screen.output
    assert re.search(rf"^{near.name} +\d +follower ", screen.output, re.M)
    assert re.search(rf"^{FLOW} .*active", screen.output, re.M)
    file = tmp_path / "opennebula.prom"
    assert operator.look("status", "--prometheus", str(file)).output == ""
    assert 'opennebula_ha_health{stack="lab"} 0' in file.read_text()


def test_logs_of_all_hosts_are_merged(site: Site) -> None:
    lab, operator = site
    run = operator.look("logs", "--since", "1h")
    assert run.ok
    lines = run.output.splitlines()
    assert [line[:19] for line in lines] == sorted(line[:19] for line in lines)
    assert {line.split()[2] for line in lines} == set(NAMES)
    leader = assert_whole(lab, NAMES)
    assert any(f" {leader} [RCM]" in line and "leader of the zone" in line for line in lines)
    everything = operator.look("logs", "--since", "1h", "--all").output
    assert len(everything.splitlines()) > len(lines)


def test_a_picture_shows_the_zone_and_its_election(site: Site, tmp_path: Path) -> None:
    lab, operator = site
    file = tmp_path / "zone.html"
    run = operator.look("picture", "--out", str(file))
    assert run.ok
    assert run.output == f"{file}: healthy; open it in a browser\n"
    shown = file.read_text(encoding="utf-8")
    leader = assert_whole(lab, NAMES)
    assert f"clients → VIP {VIP}" in shown
    assert re.search(rf">\d\d:\d\d:\d\d {leader} is the leader", shown)
    assert shown.count(">now follower<") == 2


@pytest.mark.campaign
def test_manual_changes_are_named_with_a_remedy(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)
    does(leader, f"systemctl stop {FLOW}", "chmod 644 /var/lib/one/.one/one_auth")
    does(near, f"ip address add {VIP}/24 dev eth0", f"systemctl start {FLOW}")
    does(near, "touch /etc/one/oned.conf")
    does(far, "systemctl disable --now opennebula")
    found = look(operator)
    for sign, host in (
        ("service_down", leader),
        ("drift", leader),
        ("vip_leftover", near),
        ("service_stray", near),
        ("pending_restart", near),
        ("oned_stopped", far),
    ):
        assert named(found, sign, host.name).cure[-2:] == REPAIR
    assert found.health is Health.DEGRADED
    cure(site, *found.findings)


@pytest.mark.campaign
def test_wrong_ids_other_data_and_a_stale_list_are_named(site: Site) -> None:
    lab, operator = site
    _, near, far = roles(lab)
    # The next leader would write the list of servers again: check the list first.
    does(
        far,
        "mysql opennebula -e \"UPDATE zone_pool SET body = REPLACE(body, 'n1a1', 'n1a0');"
        " DELETE FROM user_pool WHERE name = 'serveradmin'\"",
    )
    found = look(operator)
    stale = named(found, "stale_pool", far.name)
    assert "user_pool, zone_pool" in named(found, "data_differ", far.name).seen
    assert stale.cure[:2] == REPAIR
    assert found.health is Health.DEGRADED
    differ = named(found, "data_differ", far.name)

    edit = "sed -i 's/SERVER_ID *= *[0-9]*/SERVER_ID = 7/' /etc/one/oned.conf"
    does(near, edit, "systemctl restart opennebula")
    found = seen_soon(operator, "wrong_server_id", near.name)
    assert "oned runs with SERVER_ID 7" in named(found, "wrong_server_id", near.name).seen
    assert found.health is Health.DOWN
    cure(site, stale, differ, named(found, "wrong_server_id", near.name))


@pytest.mark.campaign
def test_a_frozen_follower_lags_when_it_continues(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)
    signal_oned(far, "STOP")
    write(leader, 300)
    silent = named(seen_soon(operator, "oned_silent", far.name), "oned_silent", far.name)
    assert "does not answer" in silent.seen
    # On a slow network it needs some seconds for these records.
    far.delay(30)
    signal_oned(far, "CONT")
    does(near, "fallocate -l $(($(stat -f -c '%a * %S' /) - (200 << 20))) /var/tmp/large")
    found = seen_soon(operator, "lagging", far.name)
    row = next(row for row in found.front_ends if row.name == far.name)
    assert row.raft
    assert (row.raft.lag or 0) > 50
    low = named(found, "disk_low", near.name)

    cure(
        site,
        low,
        named(found, "lagging", far.name),
        Free_space=lambda: does(near, "rm /var/tmp/large"),
        Look_again=lambda: far.delay(0),
    )


@pytest.mark.campaign
def test_servers_that_are_cut_off_are_named(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)

    def heal() -> None:
        for host in lab.hosts:
            host.heal()

    def repair_network() -> None:
        heal()
        await_healthy(operator)

    for other in (leader, near):
        lab.cut(far.name, other.name)
    found = seen_soon(operator, "not_following", far.name)
    assert "candidate" in named(found, "not_following", far.name).seen
    cure(site, named(found, "not_following", far.name), Repair_the_network=repair_network)

    leader, near, far = roles(lab)
    for other in (near, far):
        lab.cut(leader.name, other.name)
    leader_seen_by(near, other_than=leader.name)
    found = seen_soon(operator, "two_leaders", leader.name)
    assert found.health is Health.DOWN
    named(found, "vip_leftover", leader.name)
    cure(site, named(found, "two_leaders", leader.name), Repair_the_network=repair_network)

    leader, near, far = roles(lab)
    for first, second in ((leader, near), (leader, far), (near, far)):
        lab.cut(first.name, second.name)
    # A leader that is cut off remains one. systemd starts it again, and it gets no votes.
    signal_oned(leader, "KILL")
    found = seen_soon(operator, "no_leader", None)
    assert found.zone.leader is None
    assert found.health is Health.DOWN
    cure(
        site,
        named(found, "no_leader", None),
        Open_port=heal,
    )
