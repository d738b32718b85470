"""Other versions of OpenNebula on a running zone: one server at a time or all at once, and back."""

from collections.abc import Iterator

import pytest

from lab.machines import Lab
from opennebula.zone import quorum
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import Operator, kill_at
from tests.lab.status import look, named, seen_soon
from tests.lab.test_mistakes import any_of
from tests.lab.traffic import Watch, Writer
from tests.lab.zones import assert_whole, one, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
BACKUPS = "/var/backups/opennebula"
Zone = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def zone(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    lab = make_module_lab(3, template="mariadb")
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_a_whole_unit_in_etc_is_refused_before_an_upgrade(zone: Zone) -> None:
    """As `systemctl edit --full` leaves it; the next test shows that the remedy works."""
    lab, operator = zone
    copy = "/etc/systemd/system/opennebula.service"
    lab.host("n1a2").run(f"cp /lib/systemd/system/opennebula.service {copy}")
    lab.host("n1a2").run("systemctl daemon-reload")
    operator.config["one_version"] = "7.2.1"
    message = only(operator.up(), "n1a2")
    assert message.seen == f"the whole unit in {copy}"
    assert_settled(lab, "7.2")
    for command in (f"mv {copy} /root/", "systemctl daemon-reload"):
        assert f"'{command}'" in message.remedy
        assert lab.host("n1a2").run(command).returncode == 0


def test_a_patch_release_is_rolled_out_under_writes(zone: Zone) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    operator.config["one_version"] = "7.2.1"
    with Writer(lab, rate=5) as writer, Watch(lab) as watch:
        wait_for(lambda: len(writer.acknowledged) > 5 or None, "the first writes")
        assert kill_at(operator, "install OpenNebula 7.2.1-1")
        wait_for(lambda: len(versions(lab)) == 2 or None, "two versions")
        found = named(seen_soon(operator, "versions", None), "versions", None)
        assert found.cure == ["make refresh STACK=lab", "make up STACK=lab"]
        assert operator.refresh().ok
        run = operator.up()
    assert run.ok, run.output
    new = assert_whole(lab, NAMES)
    assert writer.lost(one(lab.host(new), "oneuser list")) == []
    assert watch.fewest >= quorum(len(NAMES))
    # One change of leader: an election may need two rounds if two servers are candidates.
    assert (watch.leaders[0], watch.leaders[-1]) == (leader, new)
    assert leader not in watch.leaders[1:], "the leader was not the last"
    assert versions(lab) == {"7.2.1-1"}
    assert_settled(lab, "7.2.1")
    print(f"{len(writer.acknowledged)} writes, the longest pause {writer.longest_pause:.1f} s")
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_a_patch_release_that_does_not_start_is_rolled_back(zone: Zone) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    first = min(name for name in NAMES if name != leader)
    operator.config["one_version"] = "7.2.2"
    message = only(operator.up(), first)
    assert message.expected == "oned to start with 7.2.2-1"
    assert "cannot open shared object file" in message.seen
    assert "oned runs with 7.2.1-1 again" in message.remedy
    assert assert_whole(lab, NAMES) == leader
    assert versions(lab) == {"7.2.1-1"}
    operator.config["one_version"] = "7.2.1"
    run = operator.up()
    assert run.ok, run.output
    assert_settled(lab, "7.2.1")
    assert assert_whole(lab, NAMES) == leader


def test_an_upgrade_of_the_database_needs_consent(zone: Zone) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    operator.config["one_version"] = "7.4"
    message = any_of(operator.up())
    assert message.seen == "its database is version 7.2.0, OpenNebula 7.4.0-1 needs 7.4.0"
    assert 'opennebula-ha:upgrade_database: "7.4"' in message.remedy
    assert assert_whole(lab, NAMES) == leader
    assert_settled(lab, "7.2.1")


def test_a_failed_upgrade_of_the_database_is_rolled_back(zone: Zone) -> None:
    lab, operator = zone
    one(lab.host("n1a1"), "oneuser create before-that secret-of-that")
    operator.config["upgrade_database"] = "7.4"
    preview = operator.preview()
    assert "the zone is down for some minutes" in preview.output
    leader = assert_whole(lab, NAMES)
    refusing = "#!/bin/sh\\necho missing migration descriptors\\nexit 255\\n"
    onedb = lab.host(leader).run(
        "dpkg-divert --rename --add /usr/bin/onedb"
        f" && printf '{refusing}' >/usr/bin/onedb && chmod +x /usr/bin/onedb"
    )
    assert onedb.returncode == 0, onedb.stderr
    message = only(operator.up(), leader)
    assert message.step == "upgrade the database"
    assert message.expected == "onedb upgrade to succeed"
    assert message.seen == "missing migration descriptors"
    lab.host(leader).run("rm /usr/bin/onedb; dpkg-divert --rename --remove /usr/bin/onedb")
    assert_whole(lab, NAMES)
    assert versions(lab) == {"7.2.1-1"}
    assert databases(lab) == {"7.2.0"}


@pytest.mark.campaign
def test_an_upgrade_of_the_database_survives_interruptions(zone: Zone) -> None:
    lab, operator = zone
    for moment in ("dump the database", "upgrade the database", "send the database"):
        assert kill_at(operator, moment)
        assert len(databases(lab, active=True)) <= 1, "old and new side by side"
    found = look(operator, "status")
    for name in NAMES:
        assert named(found, "upgrade_interrupted", name).cure == ["make up STACK=lab"]
    # With the result of a refresh, the zone continues.
    assert operator.refresh().ok
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert versions(lab) == {"7.4.0-1"}
    assert databases(lab) == {"7.4.0"}
    assert "before-that" in one(lab.host("n1a1"), "oneuser list")
    assert_settled(lab, "7.4")
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_rollback_restores_the_dump_from_before_the_upgrade(zone: Zone) -> None:
    lab, operator = zone
    one(lab.host("n1a1"), "oneuser create after-that secret-of-that")
    operator.config["one_version"] = "7.2"
    message = any_of(operator.up())
    assert "WHAT WAS WRITTEN SINCE IS LOST" in message.remedy
    operator.config["upgrade_database"] = "7.2"
    # As if no part of the new version had run.
    for host in lab.hosts:
        host.run("systemctl stop opennebula")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert versions(lab) == {"7.2.0-1"}
    assert databases(lab) == {"7.2.0"}
    users = one(lab.host("n1a2"), "oneuser list")
    assert "before-that" in users
    assert "after-that" not in users
    kept = "".join(host.run(f"ls {BACKUPS}").stdout for host in lab.hosts)
    assert "-of-7.4.0-before-7.2.0.sql.zst" in kept
    assert_settled(lab, "7.2")


def versions(lab: Lab) -> set[str]:
    """Return the packages' versions on all hosts."""
    return {host.run("dpkg-query -W -f '${Version}' opennebula").stdout for host in lab.hosts}


def databases(lab: Lab, *, active: bool = False) -> set[str]:
    """Return the databases' versions on all hosts, or only on those on which oned runs."""
    last = "SELECT version FROM opennebula.local_db_versioning ORDER BY oid DESC LIMIT 1"
    return {
        host.run(f"mysql -N -e '{last}'").stdout.strip()
        for host in lab.hosts
        if not active or host.run("systemctl is-active opennebula").returncode == 0
    }


def assert_settled(lab: Lab, version: str) -> None:
    """Check that nothing waits or is held back, and that apt looks for that version."""
    for host in lab.hosts:
        assert host.run("ls /var/lib/opennebula-ha").stdout == ""
        assert host.run("systemctl is-enabled opennebula").stdout == "enabled\n"
        sources = host.run("cat /etc/apt/sources.list.d/opennebula.sources").stdout
        assert f"/{version}/Debian/12\n" in sources
