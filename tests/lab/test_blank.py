"""Hosts that others built are refused and not changed, and the remedy in the message works."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hosts.script import Script, parse
from lab.machines import Lab, LabHost
from procedures.script_text import script_text
from tests.lab.conftest import MakeLab, short_form
from tests.lab.foreign import (
    HOST,
    SHOP,
    STEP,
    alone,
    do,
    everything,
    refused,
    renewed,
    sql,
    taken_over,
    well,
)
from tests.lab.messages import messages, only
from tests.lab.operators import ONE_PASS, Operator, kill_at
from tests.lab.zones import assert_whole, one

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(make_module_lab: MakeLab) -> Iterator[Lab]:
    yield make_module_lab(3, template="mariadb")


ORDERS = "SELECT what FROM shop.orders"
IN_OUR_NAME = SHOP.replace("shop", "opennebula")
TABLES = "CREATE TABLE {0}.zone_pool (oid INT); CREATE TABLE {0}.db_versioning (oid INT);"
OLD_CLOUD = (
    f"CREATE DATABASE old_cloud; {TABLES.format('old_cloud')}"
    " CREATE TABLE old_cloud.user_pool (oid INT)"
)
ACCOUNT = SHOP + (
    "CREATE USER 'oneadmin'@'10.2.50.%' IDENTIFIED BY 'shop-pass'; GRANT SELECT ON shop.* TO"
    " 'oneadmin'@'10.2.50.%'; CREATE USER 'oneadmin'@'localhost' IDENTIFIED BY 'shop-pass';"
    " GRANT INSERT ON shop.* TO 'oneadmin'@'localhost'"
)
RIGHTS = "SHOW GRANTS FOR 'oneadmin'@'localhost'; SHOW GRANTS FOR 'oneadmin'@'10.2.50.%'"
GALERA = "/etc/mysql/mariadb.conf.d/99-galera.cnf"
ANOTHER = "10.2.50.99"
GALERA_NODE = (
    f"printf '[mysqld]\nwsrep_on = ON\nwsrep_cluster_address = gcomm://\nbinlog_format = ROW\n"
    f"wsrep_provider = /usr/lib/galera/libgalera_smm.so\n' >{GALERA}; systemctl restart mariadb"
)
"""Without any other node."""
KEYS = "mkdir -p /var/lib/one/.one /var/lib/one/.ssh; cd /var/lib/one; "


@dataclass(frozen=True)
class Case:
    """A host, the words of its refusal, and the operator's remedy."""

    build: Callable[[LabHost], object]
    seen: str
    remedy: str
    solve: Callable[[LabHost], object] = lambda host: None
    keys: dict[str, Any] = field(default_factory=dict)
    keeps: Callable[[LabHost], object] = lambda host: None
    """A command whose output must be the same before and after."""


