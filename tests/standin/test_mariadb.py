"""oned and onedb on MariaDB, with the system's own Python as on a lab host."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from procedures.script_text import script_text, shared_shell
from tests.standin.servers import Server, ended, free_port, leader_of, wait_for

PYTHON = "/usr/bin/python3"


@pytest.fixture
def mariadb(tmp_path: Path) -> Iterator[int]:
    with running(tmp_path) as port:
        yield port


@contextmanager
def running(folder: Path) -> Iterator[int]:
    """Run a MariaDB with an account and an empty database for a zone; return its port."""
    missing = [name for name in ("mariadbd", "mariadb-install-db", "mysqldump") if not _has(name)]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"not installed: {', '.join(missing)}")
    data, sock, port = folder / "mariadb", folder / "socket", free_port()
    temporary = folder / "temporary"
    temporary.mkdir()
    # In a folder that two share, the one that starts deletes the temporary tables of the other.
    environment = {**os.environ, "TMPDIR": str(temporary)}
    installed = subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--user=root",
        ],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    server = subprocess.Popen(
        [
            "mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={sock}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            "--user=root",
            "--innodb-flush-log-at-trx-commit=0",
        ],
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        setup = (
            "CREATE DATABASE opennebula;"
            "CREATE USER oneadmin@'127.0.0.1' IDENTIFIED BY 'db tests only';"
            "CREATE USER oneadmin@localhost IDENTIFIED BY 'db tests only';"
            "GRANT ALL ON opennebula.* TO oneadmin@'127.0.0.1';"
            "GRANT ALL ON opennebula.* TO oneadmin@localhost"
        )
        command = ["mysql", "--no-defaults", f"--socket={sock}", "--user=root", "-e", setup]
        wait_for(
            "MariaDB",
            lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
        )
        yield port
    finally:
        server.terminate()
        server.wait(30)


def test_a_zone_on_mariadb(tmp_path: Path, mariadb: int) -> None:
    database = (
        f'BACKEND = "mysql", SERVER = "127.0.0.1", PORT = {mariadb}, USER = "oneadmin",'
        ' PASSWD = "db tests only", DB_NAME = "opennebula"'
    )
    with ended([Server("a", tmp_path / "a", free_port(), database, PYTHON)]) as servers:
        server = servers[0]
        server.prepare()
        server.start()
        server.ask("one.user.allocate", 'it\'s \\ a "name"', "secret", "", [1])
        server.add(server)
        server.stop()
        server.prepare(0)
        server.start()
        assert leader_of([server]) is server
        server.ask("one.user.allocate", "later's \\", "secret", "", [1])
        assert {'it\'s \\ a "name"', "later's \\"} <= server.users()
        server.stop()
        current = server.run("onedb", "upgrade", "--no-backup")
        assert (current.returncode, current.stdout) == (0, "Database schema is up to date.\n")


@pytest.mark.parametrize("named", ["host=db.invalid", "protocol=tcp\nport=1"])
def test_sql_ignores_the_server_that_roots_my_cnf_names(
    tmp_path: Path, mariadb: int, named: str
) -> None:
    assert shell(tmp_path, "mariadb", "sql -e 'SELECT @@port'", named=named) == f"{mariadb}\n"


def test_an_error_does_not_repeat_the_statement(tmp_path: Path, mariadb: int) -> None:
    wrong = "sql <<<\"SELECT 'canary' FROM nowhere.x\" 2>&1 || true"
    said = shell(tmp_path, "mariadb", wrong)
    assert said == "ERROR 1146 (42S02) at line 1: Table 'nowhere.x' doesn't exist\n"


def test_other_servers_that_share_the_data_are_seen(tmp_path: Path, mariadb: int) -> None:
    look = 'sql --force -e "$replication" | replication_in'
    assert shell(tmp_path, "mariadb", look) == ""
    change = (
        "sql -e \"CHANGE MASTER TO master_host = 'db1.example.org', master_user = 'r';"
        " CHANGE MASTER 'far' TO master_host = 'db2.example.org', master_user = 'r'\"; "
    )
    said = shell(tmp_path, "mariadb", change + look)
    assert said == "source db1.example.org\nsource db2.example.org\n"
    assert shell(tmp_path, "mariadb", "printf 'wsrep_on\\tON\\n' | replication_in") == "galera\n"
    # As the refusal says.
    end = "sql -e \"STOP ALL SLAVES; RESET SLAVE '' ALL; RESET SLAVE 'far' ALL\"; "
    assert shell(tmp_path, "mariadb", end + look) == ""


@pytest.mark.parametrize("owner", ["oneadmin", "nobody"])
def test_a_replica_is_observed_with_and_without_the_stacks_account(
    tmp_path: Path, mariadb: int, owner: str
) -> None:
    observe = script_text("observe")
    begin, end = observe.index("has_mariadb() {"), observe.index('    if [ "$(grep -cxE')
    look = f"{observe[begin:end]}fi"
    given = f'tell() {{ echo "$1 $2"; }}; db_owner={owner}; \n'
    change = "sql -e \"CHANGE MASTER TO master_host = 'db1', master_user = 'r'\"; "
    said = shell(tmp_path, "mariadb", given + change + look).splitlines()
    assert "replication source db1" in said
    assert ("accounts @127.0.0.1" in said) == (owner == "oneadmin")


def shell(folder: Path, part: str, text: str, *, named: str = "") -> str:
    """Run this with a part of the shared shell, as root of a host with that MariaDB."""
    (folder / ".my.cnf").write_text(f"[client]\nuser=root\nsocket={folder}/socket\n{named}\n")
    shared = 'db_name=opennebula; put() { echo "$2" >"$1"; }'
    done = subprocess.run(
        ["bash", "-euc", f"{shared}; {shared_shell({'x': f'#: use {part}'})}\n{text}"],
        env={"HOME": str(folder), "PATH": os.environ["PATH"], "MYSQL_HOST": "db.invalid"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def _has(program: str) -> bool:
    return shutil.which(program) is not None
