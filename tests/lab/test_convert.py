"""A standalone front-end with content becomes a zone of three, which survives failures."""

from collections.abc import Iterator

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP_KEYS, Operator, kill_at
from tests.lab.zones import (
    POOLS,
    assert_survives,
    assert_whole,
    call,
    content,
    one,
    servers,
    wait_for,
)

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
RETENTION = 20
"""Records that each server keeps of its log, far fewer than OpenNebula's 250000."""
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3, template="mariadb")
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=["n1a1"])


def test_a_standalone_front_end_becomes_a_zone_of_three_in_one_up(site: Site) -> None:
    lab, operator = site
    log = {"LOG_RETENTION": RETENTION, "LOG_PURGE_TIMEOUT": 1}
    vip = {key: operator.config.pop(key) for key in VIP_KEYS}
    operator.change(["n1a1"], oned={"RAFT": log})
    first = lab.host("n1a1")
    one(first, "onegroup create research")
    one(first, "oneuser create alice secret-of-alice --group 100")
    one(first, "oneacl create 200000002 1200000000 1")
    call(first, "one.template.allocate", 'NAME = "small"\nCPU = 1\nMEMORY = 128')
    before = content(first)
    for name in ("research", "alice", "small", "200000002"):
        assert name in "".join(before.values())

    operator.change(NAMES, **vip)

    assert_whole(lab, NAMES)
    for name in NAMES:
        assert content(lab.host(name)) == content(first)
    for pool in POOLS.keys() - {"one.userpool.info"}:
        assert content(first)[pool] == before[pool]
    (dump,) = operator.outputs()["backups"]["n1a1"]
    assert "before-zone" in dump["path"]
    kept = first.run(f"zstd -dc {dump['path']}").stdout
    assert "alice" in kept
    assert "n1a2" in kept, "the pool that all of them start with"


def test_the_first_server_may_fail_right_after_the_conversion(site: Site) -> None:
    lab, _ = site
    assert_survives(lab, NAMES, "n1a1")
    assert "alice" in one(lab.host("n1a3"), "oneuser list")
    lab.host("n1a1").start()
    assert_whole(lab, NAMES)


@pytest.mark.campaign
def test_a_follower_behind_the_leaders_log_is_resynced(site: Site) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES)
    follower = next(name for name in NAMES if name != leader)
    _, last = log(lab.host(follower))
    lab.host(follower).kill()
    written = lab.host(leader).run(
        f"for n in $(seq {RETENTION + 10}); do"
        " runuser -u oneadmin -- oneuser create later$n secret-of-that; done; echo all"
    )
    assert written.stdout.endswith("all\n"), written.stderr
    wait_for(lambda: log(lab.host(leader))[0] > last + 1 or None, "the purge of what it lacks")
    lab.host(follower).start()

    run = operator.refresh()
    assert run.ok, run.output
    # The zone also recovers if the leader was not notified of the fresh copy.
    assert kill_at(operator, f"{follower}: start oned")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert f"later{RETENTION + 10}" in one(lab.host(follower), "oneuser list")
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_a_zone_of_two_continues_after_the_loss_of_one(site: Site) -> None:
    lab, operator = site
    lost = assert_whole(lab, NAMES)
    survivor, third = (lab.host(name) for name in NAMES if name != lost)
    (number,) = (s.id for s in servers(survivor) if s.name == third.name)
    third.run("systemctl disable --now opennebula")
    one(lab.host(lost), f"onezone server-del 0 {number}")
    one(lab.host(lost), "oneuser create of-two secret-of-that")
    wait_for(lambda: len(servers(survivor)) == 2 or None, "a zone of two on both")
    lab.host(lost).kill()
    wait_for(
        lambda: {s.state for s in servers(survivor)} == {"candidate", "error"} or None,
        f"{survivor.name} without a majority",
    )

    operator.config["frontends"] = operator.list_of([survivor.name])
    operator.config["force_ha"] = True
    refused = operator.up()
    assert not refused.ok
    assert "opennebula-ha:lost" in refused.output

    operator.change([survivor.name], force_ha=True, lost=[lost])
    assert assert_whole(lab, [survivor.name]) == survivor.name
    assert " of-two " in one(survivor, "oneuser list")
    one(survivor, "oneuser create alone secret-of-that")


@pytest.mark.campaign
def test_a_removed_host_that_returns_is_reported(site: Site) -> None:
    lab, operator = site
    (survivor,) = (lab.host(name) for name in operator.config["frontends"])
    (lost,) = (lab.host(name) for name in operator.config["lost"])
    assert operator.refresh().ok
    (before,) = servers(survivor)
    lost.start()
    wait_for(lambda: servers(survivor)[0].term > before.term + 1 or None, "its campaign")
    refused = operator.refresh()
    assert not refused.ok
    assert f"{lost.name}: check that lost servers stay off" in refused.output
    assert "deposes the leader" in refused.output
    assert "systemctl disable --now opennebula" in refused.output

    lost.run("systemctl disable --now opennebula")
    run = operator.refresh()
    assert run.ok, run.output
    run = operator.up()
    assert run.ok, run.output
    assert assert_whole(lab, [survivor.name]) == survivor.name
    assert " alone " in one(survivor, "oneuser list")


def log(host: LabHost) -> tuple[int, int]:
    """Return the first and the last record that a server keeps."""
    ends = "SELECT MIN(log_index), MAX(log_index) FROM opennebula.logdb WHERE log_index > 0"
    first, last = host.run(f"mysql -N -e '{ends}'").stdout.split()
    return int(first), int(last)
