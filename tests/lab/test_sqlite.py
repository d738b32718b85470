"""A front-end on SQLite, as the packages install it, moves to MariaDB with all its data."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab, short_form
from tests.lab.foreign import FOREIGN_PASSWORD, do, sql
from tests.lab.messages import Message, messages, only
from tests.lab.operators import (
    ONE_PASS,
    SERIES,
    VIP_KEYS,
    Operator,
    config,
    kill_at,
    kill_session,
)
from tests.lab.zones import POOLS, assert_whole, call, content, one, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
SQLITE = "/var/lib/one/one.db"
ASIDE = f"{SQLITE}.before-mariadb"
MARK = "/var/lib/opennebula-ha/converting"
BODY = "Grüße, 世界, ☃ \\\\ 'quoted' " + "long " * 60_000
CLIENT = "/usr/local/sbin/mariadb"
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3, template="mariadb")
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=["n1a1"])
    install_by_hand(lab.host("n1a1"))
    for key in VIP_KEYS:
        operator.config.pop(key)
    operator.config |= {"convert_database": True, "admin_pubkey": "none"}
    yield lab, operator


def install_by_hand(host: LabHost) -> None:
    """Install OpenNebula from its packages, with content, without this program."""
    mirror = "http://10.2.50.1:8080/opennebula"
    done = host.run(
        f"""set -e
        echo '{host.address} {host.name}' >>/etc/hosts
        /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file \
            {mirror}/repo2.key /etc/apt/one.asc
        echo 'deb [signed-by=/etc/apt/one.asc] {mirror}/{SERIES}/Debian/12 stable opennebula' \
            >/etc/apt/sources.list.d/one.list
        apt-get -qq update
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y install opennebula
        echo 'oneadmin:{ONE_PASS}' >/var/lib/one/.one/one_auth
        systemctl enable --now opennebula"""
    )
    assert done.returncode == 0, done.stdout + done.stderr
    one(host, "onegroup create research")
    one(host, "oneuser create älice secret-of-alice --group 100")
    one(host, "oneacl create 200000002 1200000000 1")
    call(host, "one.template.allocate", f'NAME = "large"\nDESCRIPTION = "{BODY}"')


def backend(host: LabHost) -> str:
    return host.run(
        "sed -n '/^DB *=/,/]/s/.*BACKEND *= *\"\\([a-z]*\\)\".*/\\1/p' /etc/one/oned.conf"
    ).stdout.strip()


def state(host: LabHost) -> str:
    """Collect what a conversion touches, without what oned itself writes at its start."""
    return host.run(
        f"sha256sum /etc/one/oned.conf; stat -c '%a %U %n' {SQLITE} /etc/one/oned.conf;"
        " systemctl is-enabled opennebula; systemctl is-active opennebula;"
        " mysql -N -e 'SHOW DATABASES; SELECT user, host FROM mysql.user ORDER BY user';"
        f" ls {ASIDE} {MARK} /run/opennebula-ha-conversion 2>&1"
    ).stdout


def test_oned_stays_on_sqlite_if_the_rows_differ(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    before, held = state(first), content(first)
    # A MariaDB that changes a value during the transfer.
    first.run(
        f"""cat >{CLIENT} <<'END'
#!/bin/bash
case "$*" in *SHA2*opennebula_ha_incoming*|*opennebula_ha_incoming*SHA2*)
    /usr/bin/mariadb opennebula_ha_incoming -e "UPDATE user_pool SET gid = 7 WHERE oid = 2" ;;
esac
exec /usr/bin/mariadb "$@"
END
chmod 755 {CLIENT}"""
    )
    message = only(operator.up(), "n1a1")
    first.run(f"rm {CLIENT}")
    assert message.step == "compare all rows of SQLite and MariaDB"
    assert message.expected == "the same values in user_pool as in SQLite"
    assert "continues on SQLite" in message.remedy
    assert state(first) == before
    assert content(first) == held


def refused(operator: Operator, host: str) -> Message:
    """Return the message with which ``up`` refuses that host, before any change."""
    before = state(operator.lab.host(host))
    message = messages(operator.up())[host]
    assert state(operator.lab.host(host)) == before
    return message


def test_a_server_of_a_zone_is_refused(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    first.run("sed -i 's/SERVER_ID *= *-1/SERVER_ID = 0/' /etc/one/oned.conf")
    message = refused(operator, "n1a1")
    first.run("sed -i 's/SERVER_ID *= *0/SERVER_ID = -1/' /etc/one/oned.conf")
    assert message.step == "convert the database"
    assert message.seen == "SERVER_ID 0 in oned.conf, and SQLite"
    assert "set SERVER_ID = -1" in message.remedy


def test_a_database_of_an_earlier_version_is_refused(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    current = f"{SERIES}.0"
    version = """runuser -u oneadmin -- python3 -c 'import sqlite3