CASES = {
    "an application's database of that name": Case(
        lambda host: sql(host, IN_OUR_NAME),
        "a database opennebula that is not OpenNebula's, or only a part of it (orders)",
        "Set opennebula-ha:db_name to a name that is free",
        keys={"db_name": "one1"},
        keeps=lambda host: sql(host, ORDERS.replace("shop", "opennebula")),
    ),
    "a half-imported database": Case(
        lambda host: sql(host, f"CREATE DATABASE opennebula; {TABLES.format('opennebula')}"),
        "only a part of it (db_versioning, zone_pool)",
        "if nothing in it is needed, drop it",
        solve=lambda host: sql(host, "DROP DATABASE opennebula"),
    ),
    "an application's account": Case(
        lambda host: sql(host, ACCOUNT),
        "another use of MariaDB's account 'oneadmin'@'10.2.50.%', 'oneadmin'@'localhost'",
        "Set opennebula-ha:db_owner to a name that is free",
        keys={"db_owner": "cloud"},
        keeps=lambda host: sql(host, RIGHTS),
    ),
    "keys without their database": Case(
        lambda host: do(host, f"{KEYS}echo k >.one/one_key; echo s >.ssh/id_rsa"),
        "keys in /var/lib/one/.one (one_key); keys in /var/lib/one/.ssh (id_rsa)",
        "move /var/lib/one/.one to another place",
        solve=lambda host: do(host, "mv /var/lib/one/.one /var/lib/one/.ssh /root"),
        keeps=lambda host: do(host, "cat /root/.one/one_key || cat /var/lib/one/.one/one_key"),
    ),
    "another OpenNebula's tables": Case(
        lambda host: sql(host, OLD_CLOUD),
        "OpenNebula's tables in the database old_cloud",
        "dump it and drop it",
        solve=lambda host: sql(host, "DROP DATABASE old_cloud"),
    ),
    "a MariaDB that cannot be read": Case(
        lambda host: (sql(host, SHOP), do(host, "systemctl disable --now mariadb")),
        "no MariaDB answers for the data in shop",
        "systemctl start mariadb",
        solve=lambda host: do(host, "systemctl start mariadb"),
        keeps=lambda host: do(host, "ls /var/lib/mysql/shop"),
    ),
    "an oned outside its unit": Case(
        lambda host: do(host, "systemd-run -q --unit=mine bash -c 'exec -a oned sleep 9999'"),
        "an oned outside opennebula.service: process",
        "stop that process",
        solve=lambda host: do(host, "systemctl stop mine"),
    ),
    "a MariaDB that shares its data": Case(
        lambda host: (
            do(host, GALERA_NODE),
            sql(host, f"CHANGE MASTER 'far' TO master_host = '{ANOTHER}', master_user = 'r'"),
        ),
        f"MariaDB with Galera; MariaDB as a replica of {ANOTHER}",
        "turn Galera off there (wsrep_on = OFF in MariaDB's configuration, and a restart), with"
        " OpenNebula's database on one front-end alone. Remove n1a1 from opennebula-ha:frontends;"
        " or end that replication (STOP ALL SLAVES, then RESET SLAVE 'NAME' ALL for each",
        solve=lambda host: (
            sql(host, "STOP ALL SLAVES; RESET SLAVE 'far' ALL"),
            do(host, f"sed -i 's/^wsrep_on = ON/wsrep_on = OFF/' {GALERA}"),
            do(host, "systemctl restart mariadb"),
        ),
    ),
    "only an SQLite file": Case(
        lambda host: do(host, "mkdir -p /var/lib/one; echo data >/var/lib/one/one.db"),
        "SQLite (/var/lib/one/one.db) with 5 bytes",
        "move /var/lib/one/one.db and /var/lib/one/.one to another place",
        solve=lambda host: do(host, "mv /var/lib/one/one.db /root"),
        keeps=lambda host: do(host, "cat /var/lib/one/one.db || cat /root/one.db"),
    ),
}


SHORT = (
    "an application's database of that name",
    "keys without their database",
    "an oned outside its unit",
    "only an SQLite file",
)


