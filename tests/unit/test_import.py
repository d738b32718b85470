"""A received dump is SQL of another host: it fills one database, and does nothing else."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.script_text import shared_shell
from tests.standin.test_mariadb import running

CLIENT = """#!/bin/bash
defaults=--no-defaults
case $1 in --defaults-*file=*) defaults=--defaults-file=${1#*=}; shift ;; esac
printf '%s\\n' "$*" >>"FOLDER/asked"
# As a my.cnf with "force".
exec /usr/bin/mariadb "$defaults" --force --socket=FOLDER/socket --user=root "$@"
"""
DUMP = """CREATE TABLE `user_pool` (`oid` int, `name` varchar(128));
LOCK TABLES `user_pool` WRITE;
/*!40000 ALTER TABLE `user_pool` DISABLE KEYS */;
INSERT INTO `user_pool` VALUES (0, 'one\\\\! admin\\r');
/*!40000 ALTER TABLE `user_pool` ENABLE KEYS */;
UNLOCK TABLES;
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a MariaDB with a database of its own; return the folder with a client for it."""
    folder = tmp_path_factory.mktemp("host")
    with running(folder):
        (folder / "bin").mkdir()
        client = folder / "bin" / "mariadb"
        client.write_text(CLIENT.replace("FOLDER", str(folder)))
        client.chmod(0o755)
        shell(folder, "sql -e 'CREATE TABLE opennebula.mine (a int)'")
        yield folder


def shell(host: Path, text: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run this with the functions of a transfer, as the host's root."""
    functions = shared_shell({"x": "#: use copies mariadb marks"})
    prelude = "set -euo pipefail; refuse() { printf '%s\\n' \"$@\" >&2; exit 65; }; step() { :; }\n"
    body = f"{functions}\nzstd() {{ cat; }}\nclaim_data() {{ :; }}\nunclaim() {{ :; }}\n"
    return subprocess.run(
        ["bash", "-c", f"{prelude}db_name=opennebula may_replace=yes\n{body}{text}"],
        input=given,
        env={"PATH": f"{host / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(host)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def received(host: Path, dump: str) -> subprocess.CompletedProcess[str]:
    """Import a dump as the forced command of a transfer does."""
    program = 'import_program >"$HOME/import"; sed -i "1a zstd() { cat; }" "$HOME/import"'
    return shell(host, f'make_scratch; make_importer; {program}; bash "$HOME/import"', dump)


@pytest.mark.parametrize(
    "first",
    [
        "",
        "/*!999999\\- enable the sandbox mode */ \n",
        "/*M!999999\\- enable the sandbox mode */ \n",
    ],
)
def test_a_dump_of_any_release_is_imported(host: Path, first: str) -> None:
    done = received(host, first + "-- MariaDB dump 10.19\n" + DUMP)
    assert (done.returncode, done.stderr) == (0, "")
    seen = shell(host, "sql $scratch -e 'SELECT HEX(name) FROM user_pool'").stdout
    assert bytes.fromhex(seen) == b"one\\! admin\r"


@pytest.mark.parametrize(
    "hostile",
    [
        "\\! touch HOST/done\n",
        "system touch HOST/done\n",
        "SELECT 1;\\! touch HOST/done\n",
        "source HOST/socket\n",
        "tee HOST/done\n",
        "SELECT 1 INTO OUTFILE 'HOST/done';",
        "LOAD DATA LOCAL INFILE 'HOST/bin/mariadb' INTO TABLE user_pool;",
        "LOAD DATA INFILE 'HOST/bin/mariadb' INTO TABLE user_pool;",
        "DROP DATABASE opennebula;",
        "DROP TABLE opennebula.mine;",
        "INSERT INTO opennebula.mine VALUES (1);",
        "CREATE USER me@localhost;",
        "SELECT * FROM mysql.global_priv;",
        "SET GLOBAL general_log_file = 'HOST/done';",
        "INSTALL SONAME 'x';",
        "CREATE TRIGGER t BEFORE INSERT ON user_pool FOR EACH ROW INSERT INTO opennebula.mine"
        " VALUES (1); INSERT INTO user_pool VALUES (1, 'x');",
        "CREATE DEFINER=root@localhost TRIGGER t BEFORE INSERT ON user_pool FOR EACH ROW"
        " INSERT INTO opennebula.mine VALUES (1);",
        "CREATE DEFINER=root@localhost VIEW v AS SELECT * FROM mysql.global_priv;",
        "CREATE PROCEDURE p() SELECT 1;",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1;",
    ],
)
def test_a_hostile_dump_reaches_nothing_else(host: Path, hostile: str) -> None:
    done = received(host, DUMP + hostile.replace("HOST", str(host)))
    assert done.returncode != 0
    assert not (host / "done").exists()
    assert shell(host, "sql -e 'SELECT COUNT(*) FROM opennebula.mine'").stdout == "0\n"
    users = shell(host, "sql -e 'SELECT user FROM mysql.user'").stdout.split()
    assert "me" not in users


def test_a_row_that_is_refused_is_in_no_message(host: Path) -> None:
    row = "INSERT INTO nowhere VALUES ('canary');\n"
    done = received(host, DUMP + row)
    assert done.returncode != 0
    assert "nowhere' doesn't exist" in done.stderr
    assert "canary" not in done.stderr


def test_nothing_that_a_dump_selects_is_returned(host: Path) -> None:
    assert received(host, f"{DUMP}SELECT 'canary';\n").stdout == ""


@pytest.mark.parametrize(
    "name",
    ["x``;DROP TABLE opennebula.mine;#", "x``;\\! touch $HOME/done #", "x`` TO opennebula.a, y"],
)
def test_the_name_of_a_received_table_is_only_a_name(host: Path, name: str) -> None:
    sent = received(host, f"CREATE TABLE `{name}` (a int);\n{DUMP}")
    assert sent.returncode == 0, sent.stderr
    done = shell(host, "put_in_place")
    assert done.returncode == 0, done.stderr
    tables = shell(host, "sql -e 'SHOW TABLES FROM opennebula'").stdout.splitlines()
    assert sorted(tables) == sorted([name.replace("``", "`"), "user_pool"])
    assert not (host / "done").exists()
    left = (
        "DROP DATABASE opennebula; CREATE DATABASE opennebula; CREATE TABLE opennebula.mine (a int)"
    )
    shell(host, f"sql -e '{left}'")


def test_views_and_triggers_of_root_do_not_stop_a_transfer(host: Path) -> None:
    made = """sql <<'END'
        USE opennebula; CREATE TABLE a (id INT); INSERT INTO a VALUES (1);
        CREATE VIEW report AS SELECT id FROM a;
        CREATE TRIGGER audit BEFORE INSERT ON a FOR EACH ROW SET @x = 1;
END
        mariadb-dump --no-defaults --socket="$HOME/socket" --user=root opennebula >"$HOME/dump"
        grep -q 'DEFINER=`root`' "$HOME/dump"
        import_dump "$HOME/dump"
        put_in_place
        sql -e "SELECT id FROM opennebula.a; SHOW FULL TABLES FROM opennebula; SHOW DATABASES"
        sql -e "DROP TABLE opennebula.a"
    """
    done = shell(host, made)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["1", "a\tBASE TABLE"]
    assert "opennebula_ha_incoming" not in done.stdout


def test_the_account_of_an_import_is_gone_after_it(host: Path) -> None:
    (host / "dump").write_text(DUMP)
    assert shell(host, f"import_dump {host}/dump").returncode == 0
    assert received(host, DUMP).returncode == 0
    before = shell(host, "sql -e 'SELECT user FROM mysql.user'").stdout.split()
    assert "opennebula_ha_incoming" in before
    assert shell(host, "drop_importer").returncode == 0
    assert (
        "opennebula_ha_incoming" not in shell(host, "sql -e 'SELECT user FROM mysql.user'").stdout
    )


def test_no_password_is_an_argument(host: Path) -> None:
    (host / "asked").write_text("")
    received(host, DUMP)
    assert "aA1_" not in (host / "asked").read_text()
