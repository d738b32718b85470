"""Every abnormal state that a lab can have: in JSON as the schema says, named with its cure.

The cures are then tried: what status calls healthy afterwards is whole.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.status.report import Finding, Health, Report
from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator
from tests.lab.zones import assert_whole, connections, executions, leader_seen_by, one, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
REPAIR = ["make refresh STACK=lab", "make up STACK=lab"]
FLOW = "opennebula-flow"
PACE = "/etc/opennebula-standin.json"
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3, template="mariadb", wait_scale=0.2)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["features"] = {"gui": False, "flow": True, "gate": False, "form": False}
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def look(operator: Operator, command: str = "doctor", *options: str) -> Report:
    """The report, held to its schema; status and doctor give its health as their exit status."""
    run = operator.look(command, "--json", *options)
    found = Report.model_validate_json(run.output)
    assert run.status == found.health.exit_status
    assert operator.secrets["one_pass"] not in run.output
    return found


def named(found: Report, sign: str, host: str | None) -> Finding:
    """The sign on that host, which has a cause and a cure."""
    seen = [one for one in found.findings if (one.sign, one.host) == (sign, host)]
    assert len(seen) == 1, f"{sign} on {host} is not among {summary(found)}"
    assert seen[0].cause
    assert seen[0].cure
    return seen[0]


def summary(found: Report) -> list[str]:
    return [f"{one.sign} {one.host}: {one.seen}" for one in found.findings]


def seen_soon(operator: Operator, sign: str, host: str | None, command: str = "status") -> Report:
    """The first report that has the sign there."""

    def once() -> Report | None:
        found = look(operator, command)
        return found if any((o.sign, o.host) == (sign, host) for o in found.findings) else None

    return wait_for(once, f"{sign} on {host}")


def healthy_soon(operator: Operator, command: str = "status") -> Report:
    last: list[Report] = []

    def once() -> Report | None:
        last.append(look(operator, command))
        return last[-1] if last[-1].health is Health.HEALTHY else None

    try:
        return wait_for(once, "a healthy zone")
    except AssertionError:
        raise AssertionError(summary(last[-1])) from None


def repair(operator: Operator) -> None:
    """What most cures say: refresh, then up."""
    for run in (operator.refresh(), operator.up()):
        assert run.ok, run.output


def roles(lab: Lab) -> tuple[LabHost, LabHost, LabHost]:
    """The leader and its two followers."""
    leader = assert_whole(lab, NAMES)
    near, far = (name for name in NAMES if name != leader)
    return lab.host(leader), lab.host(near), lab.host(far)


def does(host: LabHost, *commands: str) -> None:
    for command in commands:
        done = host.run(command)
        assert done.returncode == 0, f"{host.name}: {command}: {done.stderr}"


def write(host: LabHost, number: int) -> None:
    """Have so many more records in the log."""
    does(
        host,
        f"""python3 - <<'END'
import xmlrpc.client
session = open("/var/lib/one/.one/one_auth").read().strip()
oned = xmlrpc.client.ServerProxy("http://127.0.0.1:2633/RPC2")
for number in range({number}):
    assert oned.one.user.update(session, 0, f'MARK = "{{number}}"', 1)[0]
