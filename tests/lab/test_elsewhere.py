"""An existing OpenNebula that has its database on another host."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab, short_form
from tests.lab.foreign import (
    FOREIGN_PASSWORD,
    HOST,
    SHOP,
    STEP,
    alone,
    copy_database,
    do,
    everything,
    read_conf,
    refused,
    serve_database,
    set_conf,
    sql,
    taken_over,
    well,
    write_conf,
)
from tests.lab.messages import only
from tests.lab.zones import one

pytestmark = pytest.mark.lab

STORE = "n1a2"
"""A host whose MariaDB serves other hosts."""


@pytest.fixture(scope="module")
def lab(make_module_lab: MakeLab) -> Iterator[Lab]:
    lab = make_module_lab(2)
    serve_database(lab.host(STORE))
    yield lab


@pytest.fixture(scope="module")
def cloud(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> LabHost:
    """Make a running OpenNebula on the host with its database on the store, outside any stack."""
    host = lab.host(HOST)
    well(alone(lab, tmp_path_factory.mktemp("former")))
    one(host, "oneuser create alice secret-of-alice")
    do(host, "systemctl stop opennebula")
    copy_database(host, "opennebula", lab.host(STORE), "opennebula")
    sql(host, "DROP DATABASE opennebula; DROP USER oneadmin@localhost")
    point_to(host, SERVER=lab.host(STORE).address)
    do(host, "systemctl start opennebula")
    assert "alice" in one(host, "oneuser list")
    return host


@contextmanager
def as_it_was(host: LabHost) -> Iterator[None]:
    """Restore the former oned.conf afterwards, and run oned with it."""
    text = read_conf(host)
    try:
        yield
    finally:
        if read_conf(host) != text:
            write_conf(host, text)
            do(host, "systemctl enable opennebula; systemctl restart opennebula")


def point_to(host: LabHost, **values: str | int) -> None:
    """Write another DB section to oned.conf, with the account that it needs."""
    set_conf(host, "DB", USER="cloud", PASSWD=FOREIGN_PASSWORD, **values)


REMOTE: dict[str, tuple[dict[str, str | int], str]] = {
    "server": ({"TIMEOUT": 2600}, "the MariaDB database opennebula at 10.2.50.11"),
    "port": ({"PORT": 3307}, "the MariaDB database opennebula at 10.2.50.11 port 3307"),
    "name": ({"DB_NAME": "one1"}, "the MariaDB database one1 at 10.2.50.11"),
    "port here": (
        {"SERVER": "127.0.0.1", "PORT": 3307},
        "the MariaDB database opennebula at 127.0.0.1 port 3307",
    ),
    "socket": (
        {"SERVER": "localhost", "SOCKET": "/run/other.sock"},
        "the MariaDB database opennebula at localhost socket /run/other.sock",
    ),
    "postgresql": ({"BACKEND": "postgresql"}, "the postgresql database opennebula at 10.2.50.11"),
}


@pytest.mark.parametrize(
    "running", [True, pytest.param(False, marks=pytest.mark.campaign)], ids=["running", "stopped"]
)
@pytest.mark.parametrize("elsewhere", short_form(REMOTE, "server", "port here", "postgresql"))
def test_an_opennebula_with_a_remote_database_is_refused(
    lab: Lab,
    cloud: LabHost,
    tmp_path: Path,
    elsewhere: str,
    running: bool,
) -> None:
    section, words = REMOTE[elsewhere]
    with as_it_was(cloud):
        # The running oned has read it; the present file is for its next start.
        if not running:
            do(cloud, "systemctl disable --now opennebula")
        set_conf(cloud, "DB", **section)
        message = refused(lab, alone(lab, tmp_path))
    assert message.step == STEP
    assert f"DB in /etc/one/oned.conf points to {words}" in message.seen
    assert ("opennebula.service running and enabled" in message.seen) == running
    assert "keys in /var/lib/one/.one (one_key" in message.seen
    assert "db_name" not in message.remedy
    assert "Remove n1a1 from opennebula-ha:frontends" in message.remedy


@pytest.mark.campaign
def test_a_local_copy_of_a_remote_database_is_refused_too(
    lab: Lab, cloud: LabHost, tmp_path: Path
) -> None:
    copy_database(lab.host(STORE), "opennebula", cloud, "opennebula")
    message = refused(lab, alone(lab, tmp_path))
    assert message.expected == (
        "DB in /etc/one/oned.conf to point to this host's own MariaDB, opennebula"
    )
    assert message.seen == (
        "DB in /etc/one/oned.conf points to the MariaDB database opennebula at 10.2.50.11"
    )
    sql(cloud, "DROP DATABASE opennebula")


@pytest.mark.campaign
def test_a_local_database_of_another_name_keeps_its_name(
    lab: Lab, cloud: LabHost, tmp_path: Path
) -> None:
    with as_it_was(cloud):
        copy_database(lab.host(STORE), "opennebula", cloud, "one1")
        point_to(cloud, SERVER="127.0.0.1", PORT=3306, DB_NAME="one1")
        do(cloud, "systemctl restart opennebula")
        operator = alone(lab, tmp_path)
        message = refused(lab, operator)
        assert "Set opennebula-ha:db_name: one1" in message.remedy
        assert " from opennebula-ha:frontends; or move that database" not in message.remedy
        taken_over(operator, db_name="one1")
        assert "alice" in one(cloud, "oneuser list")
        sql(cloud, "DROP DATABASE one1; DROP USER oneadmin@localhost")


def test_a_database_moved_to_the_front_end_is_adopted(
    lab: Lab, cloud: LabHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    operator = alone(lab, tmp_path_factory.mktemp("moved"))
    refused(lab, operator)
    do(cloud, "systemctl stop opennebula")
    copy_database(lab.host(STORE), "opennebula", cloud, "opennebula")
    set_conf(cloud, "DB", SERVER="localhost")
    do(cloud, "systemctl start opennebula")
    key = do(cloud, "cat /var/lib/one/.one/one_key")
    taken_over(operator)
    assert "alice" in one(cloud, "oneuser list")
    assert do(cloud, "cat /var/lib/one/.one/one_key") == key
    kept = operator.outputs()["backups"][HOST]
    path = max(item["path"] for item in kept if item["path"].endswith(".settings.tar.zst"))
    assert do(cloud, f"stat -c '%a %U' {path} /var/backups/opennebula") == "600 root\n700 root\n"
    former = do(cloud, f"tar --zstd -xOf {path} etc/one/oned.conf var/lib/one/.one/one_key")
    assert FOREIGN_PASSWORD in former
    assert former.endswith(key)

    # It belongs to the stack now: if it is moved away by hand, up does not move it back.
    text = read_conf(cloud)
    point_to(cloud, SERVER=lab.host(STORE).address)
    before = everything(lab.hosts)
    run = operator.refresh()
    assert run.ok, run.output
    assert "points to the MariaDB database opennebula at 10.2.50.11: up fails until" in run.output
    assert "oned.conf: DB" not in run.output
    message = only(operator.up(), HOST)
    assert "points to the MariaDB database opennebula at 10.2.50.11" in message.seen
    assert everything(lab.hosts) == before
    write_conf(cloud, text)
    assert operator.refresh().ok
    well(operator)


FEDERATIONS: dict[str, tuple[dict[str, str | int], str]] = {
    "master": ({"MODE": "MASTER", "ZONE_ID": 0}, "FEDERATION/MODE MASTER in oned.conf"),
    "slave": (
        {"MODE": "SLAVE", "ZONE_ID": 100, "MASTER_ONED": "http://10.2.50.11:2633/RPC2"},
        "FEDERATION/MODE SLAVE with MASTER_ONED http://10.2.50.11:2633/RPC2 in oned.conf;"
        " FEDERATION/ZONE_ID 100 in oned.conf",
    ),
    "zone ID": ({"ZONE_ID": 100}, "FEDERATION/ZONE_ID 100 in oned.conf"),
}


@pytest.mark.parametrize("name", short_form(FEDERATIONS, "slave"))
def test_a_federation_is_refused_by_name(
    lab: Lab, cloud: LabHost, tmp_path: Path, name: str
) -> None:
    section, words = FEDERATIONS[name]
    set_conf(cloud, "FEDERATION", **section)
    operator = alone(lab, tmp_path)
    message = refused(lab, operator)
    assert message.expected == "an OpenNebula outside any federation, as zone 0"
    assert message.seen == words
    set_conf(cloud, "FEDERATION", MODE="STANDALONE", ZONE_ID=0, MASTER_ONED="")
    taken_over(operator)


def test_another_zone_in_the_pool_is_refused_by_name(
    lab: Lab, cloud: LabHost, tmp_path: Path
) -> None:
    zone = "INSERT INTO opennebula.zone_pool (oid, name, body) VALUES (100, 'east', '<ZONE/>')"
    sql(cloud, zone)
    operator = alone(lab, tmp_path)
    message = refused(lab, operator)
    assert message.seen == "zone 100 east in its database"
    sql(cloud, "DELETE FROM opennebula.zone_pool WHERE oid = 100")
    taken_over(operator)


def test_a_purge_keeps_data_that_are_not_the_front_ends(
    lab: Lab, cloud: LabHost, tmp_path: Path
) -> None:
    operator = alone(lab, tmp_path)
    taken_over(operator, purge=True)
    point_to(cloud, SERVER=lab.host(STORE).address)
    sql(cloud, SHOP + "GRANT SELECT ON shop.* TO 'oneadmin'@'localhost'")
    key = do(cloud, "cat /var/lib/one/.one/one_key")
    run = operator.destroy()
    assert run.ok, run.output
    assert "alice" in sql(cloud, "SELECT name FROM opennebula.user_pool")
    assert "shop" in sql(cloud, "SHOW GRANTS FOR 'oneadmin'@'localhost'")
    path = do(cloud, "ls -t /var/backups/opennebula/*-before-purge.settings.tar.zst | head -n 1")
    assert do(cloud, f"tar --zstd -xOf {path.strip()} var/lib/one/.one/one_key") == key