@pytest.mark.parametrize("name", short_form(CASES, *SHORT))
def test_up_refuses_a_host_with_a_sign_and_the_remedy_works(
    lab: Lab, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    host = renewed(lab)
    case.build(host)
    before = case.keeps(host)
    operator = alone(lab, tmp_path)
    message = refused(lab, operator)
    assert message.step == STEP
    assert case.seen in message.seen
    assert case.remedy in message.remedy
    case.solve(host)
    well(operator, **case.keys)
    assert case.keeps(host) == before
    assert "oneadmin" in one(host, "oneuser list")


MIXED = (
    "an application's database of that name",
    "an application's account",
    "keys without their database",
    "another OpenNebula's tables",
    "an oned outside its unit",
)
"""Signs that one host can have together."""


@pytest.mark.parametrize("run", range(int(os.environ.get("LAB_RUNS", "1"))))
def test_up_refuses_a_random_mixture_of_signs(run: int, lab: Lab, tmp_path: Path) -> None:
    seed = int(os.environ.get("LAB_SEED") or random.randrange(1 << 32))
    print(f"mixture {run}: LAB_SEED={seed}")
    chance = random.Random(seed)
    cases = [CASES[name] for name in chance.sample(MIXED, chance.randint(2, len(MIXED)))]
    host = renewed(lab)
    for case in cases:
        case.build(host)
    before = [case.keeps(host) for case in cases]
    operator = alone(lab, tmp_path)
    message = refused(lab, operator)
    for case in cases:
        assert case.seen in message.seen
        assert case.remedy in message.remedy
        case.solve(host)
        operator.config |= case.keys
    well(operator)
    assert [case.keeps(host) for case in cases] == before
    assert "oneadmin" in one(host, "oneuser list")


def test_all_hosts_are_checked_before_any_is_changed(lab: Lab, tmp_path: Path) -> None:
    names = ["n1a1", "n1a2", "n1a3"]
    renewed(lab)
    operator = Operator(lab, tmp_path, front_ends=names)
    sql(lab.host("n1a2"), IN_OUR_NAME)
    do(lab.host("n1a3"), f"{KEYS}echo k >.one/one_key")
    before = everything(lab.hosts)
    found = messages(operator.up())
    assert {name: message.step for name, message in found.items()} == {"n1a2": STEP, "n1a3": STEP}
    assert everything(lab.hosts) == before
    sql(lab.host("n1a2"), "DROP DATABASE opennebula")
    do(lab.host("n1a3"), "mv /var/lib/one/.one /var/lib/one/.ssh /root")
    well(operator)
    assert_whole(lab, names)
    for name in names:
        assert lab.host(name).run("ls /var/lib/opennebula-ha").returncode != 0
    assert not lab.host("n1a1").run("ls /var/backups/opennebula/*.settings.*").stdout
    # The remaining servers of a zone would look for the first one.
    for name in names:
        lab.replace(name, trust=True)


def test_a_power_cut_during_bootstrap_does_not_block_the_next_up(lab: Lab, tmp_path: Path) -> None:
    host = renewed(lab)
    operator = alone(lab, tmp_path)
    assert kill_at(operator, f"{HOST}: bootstrap the database")
    host.kill()
    host.start()
    # It needs neither the state, nor oned's start at boot, nor its keys.
    operator.forget()
    well(operator)
    assert "oneadmin" in one(host, "oneuser list")


HALF = f"CREATE DATABASE opennebula; {TABLES.format('opennebula')}"


def test_tables_without_users_are_replaced_if_our_bootstrap_started(
    lab: Lab, tmp_path: Path
) -> None:
    host = renewed(lab)
    operator = alone(lab, tmp_path)
    assert kill_at(operator, f"{HOST}: install packages")
    # The bootstrap that was started there ends by itself.
    do(host, "flock /run/lock/opennebula-ha-host true")
    sql(host, HALF)
    do(host, f"{KEYS}echo k >.one/one_key; test -s /var/lib/opennebula-ha/claimed")
    # Before our own bootstrap the tables are not ours; after its start they may be.
    assert "only a part of it" in only(operator.up(), HOST).seen
    do(host, "echo started >/var/lib/opennebula-ha/claimed")
    well(operator)
    assert "before-bootstrap.sql.zst" in do(host, "ls /var/backups/opennebula")
    assert host.run("ls /var/lib/opennebula-ha").returncode != 0


@pytest.mark.parametrize("script", ["bootstrap", "restore"])
def test_no_script_drops_a_database_of_others(lab: Lab, script: str) -> None:
    host = renewed(lab)
    sql(host, IN_OUR_NAME)
    variables = {"db_name": "opennebula", "mariadb": "yes", "may_replace": "no", "alone": "no"}
    body = Script(script, script_text(script), variables, {"oned_conf": ""}).text()
    done = host.run(body)
    said = parse(done.stdout)
    assert done.returncode == 65
    assert said.values["expected"] == "no database opennebula, or an empty one"
    assert said.values["seen"] == "orders in it"
    assert "a chair" in sql(host, ORDERS.replace("shop", "opennebula"))


def test_a_copy_replaces_only_another_copy(lab: Lab) -> None:
    host = renewed(lab)
    born = "CREATE TABLE {0}.db_versioning (oid INT, version TEXT, timestamp INT, comment TEXT);"
    birth = "INSERT INTO {0}.db_versioning VALUES (0, '7.2.0', {1}, 'x');"
    for number, name in enumerate(("opennebula", "opennebula_ha_incoming")):
        sql(host, f"CREATE DATABASE {name}; {born.format(name)} {birth.format(name, number)}")
    variables = {"db_name": "opennebula", "may_replace": "yes", "alone": "no"}
    body = Script("restore", script_text("restore"), variables, {"oned_conf": ""}).text()
    done = host.run(body)
    assert parse(done.stdout).values["seen"] == "another OpenNebula's in opennebula"
    assert sql(host, "SELECT timestamp FROM opennebula.db_versioning") == "0\n"


@pytest.mark.parametrize("running", [True, pytest.param(False, marks=pytest.mark.campaign)])
def test_an_opennebula_on_sqlite_is_refused(lab: Lab, tmp_path: Path, running: bool) -> None:
    host = renewed(lab)
    former = alone(lab, tmp_path / "former")
    well(former, db_backend="SQLite")
    one(host, "oneuser create alice secret-of-alice")
    if not running:
        do(host, "systemctl disable --now opennebula")
    operator = alone(lab, tmp_path / "stack")
    message = refused(lab, operator)
    assert message.expected == "its data in MariaDB, as opennebula-ha:db_backend says"
    assert message.seen.startswith("SQLite (/var/lib/one/one.db) with ")
    assert "opennebula-ha:convert_database: true" in message.remedy
    if running:
        taken_over(operator, db_backend="SQLite")
        assert "alice" in one(host, "oneuser list")
    else:
        do(host, "mv /var/lib/one/one.db /var/lib/one/.one /root")
        well(operator)
        assert "alice" not in one(host, "oneuser list")
        assert (
            do(host, "test -s /root/one.db && cat /root/.one/one_auth") == f"oneadmin:{ONE_PASS}\n"
        )
