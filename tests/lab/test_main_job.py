"""The main job, from blank hosts: bootstrap, refresh, failover, destroy, bootstrap again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import DB_PASSWORD, ONE_PASS, VIP, Operator
from tests.lab.zones import (
    assert_whole,
    connections,
    data,
    executions,
    holders,
    one,
    servers,
    wait_for,
)

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]


@pytest.fixture(scope="module")
def built(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator, list[str]]]:
    """Build a zone of three, and keep the process lists of its hosts during the bootstrap."""
    lab = make_module_lab(3, template="blank")
    watched = Path("/root/processes")
    for host in lab.hosts:
        host.run(
            "systemd-run --quiet --unit=watch-processes bash -c"
            f" 'while sleep 0.05; do ps axww -o args; done >{watched}'"
        )
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    seen = []
    for host in lab.hosts:
        host.run("systemctl stop watch-processes")
        seen.append(host.run(f"sort -u {watched}; rm {watched}").stdout)
    yield lab, operator, [run.output, *seen]


def test_blank_hosts_become_one_leader_and_two_equal_followers(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, operator, _ = built
    leader = assert_whole(lab, NAMES)
    outputs = operator.outputs()
    assert outputs["status"]["leader"] == outputs["status"]["vip_holder"] == leader
    assert outputs["endpoint"] == f"http://{VIP}:2633/RPC2"
    assert list(outputs["servers"]) == NAMES
    addresses = lab.host(leader).run("ip -o -4 address show dev eth0").stdout
    assert f" {lab.host(leader).address}/24" in addresses
    (dumps,) = outputs["backups"].values()
    assert (
        lab.host(next(iter(outputs["backups"]))).run(f"zstd -t {dumps[0]['path']}").returncode == 0
    )


def test_bootstrap_takes_few_remote_executions(built: tuple[Lab, Operator, list[str]]) -> None:
    lab, _, _ = built
    assert max(executions(lab).values()) <= 8


def test_secrets_are_not_readable_anywhere(built: tuple[Lab, Operator, list[str]]) -> None:
    lab, operator, printed = built
    for secret in (ONE_PASS, DB_PASSWORD):
        assert secret not in operator.state()
        for text in printed:
            assert secret not in text
        for host in lab.hosts:
            readable = host.run(
                f"find / -xdev -type f -perm -o=r -not -path '/proc/*' -not -path '/sys/*' -print0"
                f" | xargs -0 grep -lF -- '{secret}' 2>/dev/null || true"
            ).stdout
            # A file in a closed folder is not readable for other users: try as `nobody`.
            for path in readable.split():
                assert host.run(f"runuser -u nobody -- cat {path}").returncode != 0, path


def test_no_temporary_key_is_left_on_the_hosts(built: tuple[Lab, Operator, list[str]]) -> None:
    lab, _, _ = built
    for host in lab.hosts:
        keys = host.run("cat /home/ubuntu/.ssh/authorized_keys").stdout.splitlines()
        assert len(keys) == 1
        left = host.run("ls -d /run/opennebula-ha* /var/lib/opennebula-ha 2>/dev/null || true")
        assert left.stdout == ""


def test_a_second_up_and_a_preview_open_no_connection(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, operator, _ = built
    before = connections(lab)
    for run in (operator.up("--expect-no-changes"), operator.preview("--expect-no-changes")):
        assert run.ok, run.output
        assert "16 unchanged" in run.output
    assert connections(lab) == before


def test_a_list_in_another_order_is_no_change(built: tuple[Lab, Operator, list[str]]) -> None:
    lab, operator, _ = built
    before = connections(lab)
    operator.config["frontends"] = operator.list_of(NAMES[::-1])
    run = operator.up("--expect-no-changes")
    assert run.ok, run.output
    assert connections(lab) == before


def test_refresh_takes_one_connection_and_execution_per_host(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, operator, _ = built
    before, executed = connections(lab), executions(lab)
    run = operator.refresh()
    assert run.ok, run.output
    assert "16 unchanged" in run.output
    assert connections(lab) == before + len(NAMES)
    assert executions(lab) == {name: count + 1 for name, count in executed.items()}
    assert operator.preview("--expect-no-changes").ok


def test_a_front_end_missing_in_the_state_is_adopted_unchanged(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, operator, _ = built
    started = [_start_time(lab, name) for name in NAMES]
    files = [_files(lab, name) for name in NAMES]
    operator.forget()
    run = operator.up()
    assert run.ok, run.output
    assert [_start_time(lab, name) for name in NAMES] == started
    assert [_files(lab, name) for name in NAMES] == files
    assert_whole(lab, NAMES)


@pytest.mark.campaign
def test_a_different_zone_is_adopted_and_the_preview_shows_changes(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, operator, _ = built
    started = [_start_time(lab, name) for name in NAMES]
    files = [_files(lab, name) for name in NAMES]
    operator.forget()
    operator.config["oned"] = {"LOG": {"DEBUG_LEVEL": 2}}
    run = operator.up()
    assert run.ok, run.output
    assert [_start_time(lab, name) for name in NAMES] == started
    assert [_files(lab, name) for name in NAMES] == files
    assert "oned.conf: LOG/DEBUG_LEVEL" in operator.state()
    assert not operator.preview("--expect-no-changes").ok
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    for name in NAMES:
        assert "DEBUG_LEVEL = 2" in lab.host(name).run("cat /etc/one/oned.conf").stdout
    assert operator.up("--expect-no-changes").ok


def test_a_user_created_at_the_vip_survives_the_leaders_failure(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, _, _ = built
    leader = assert_whole(lab, NAMES)
    others = [lab.host(name) for name in NAMES if name != leader]
    one(others[0], f"env ONE_XMLRPC=http://{VIP}:2633/RPC2 oneuser create alice secret-of-alice")
    for name in NAMES:
        wait_for(
            lambda name=name: "alice" in one(lab.host(name), "oneuser list") or None,  # type: ignore[misc]
            f"alice on {name}",
        )

    lab.host(leader).kill()
    new = wait_for(
        lambda: next(
            (s.name for s in servers(others[0]) if s.state == "leader" and s.name != leader), None
        ),
        "a new leader",
    )
    wait_for(lambda: holders(lab) == [new] or None, "the VIP on the new leader")
    at_vip = f"env ONE_XMLRPC=http://{VIP}:2633/RPC2"
    assert "alice" in one(others[1], f"{at_vip} oneuser list")
    one(others[1], f"{at_vip} oneuser create bob secret-of-bob")

    lab.host(leader).start()
    back = wait_for(
        lambda: next(
            (s for s in servers(others[0]) if s.name == leader and s.state == "follower"), None
        ),
        "the old leader as a follower",
    )
    assert back.name == leader
    one(lab.host(new), "oneuser create carol secret-of-carol")
    assert assert_whole(lab, NAMES) == new
    assert "bob" in data(lab.host(leader))


def test_destroy_leaves_nothing_running_and_up_restores_the_zone(
    built: tuple[Lab, Operator, list[str]],
) -> None:
    lab, operator, _ = built
    users = one(lab.host("n1a1"), "oneuser list")
    run = operator.destroy()
    assert run.ok, run.output
    assert holders(lab) == []
    for host in lab.hosts:
        assert host.run("pgrep -x oned || pgrep -f '/usr/bin/oned'").returncode != 0
        assert host.run("systemctl is-enabled opennebula").stdout.strip() == "disabled"
        assert host.run("grep -E '^ *RAFT_.*HOOK' /etc/one/oned.conf").stdout == ""
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert one(lab.host("n1a1"), "oneuser list") == users


def _start_time(lab: Lab, name: str) -> str:
    return lab.host(name).run("systemctl show -p ActiveEnterTimestamp opennebula mariadb").stdout


def _files(lab: Lab, name: str) -> str:
    return (
        lab.host(name)
        .run("find /etc /var/lib/one -type f -exec sha256sum {} + | sort -k2; dpkg -l | sha256sum")
        .stdout
    )
