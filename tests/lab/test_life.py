"""A zone grows, shrinks, loses and replaces servers while clients write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Lab
from tests.engine.reviews import rows
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator
from tests.lab.traffic import Writer
from tests.lab.zones import (
    assert_survives,
    assert_whole,
    executions,
    one,
    servers,
    wait_for,
    zone_entry,
)

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(5)
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=["n1a1"])


def test_a_standalone_front_end_becomes_a_zone_of_one(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    vip = {key: operator.config.pop(key) for key in ("one_vip", "one_vip_cidr", "one_vip_if")}
    operator.change(["n1a1"])
    assert servers(lab.host("n1a1")) == []
    one(lab.host("n1a1"), "oneuser create from-solo secret-of-that")
    operator.change(["n1a1"], force_ha=True, **vip)
    assert assert_whole(lab, ["n1a1"]) == "n1a1"
    assert "from-solo" in one(lab.host("n1a1"), "oneuser list")


@pytest.mark.campaign
def test_zone_grows_and_shrinks_under_writes(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    with Writer(lab) as writer:
        wait_for(lambda: len(writer.acknowledged) > 2 or None, "the first writes")
        operator.change(["n1a1", "n1a2", "n1a3"])
        assert_known_everywhere(lab, ["n1a1", "n1a2", "n1a3"])
        assert all(executions(lab)[name] <= 8 for name in ("n1a2", "n1a3"))
        operator.config["frontends"] = operator.list_of(["n1a5", "n1a3", "n1a1", "n1a4", "n1a2"])
        said = operator.preview().output
        assert "n1a4 and n1a5 join, one at a time: one dump on the leader" in said
        operator.change(["n1a5", "n1a3", "n1a1", "n1a4", "n1a2"])
        assert all(executions(lab)[name] <= 8 for name in ("n1a4", "n1a5"))
        assert_known_everywhere(lab, ["n1a1", "n1a2", "n1a3", "n1a4", "n1a5"])
        leader = next(s.name for s in servers(lab.host("n1a1")) if s.state == "leader")
        # The leader and the first of the list leave; one server may be both.
        gone = {leader, "n1a1"} if leader != "n1a1" else {"n1a1", "n1a2"}
        staying = [name for name in ("n1a1", "n1a2", "n1a3", "n1a4", "n1a5") if name not in gone]
        operator.config["frontends"] = operator.list_of(staying)
        shown = rows(operator.preview().output)
        changed = {row for row, what in shown.items() if what.startswith("update")}
        assert changed == {"Preflight zone", "Zone zone", "Rollout zone"}
        operator.change(staying)
        assert_gone_from_hosts_files(lab, staying)
        assert_settled(operator)
        assert operator.outputs()["backups"].keys() <= {*staying}
        kept = operator.outputs()["backups"]
        listed = [one["path"] for paths in kept.values() for one in paths]
        assert len([path for path in listed if "-before-leave-" in path]) == 1
        last = staying[0]
        operator.change([last])
        assert_gone_from_hosts_files(lab, [last])
    assert_whole(lab, [last])
    assert writer.lost(one(lab.host(last), "oneuser list")) == []
    assert len(writer.acknowledged) > 20
    print(f"{len(writer.acknowledged)} writes, the longest pause {writer.longest_pause:.1f} s")
    for host in lab.hosts:
        if host.name != last:
            assert host.run("systemctl is-active opennebula").stdout.strip() != "active"


def test_grown_zone_survives_the_immediate_loss_of_a_server(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    (first,) = operator.config["frontends"]
    names = sorted([first, *[host.name for host in lab.hosts if host.name != first][:2]])
    operator.change(names)
    assert_survives(lab, names, first)
    lab.host(first).start()
    assert_whole(lab, names)


@pytest.mark.campaign
def test_a_lost_host_leaves_without_being_reached(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    names = sorted(operator.config["frontends"])
    lost, spare = names[0], next(h.name for h in lab.hosts if h.name not in names)
    lab.host(lost).kill()
    staying = names[1:]

    operator.config["frontends"] = operator.list_of([*staying, spare])
    refused = operator.up()
    assert not refused.ok
    assert f"{lost}: shrink the zone" in refused.output
    assert "opennebula-ha:lost" in refused.output
    assert "Traceback" not in refused.output
    assert {s.name for s in servers(lab.host(staying[0]))} >= {lost}, "removed silently"

    operator.change([*staying, spare], lost=[lost])
    assert_whole(lab, [*staying, spare])
    assert_gone_from_hosts_files(lab, [*staying, spare])
    assert_settled(operator)
    operator.config["lost"] = []
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, [*staying, spare])


def test_a_host_that_returns_blank_rejoins(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    names = sorted(operator.config["frontends"])
    replaced = next(
        s.name for s in servers(lab.host(names[0])) if s.state == "follower" and s.name != names[0]
    )
    lab.host(replaced).kill()
    lab.replace(replaced, trust=True)
    run = operator.refresh()
    assert run.ok, run.output
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, names)


def test_two_operators_at_once_leave_a_healthy_zone(
    zone: tuple[Lab, Operator], tmp_path: Path
) -> None:
    lab, operator = zone
    names = sorted(operator.config["frontends"])
    other = Operator(lab, tmp_path, front_ends=names)
    other.config.update(operator.config)
    first, second = operator.start_up(), other.start_up()
    said = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert_whole(lab, names)


def test_the_order_of_the_list_does_not_matter(zone: tuple[Lab, Operator]) -> None:
    _, operator = zone
    operator.config["frontends"] = operator.list_of(sorted(operator.config["frontends"])[::-1])
    assert operator.up("--expect-no-changes").ok


def test_shrink_to_one_server_and_to_standalone(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    last = sorted(operator.config["frontends"])[-1]
    operator.change([last])
    assert_whole(lab, [last])
    for key in ("one_vip", "one_vip_cidr", "one_vip_if"):
        operator.config.pop(key)
    users = one(lab.host(last), "oneuser list")
    operator.change([last], force_ha=False)
    assert servers(lab.host(last)) == []
    assert one(lab.host(last), "oneuser list") == users
    assert f" {VIP}/" not in lab.host(last).run("ip -o address").stdout
    assert VIP not in zone_entry(lab.host(last))
    one(lab.host(last), "oneuser create solo-again secret-of-that")


def assert_gone_from_hosts_files(lab: Lab, names: list[str]) -> None:
    """Check that the remaining front-ends list each other, and no host that left."""
    for name in names:
        block = lab.host(name).run(
            "sed -n '/^# opennebula-ha begin/,/^# opennebula-ha end/p' /etc/hosts"
        )
        listed = [line.split()[1] for line in block.stdout.splitlines() if line[0] != "#"]
        assert sorted(listed) == sorted(names)


def assert_settled(operator: Operator) -> None:
    """Check that a refresh shows no drift, and that the next preview is empty."""
    shown = operator.refresh()
    assert shown.ok and "drift:" not in shown.output, shown.output
    after = operator.preview("--expect-no-changes")
    assert after.ok, after.output


def assert_known_everywhere(lab: Lab, names: list[str]) -> None:
    """Check that every server lists every server, whatever clients write at the same time."""
    for name in names:
        assert sorted(s.name for s in servers(lab.host(name))) == sorted(names)