END""",
    )


def test_a_healthy_zone_on_one_screen_in_one_command_a_host(site: Site, tmp_path: Path) -> None:
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


def test_the_logs_of_all_are_one(site: Site) -> None:
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


def test_what_was_changed_by_hand(site: Site) -> None:
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
    repair(operator)
    assert look(operator).findings == []


def test_wrong_ids_other_data_and_a_stale_list(site: Site) -> None:
    lab, operator = site
    _, near, far = roles(lab)
    # The next leader would write the list of servers again: that is looked at first.
    does(
        far,
        "mysql opennebula -e \"UPDATE zone_pool SET body = REPLACE(body, 'n1a1', 'n1a0');"
        " DELETE FROM user_pool WHERE name = 'serveradmin'\"",
    )
    found = look(operator)
    assert "user_pool, zone_pool" in named(found, "data_differ", far.name).seen
    assert named(found, "stale_pool", far.name).cure[:2] == REPAIR
    assert found.health is Health.DEGRADED

    edit = "sed -i 's/SERVER_ID *= *[0-9]*/SERVER_ID = 7/' /etc/one/oned.conf"
    does(near, edit, "systemctl restart opennebula")
    found = seen_soon(operator, "wrong_server_id", near.name)
    assert "oned runs with SERVER_ID 7" in named(found, "wrong_server_id", near.name).seen
    assert found.health is Health.DOWN
    repair(operator)
    assert look(operator).findings == []


def test_a_lag_and_a_log_that_the_leader_has_dropped(site: Site) -> None:
    lab, operator = site
    leader, _, far = roles(lab)
    does(far, "systemctl stop opennebula")
    write(leader, 55)
    does(far, "systemctl start opennebula")
    found = seen_soon(operator, "lagging", far.name)
    assert named(found, "lagging", far.name).cure[-2:] == REPAIR
    assert operator.refresh().ok
    assert look(operator).findings == []

    does(far, "systemctl stop opennebula")
    write(leader, 5)
    does(
        leader,
        "mysql opennebula -e 'SET @last = (SELECT MAX(log_index) FROM logdb);"
        " DELETE FROM logdb WHERE log_index > 0 AND log_index < @last'",
    )
    does(far, "systemctl start opennebula")
    found = seen_soon(operator, "log_dropped", far.name)
    assert named(found, "log_dropped", far.name).cure[-2:] == REPAIR
    repair(operator)
    assert look(operator).findings == []


def test_two_leaders_of_different_terms_and_no_leader(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)
    for other in (near, far):
        lab.cut(leader.name, other.name)
    leader_seen_by(near, other_than=leader.name)
    found = seen_soon(operator, "two_leaders", leader.name)
    assert leader.name in "".join(named(found, "two_leaders", leader.name).cure)
    named(found, "vip_leftover", leader.name)
    assert found.health is Health.DOWN

    lab.cut(near.name, far.name)
    # Who leads goes on to think so: one that starts again has nobody who votes for it.
    for host in (leader, near, far):
        does(host, "systemctl restart opennebula")
    found = seen_soon(operator, "no_leader", None)
    assert found.zone.leader is None
    assert "2633" in named(found, "no_leader", None).cause
    for host in (leader, near, far):
        host.heal()
    healthy_soon(operator)
    assert look(operator).findings == []


def test_hosts_that_are_off_and_disks_that_are_full(site: Site) -> None:
    lab, operator = site
    _, near, far = roles(lab)
    far.kill()
    near.fill_disk()
    found = look(operator, "status")
    named(found, "unreachable", far.name)
    assert (
        "free space"
        in named(found, "disk_full", near.name).seen
        + "".join(named(found, "disk_full", near.name).cure).lower()
    )
    row = next(row for row in found.front_ends if row.name == far.name)
    assert not row.reachable
    assert f"{far.name} " in operator.look("status").output
    near.free_disk()
    far.start()
    healthy_soon(operator)
    assert look(operator).findings == []


def test_an_oned_that_stands_still_and_one_that_does_not_end(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)
    does(leader, "kill -STOP $(systemctl show -p MainPID --value opennebula)")
    leader_seen_by(near, other_than=leader.name)
    found = seen_soon(operator, "oned_silent", leader.name)
    assert named(found, "oned_silent", leader.name).cure[-1] == "systemctl restart opennebula"
    named(found, "vip_leftover", leader.name)
    does(leader, "systemctl restart opennebula")
    healthy_soon(operator)

    hanging = next(host for host in (near, far) if host.name != assert_whole(lab, NAMES))
    pace = json.loads(hanging.run(f"cat {PACE}").stdout)
    hanging.run(f"cat >{PACE} <<<'{json.dumps({**pace, 'hangs': True})}'")
    does(hanging, "systemctl --no-block stop opennebula")
    found = seen_soon(operator, "stop_hangs", hanging.name)
    assert "modules have ended" in named(found, "stop_hangs", hanging.name).seen
    hanging.run(f"cat >{PACE} <<<'{json.dumps(pace)}'")
    repair(operator)
    assert look(operator).findings == []


def test_a_database_that_is_down_and_no_quorum(site: Site) -> None:
    lab, operator = site
    leader, near, far = roles(lab)
    does(far, "systemctl stop opennebula")
    does(near, "systemctl stop mariadb", "systemctl --no-block restart opennebula")
    found = seen_soon(operator, "restart_loop", near.name)
    named(found, "database_down", near.name)
    quorum = named(found, "no_quorum", None)
    assert leader.name in quorum.seen
    assert quorum.cure[-2:] == REPAIR
    assert found.health is Health.DOWN
    repair(operator)
    assert look(operator).findings == []


def test_servers_that_the_zone_and_the_stack_do_not_have_in_common(site: Site) -> None:
    lab, operator = site
    leader, _, far = roles(lab)
    number = next(row.id for row in look(operator, "status").front_ends if row.name == far.name)
    one(leader, "onezone server-add 0 --name n1a9 --rpc http://n1a9:2633/RPC2")
    does(far, "systemctl stop opennebula")
    one(leader, f"onezone server-del 0 {number}")
    found = seen_soon(operator, "not_in_zone", far.name)
    assert "lost" in "".join(named(found, "unknown_server", "n1a9").cure)
    assert found.zone.unknown_servers == ["n1a9"]
    operator.config["lost"] = ["n1a9"]
    repair(operator)
    operator.config["lost"] = []
    assert operator.up().ok
    assert look(operator).findings == []


def test_a_password_that_is_not_the_zones(site: Site) -> None:
    _, operator = site
    secrets = dict(operator.secrets)
    operator.secrets["one_pass"] = "another-one-pass"
    found = look(operator, "status")
    operator.secrets.update(secrets)
    for name in NAMES:
        assert "one_pass" in named(found, "login_refused", name).cure[0]
    assert look(operator, "status").findings == []
