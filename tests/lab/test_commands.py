"""Commands that an operator runs: switchover, and restore from a kept dump."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.backup_test import compare
from lab.machines import Lab, LabHost
from procedures.bootstrap.restore import KeptDump
from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator
from tests.lab.zones import assert_whole, one, servers, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    """Make a zone of three that has grown from one front-end with content."""
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES[:1])
    operator.config["force_ha"] = True
    assert operator.up().ok
    one(lab.host("n1a1"), "oneuser create alice secret-of-alice")
    operator.config["frontends"] = operator.list_of(NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def term(lab: Lab) -> int:
    return max(server.term for server in servers(lab.host("n1a1")))


@pytest.mark.campaign
def test_switchover_to_a_named_front_end(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    for to in [name for name in NAMES if name != leader]:
        before = term(lab)
        run = operator.switch_over(to)
        print(run.output)
        assert run.ok
        assert f"{to} is the leader in place of {leader}" in run.output
        assert term(lab) > before
        assert assert_whole(lab, NAMES) == to
        leader = to
    before = term(lab)
    assert f"{leader} is the leader already" in operator.switch_over(leader).output
    assert term(lab) == before


def test_switchover_refuses_hosts_outside_the_stack(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    before = term(lab)
    run = operator.switch_over("n1a9")
    assert not run.ok
    assert "error: n1a9: switch over: expected one of n1a1, n1a2, n1a3" in run.output
    assert "Traceback" not in run.output
    assert term(lab) == before


SERVICE = "opennebula-ha-backup"
SHARE = "/mnt/backups"


def timed(host: LabHost, folder: str) -> list[str]:
    return host.run(f"ls {folder}/*-timed.sql.zst 2>/dev/null").stdout.split()


def said(host: LabHost) -> str:
    return host.run(f"journalctl _SYSTEMD_UNIT={SERVICE}.service --no-pager -o cat -n 4").stdout


def wait_for_the_next_second(host: LabHost) -> None:
    """Two dumps of one second would have the same name."""
    now = host.run("date +%s").stdout
    wait_for(lambda: host.run("date +%s").stdout != now or None, "the next second")


def test_the_timer_of_the_leader_dumps_and_copies(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader = lab.host(assert_whole(lab, NAMES))
    operator.change(NAMES, backup={"schedule": "*-*-* 03:00", "keep": 2, "copy_to": SHARE})
    for name in NAMES:
        shown = lab.host(name).run(f"systemctl list-timers --no-legend {SERVICE}.timer").stdout
        assert f"{SERVICE}.service" in shown, name

    # The share is not there yet: the dump is, and that is a failure.
    assert leader.run(f"systemctl start {SERVICE}").returncode != 0
    assert f"expected: {SHARE}, on another file system than /" in said(leader)
    assert len(timed(leader, "/var/backups/opennebula")) == 1
    assert f"{leader.name}: dump failed" in operator.look("doctor").output
    seen = json.loads(operator.look("status", "--json").output)
    signs = [(finding["sign"], finding["host"]) for finding in seen["findings"]]
    assert ("dump_failed", leader.name) in signs
    assert seen["zone"]["timed_dump"]["front_end"] == leader.name

    done = leader.run(f"mkdir {SHARE} && mount -t tmpfs tmpfs {SHARE}")
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        host = lab.host(name)
        for _ in range(2):
            wait_for_the_next_second(host)
            done = host.run(f"systemctl start {SERVICE}")
            assert done.returncode == 0, said(host)
        if host.name != leader.name:
            assert "this front-end does not lead" in said(host)
            assert timed(host, "/var/backups/opennebula") == []
    kept = timed(leader, "/var/backups/opennebula")
    assert [Path(path).name for path in timed(leader, SHARE)] == [Path(p).name for p in kept]
    assert len(kept) == 2
    assert leader.run(f"stat -c %a {SHARE}/*").stdout.split() == ["600"] * 4
    listed = operator.look("backup", "--list").output
    assert all(path in listed for path in kept)
    assert "no sign" in operator.look("doctor").output.lower()
    run = operator.refresh()
    assert run.ok, run.output
    assert operator.up("--expect-no-changes").ok
    assert "-timed" not in str(operator.outputs()["backups"])


def test_restore_makes_a_zone_of_blank_hosts(zone: tuple[Lab, Operator], tmp_path: Path) -> None:
    lab, operator = zone
    keeper = assert_whole(lab, NAMES)
    path = timed(lab.host(keeper), SHARE)[-1]
    keys = path.replace(".sql.zst", ".keys.tar.zst")
    for file in (path, keys):
        text = lab.host(keeper).run(f"base64 -w0 {file}").stdout
        (tmp_path / Path(file).name).write_bytes(base64.b64decode(text))
    one_key = lab.host(keeper).run("cat /var/lib/one/.one/one_key").stdout
    for name in NAMES:
        lab.replace(name, trust=True)

    operator.config["restore_from"] = str(tmp_path / "20260101T000000Z-gone.sql.zst")
    run = operator.up("--refresh")
    assert not run.ok
    assert "this machine: read the dump: expected" in run.output
    assert "Traceback" not in run.output

    operator.config["restore_from"] = str(tmp_path / Path(path).name)
    run = operator.up("--refresh")
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert [server.id for server in servers(lab.host("n1a1"))] == [0, 1, 2]
    for name in NAMES:
        assert " alice " in one(lab.host(name), "oneuser list")
        assert lab.host(name).run("cat /var/lib/one/.one/one_key").stdout == one_key
        assert lab.host(name).run("ls -d /var/lib/opennebula-ha").stdout == ""
    del operator.config["restore_from"]
    assert operator.up("--expect-no-changes").ok

    # What `make backup-test` compares, on a zone that is there already.
    dump = KeptDump.at(str(tmp_path / Path(path).name))
    found = compare(lab, lab.host("n1a2"), dump)
    assert found.faults == []
    assert found.tables >= 5
    assert found.rows > found.tables
    assert found.keys > 3
    other = lab.host("n1a3")
    other.run("systemctl stop opennebula")
    rename = "mariadb opennebula -e \"UPDATE user_pool SET name = '{}' WHERE name = '{}'\""
    other.run(rename.format("alicia", "alice"))
    faults = compare(lab, other, dump).faults
    assert [fault.partition(":")[0] for fault in faults] == [
        "user_pool differs",
        "oneadmin cannot log in",
    ]
    other.run(rename.format("alice", "alicia") + "; systemctl start opennebula")


@pytest.mark.campaign
def test_without_the_key_the_timer_goes_and_dumps_stay(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader = lab.host(assert_whole(lab, NAMES))
    # Without a share.
    operator.change(NAMES, backup={"schedule": "daily"})
    assert leader.run(f"systemctl start {SERVICE}").returncode == 0, said(leader)
    del operator.config["backup"]
    assert operator.up().ok
    for name in NAMES:
        units = lab.host(name).run(f"systemctl list-unit-files --no-legend '{SERVICE}*'")
        files = lab.host(name).run("ls -d /usr/local/lib/opennebula-ha/backup")
        assert (units.stdout, files.stdout) == ("", "")
    assert len(timed(leader, "/var/backups/opennebula")) == 1