for table in "db_versioning", "local_db_versioning":
    with sqlite3.connect("/var/lib/one/one.db") as one:
        one.execute("UPDATE " + table + " SET version = ?", ["{}"])'"""
    assert first.run(version.format("7.0.0")).returncode == 0
    message = refused(operator, "n1a1")
    assert first.run(version.format(current)).returncode == 0
    assert message.step == "check the SQLite database"
    assert message.expected == f"a database of version {current}, as the packages there need it"
    assert message.seen == f"version 7.0.0 in {SQLITE}"
    assert "onedb upgrade" in message.remedy


def test_an_existing_database_of_the_stacks_name_is_kept(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    first.run("mysql -e 'CREATE DATABASE opennebula; CREATE TABLE opennebula.orders (id INT)'")
    message = refused(operator, "n1a1")
    first.run("mysql -e 'DROP DATABASE opennebula'")
    assert message.step == "check the SQLite database"
    assert message.expected == "no tables in the database opennebula"
    assert "db_name" in message.remedy


def test_two_databases_with_data_are_refused(site: Site) -> None:
    lab, operator = site
    second = lab.host("n1a2")
    second.run(f"mkdir /var/lib/one && echo data >{SQLITE}")
    vip = {"one_vip": "10.2.50.86", "one_vip_cidr": 24, "one_vip_if": "eth0"}
    with config(operator, frontends=operator.list_of(NAMES), **vip):
        message = refused(operator, "n1a1")
    second.run("rm -r /var/lib/one")
    assert message.expected == "data of OpenNebula on no other front-end"
    assert message.seen == "data on n1a2, too"


def test_values_that_mariadb_cannot_store_are_reported(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    one(first, "oneuser create bob secret-of-bob")
    one(first, "oneuser create BOB secret-of-BOB")
    before, held = state(first), content(first)
    message = only(operator.up(), "n1a1")
    assert message.step == "copy all rows to MariaDB"
    assert message.expected == "MariaDB to take the rows of user_pool"
    assert "Duplicate entry 'BOB' for key 'name'" in message.seen
    assert state(first) == before
    assert content(first) == held
    one(first, "oneuser delete BOB")


MOMENTS = (
    "stop oned",
    "create the tables in MariaDB",
    "put the database in place",
    "start oned on",
)


@pytest.mark.parametrize("moment", short_form(MOMENTS, *MOMENTS[1:3]))
def test_killed_at_any_moment_the_host_keeps_one_whole_database(site: Site, moment: str) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    held = content(first)
    kill_at(operator, f"n1a1: {moment}")
    wait_for(
        lambda: first.run("flock -n /run/lock/opennebula-ha-host true").returncode == 0 or None,
        "the end of what the operator began",
        seconds=240,
    )
    wait_for(
        lambda: first.run("systemctl is-active opennebula").stdout == "active\n" or None,
        "oned",
        seconds=240,
    )
    assert content(first) == held
    if backend(first) == "mysql":
        go_back(first)


def go_back(host: LabHost) -> None:
    """Follow docs/operations.md."""
    done = host.run(
        f"""set -e
        systemctl stop opennebula
        mysqldump --single-transaction --hex-blob opennebula | zstd -q >/root/opennebula.sql.zst
        mysql -e 'DROP DATABASE opennebula'
        mv {ASIDE} {SQLITE}
        sed -i '/^DB *=/,/]/d' /etc/one/oned.conf
        echo 'DB = [ BACKEND = "sqlite", TIMEOUT = 2500 ]' >>/etc/one/oned.conf
        rm -f /etc/one/oned.conf.next {MARK}
        systemctl start opennebula"""
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def stopping_at(host: LabHost, words: str) -> Iterator[None]:
    """Let MariaDB's client there wait for ever if its arguments have those words."""
    done = host.run(
        f"""set -e
        mkfifo /root/never
        cat >{CLIENT} <<'END'
#!/bin/bash
if grep -q '{words}' <<<"$*"; then touch /run/stopped; read -r _ </root/never; fi
exec /usr/bin/mariadb "$@"
END
        chmod 755 {CLIENT}"""
    )
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        host.run(f"rm -f {CLIENT} /root/never /run/stopped")


def crash_at(operator: Operator, host: LabHost, words: str) -> None:
    """Crash the host and the operator's machine at that step of an ``up``; then boot the host."""
    with stopping_at(host, words):
        process = operator.start_up()
        wait_for(lambda: host.run("test -e /run/stopped").returncode == 0 or None, f"{words} there")
        kill_session(process)
        process.wait()
        host.kill()
        host.start()
    wait_for(
        lambda: host.run("systemctl is-active opennebula").stdout == "active\n" or None, "oned"
    )


def test_a_crash_before_the_switch_leaves_sqlite(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    held = content(first)
    crash_at(operator, first, "opennebula_ha_incoming.*SHA2")
    assert backend(first) == "sqlite"
    assert content(first) == held
    assert first.run(f"test -e {MARK}").returncode == 0


def test_up_completes_the_move_after_a_crash_after_the_switch(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    held = content(first)
    crash_at(operator, first, "FROM .opennebula.[.]user_pool")
    assert backend(first) == "mysql"
    assert content(first) == held
    assert first.run(f"test -e {MARK} && test -s {ASIDE}").returncode == 0
    # What is left needs no further consent.
    operator.config["convert_database"] = False
    run = operator.up()
    assert run.ok, run.output
    operator.config["convert_database"] = True
    assert first.run(f"test ! -e {MARK}").returncode == 0
    assert content(first) == held
    go_back(first)
    operator.forget()


def test_one_front_end_moves_to_mariadb_with_all_its_data(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    held = content(first)
    assert "älice" in "".join(held.values())
    assert "☃" in "".join(held.values())

    run = operator.up()
    assert run.ok, run.output
    assert backend(first) == "mysql"
    after = content(first)
    for pool, before in held.items():
        # Show no difference in a body of many thousand characters.
        assert len(after[pool]) == len(before)
        assert (after[pool] == before) is True
    assert first.run(f"test ! -e {SQLITE} && test -s {ASIDE} && test ! -e {MARK}").returncode == 0
    kept = [dump["path"] for dump in operator.outputs()["backups"]["n1a1"]]
    (copy,) = [path for path in kept if path.endswith("-before-mariadb.one.db.zst")][-1:]
    assert first.run(f"zstd -dc {copy} | cmp - {ASIDE}").returncode == 0
    assert first.run(f"stat -c '%a %U' {copy}").stdout == "600 root\n"
    assert operator.up("--expect-no-changes").ok
    operator.config["convert_database"] = False
    assert operator.up("--expect-no-changes").ok


def test_upstreams_own_tool_makes_the_same_database(site: Site) -> None:
    lab, _ = site
    first = lab.host("n1a1")
    folder, beside = "/srv/upstream", "theirs"
    do(
        first,
        f"""systemctl stop opennebula
        mysql -e "CREATE DATABASE {beside}; GRANT ALL ON {beside}.* TO
            '{beside}'@'localhost' IDENTIFIED BY '{FOREIGN_PASSWORD}'"
        install -d -o oneadmin {folder} {folder}/etc {folder}/var {folder}/var/lock
        sed '/^DB *=/,/]/d' /etc/one/oned.conf >{folder}/etc/oned.conf
        cat >>{folder}/etc/oned.conf <<'END'
DB = [ BACKEND = "mysql", SERVER = "localhost", PORT = 0, USER = "{beside}",
    PASSWD = "{FOREIGN_PASSWORD}", DB_NAME = "{beside}", CONNECTIONS = 25,
    COMPARE_BINARY = "no", TIMEOUT = 300 ]
END
        cd {folder}
        runuser -u oneadmin -- env ONE_LOCATION={folder} oned -i
        runuser -u oneadmin -- onedb sqlite2mysql -s {ASIDE} -S localhost -u {beside} \
            -p {FOREIGN_PASSWORD} -d {beside} -b {folder}/backup""",
    )
    theirs, ours = tables(first, beside), tables(first, "opennebula")
    do(
        first,
        f"""mysql -e "DROP DATABASE {beside}; DROP USER '{beside}'@'localhost'"
        rm -r {folder}; systemctl start opennebula""",
    )
    assert ours.keys() == theirs.keys()
    # oned writes these by itself: measurements of datastores, and its Raft state.
    written = {"datastore_pool", "logdb", "system_attributes"}
    assert {name for name in ours if ours[name] != theirs[name]} <= written


def tables(host: LabHost, database: str) -> dict[str, str]:
    """Return the definition and all rows of each table of a database there."""
    names = sql(host, f"SHOW TABLES FROM {database}").split()
    dump = "mysqldump --skip-comments --hex-blob --skip-extended-insert --order-by-primary"
    return {name: do(host, f"{dump} {database} {name}") for name in names}


@pytest.mark.campaign
def test_move_back_to_sqlite_and_to_mariadb_again(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    one(first, "oneuser create later secret-of-later")
    go_back(first)
    assert "later" not in one(first, "oneuser list")
    assert "älice" in one(first, "oneuser list")
    one(first, "oneuser create before secret-of-before")

    operator.change(["n1a1"], db_backend="SQLite")
    assert backend(first) == "sqlite"
    assert "before" in one(first, "oneuser list")

    operator.change(["n1a1"], db_backend="MariaDB", convert_database=True)
    assert backend(first) == "mysql"
    assert "before" in one(first, "oneuser list")


@pytest.mark.campaign
def test_the_moved_front_end_grows_to_three(site: Site) -> None:
    lab, operator = site
    first = lab.host("n1a1")
    held = content(first)
    vip = {"one_vip": "10.2.50.86", "one_vip_cidr": 24, "one_vip_if": "eth0"}
    operator.change(NAMES, **vip)
    assert_whole(lab, NAMES)
    for pool in POOLS:
        assert content(lab.host("n1a3"))[pool] == held[pool] or pool == "one.userpool.info"
    assert "älice" in one(lab.host("n1a3"), "oneuser list")
