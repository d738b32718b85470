"""From SQLite to MariaDB: OpenNebula's own tool, and the program's, on the same data.

With the system's own Python, as on a host.
"""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from procedures.bootstrap.convert_database import _PROGRAM
from tests.standin.servers import Server, ended, free_port
from tests.standin.test_mariadb import PYTHON, running

PASSWORD = "db tests only"
BODY = "Grüße, 世界, 🐧 \\\\ 'quoted' \"twice\"\r\n\t\x1a\0end " + "long " * 300_000


@dataclass(frozen=True)
class Both:
    """A stopped oned on SQLite, and a MariaDB database with oned's tables."""

    server: Server
    port: int
    folder: Path

    def sql(self, statement: str, database: str = "opennebula") -> str:
        """Return MariaDB's output."""
        done = subprocess.run(
            [
                *(
                    "mysql",
                    "--no-defaults",
                    "--batch",
                    "--skip-column-names",
                    "--raw",
                    "-u",
                    "root",
                ),
                *(f"--socket={self.folder / 'socket'}", "-e", statement, database),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def program(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program's own conversion, with a client that finds this MariaDB."""
        client = self.folder / "bin" / "mariadb"
        client.parent.mkdir(exist_ok=True)
        client.write_text(
            f'#!/bin/sh\nexec mysql --no-defaults -u root --socket={self.folder}/socket "$@"\n'
        )
        client.chmod(0o755)
        return subprocess.run(
            [PYTHON, "-I", str(_PROGRAM), command, str(self.server.sqlite), *arguments],
            env={**os.environ, "PATH": f"{client.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def upstream(self) -> subprocess.CompletedProcess[str]:
        """Run OpenNebula's own tool."""
        login = ("-S", "127.0.0.1", "-P", str(self.port), "-u", "oneadmin", "-p", PASSWORD)
        return self.server.run("onedb", "sqlite2mysql", *login, "-d", "opennebula")

    def write(self, statement: str, *values: object) -> None:
        """Change the SQLite file without oned."""
        with sqlite3.connect(self.server.sqlite) as file:
            file.execute(statement, values)

    def copied(self) -> list[str]:
        """Return every table's checksum."""
        names = self.sql("SHOW TABLES").split()
        return self.sql(f"CHECKSUM TABLE {', '.join(names)}").splitlines()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Both, bytes]]:
    folder = tmp_path_factory.mktemp("both")
    one = Server("a", folder / "a", free_port(), 'BACKEND = "sqlite"', PYTHON)
    with running(folder) as port, ended([one]):
        one.prepare()
        one.start()
        one.ask("one.user.allocate", "älice", "secret", "", [1])
        one.ask("one.template.allocate", 'NAME = "small"')
        one.stop()
        made = Both(one, port, folder)
        made.write("UPDATE template_pool SET body = ?, owner_u = NULL", BODY)
        made.write("UPDATE acl SET resource = ? WHERE oid = 0", 2**63 - 1)
        made.write("INSERT INTO logdb VALUES (1, 0, 'x', 0, 18446744073709551615, '1')")
        yield made, one.sqlite.read_bytes()


@pytest.fixture
def both(prepared: tuple[Both, bytes]) -> Both:
    made, file = prepared
    made.server.sqlite.write_bytes(file)
    empty(made)
    return made


def empty(both: Both, charset: str = "utf8mb4") -> None:
    """Make tables as ``oned -i`` does, in a separate folder."""
    target = Server(
        "a",
        both.folder / "empty",
        free_port(),
        f'BACKEND = "mysql", SERVER = "127.0.0.1", PORT = {both.port}, USER = "oneadmin",'
        f' PASSWD = "{PASSWORD}", DB_NAME = "opennebula"',
        PYTHON,
    )
    target.prepare()
    both.sql(
        f"DROP DATABASE opennebula; CREATE DATABASE opennebula CHARACTER SET {charset}", "mysql"
    )
    done = target.run("oned", "-i")
    assert done.returncode == 0, done.stderr


def test_both_tools_make_the_same_database(both: Both) -> None:
    done = both.upstream()
    assert done.returncode == 0, done.stderr
    assert "Migration successful." in done.stdout
    theirs = both.copied()
    empty(both)
    assert both.copied() != theirs

    done = both.program("copy", "opennebula")
    assert done.returncode == 0, done.stdout + done.stderr
    assert both.copied() == theirs
    done = both.program("verify", "opennebula")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert both.sql("SELECT fed_index, applied FROM logdb WHERE log_index = 1") == (
        "18446744073709551615\t1\n"
    )
    assert both.sql("SELECT resource FROM acl WHERE oid = 0") == f"{2**63 - 1}\n"
    assert both.sql("SELECT owner_u IS NULL FROM template_pool") == "1\n"
    assert int(both.sql("SELECT LENGTH(body) FROM template_pool")) == len(BODY.encode())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE user_pool SET gid = 7 WHERE oid = 2", "the same values in user_pool"),
        ("UPDATE user_pool SET name = 'Älice' WHERE oid = 2", "the same values in user_pool"),
        ("UPDATE template_pool SET owner_u = 0", "the same values in template_pool"),
        ("UPDATE template_pool SET body = CONCAT(body, ' ')", "the same values in template_pool"),
        ("UPDATE logdb SET fed_index = fed_index - 1", "the same values in logdb"),
        ("DELETE FROM acl WHERE oid = 1", "3 rows in acl as in SQLite"),
        ("INSERT INTO system_attributes VALUES ('x', 'y')", "rows in system_attributes"),
    ],
)
def test_the_comparison_finds_every_difference(both: Both, change: str, expected: str) -> None:
    assert both.program("copy", "opennebula").returncode == 0
    both.sql(change)
    done = both.program("verify", "opennebula")
    assert done.returncode == 65
    assert expected in done.stdout
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("change", "values", "expected"),
    [
        ("UPDATE user_pool SET name = ? WHERE oid = 2", ("n" * 129,), "Data too long"),
        ("UPDATE user_pool SET name = 'ONEADMIN' WHERE oid = 2", (), "Duplicate entry"),
        ("UPDATE user_pool SET gid = 'many' WHERE oid = 2", (), "Incorrect integer value"),
        ("UPDATE user_pool SET gid = ? WHERE oid = 2", (2**40,), "Out of range value"),
        ("UPDATE user_pool SET body = CAST(x'ff' AS TEXT)", (), "Incorrect string value"),
        ("CREATE TABLE old_pool AS SELECT * FROM user_pool", (), "values in old_pool"),
        (
            "ALTER TABLE user_pool ADD COLUMN more TEXT DEFAULT 'x'",
            (),
            "values in user_pool (more)",
        ),
    ],
)
def test_values_that_mariadb_cannot_store_are_refused_and_never_cut(
    both: Both, change: str, values: tuple[object, ...], expected: str
) -> None:
    both.write(change, *values)
    done = both.program("copy", "opennebula")
    assert done.returncode == 65
    assert expected in done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_a_refused_row_is_reported_without_its_content(both: Both) -> None:
    both.write("UPDATE user_pool SET name = 'ONEADMIN' WHERE oid = 2")
    done = both.program("copy", "opennebula")
    assert done.returncode == 65
    assert "Duplicate entry 'ONEADMIN' for key 'name'" in done.stdout
    assert "PASSWORD" not in done.stdout


def test_an_empty_table_from_before_does_not_prevent_the_move(both: Both) -> None:
    both.write("CREATE TABLE old_pool (oid INTEGER)")
    assert both.program("copy", "opennebula").returncode == 0
    assert both.program("verify", "opennebula").returncode == 0


def test_a_database_in_latin1_keeps_the_bytes_that_oned_writes(both: Both) -> None:
    empty(both, "latin1")
    assert both.program("copy", "opennebula").returncode == 0
    done = both.program("verify", "opennebula")
    assert done.returncode == 0, done.stdout
    assert both.sql("SELECT HEX(name) FROM user_pool WHERE oid = 2").strip() == (
        "älice".encode().hex().upper()
    )


def test_a_damaged_or_missing_file_is_refused(both: Both) -> None:
    described = both.program("describe")
    assert described.returncode == 0
    assert "schema 7.2.0\n" in described.stdout
    assert "users 3\n" in described.stdout
    assert both.program("check").returncode == 0
    data = bytearray(both.server.sqlite.read_bytes())
    data[8192:9000] = b"x" * 808
    both.server.sqlite.write_bytes(bytes(data))
    done = both.program("check")
    assert done.returncode == 65
    assert len(done.stdout.splitlines()) == 3
    both.server.sqlite.unlink()
    assert both.program("describe").returncode == 65
    assert not both.server.sqlite.exists()


def test_upstreams_tool_refuses_dangerous_calls(both: Both) -> None:
    assert "USER is needed" in both.server.run("onedb", "sqlite2mysql").stderr
    both.write("DELETE FROM logdb WHERE log_index = 1")
    both.server.start()
    assert "First stop OpenNebula" in both.upstream().stderr
    both.server.stop()
    both.write("UPDATE local_db_versioning SET version = '7.0.0'")
    refused = both.upstream()
    assert "The MySQL and SQLite versions do not match." in refused.stderr
    assert "SQLite local version: 7.0.0" in refused.stderr
    both.write("UPDATE local_db_versioning SET version = '7.2.0'")
    both.write("UPDATE user_pool SET name = 'ONEADMIN' WHERE oid = 2")
    assert both.upstream().returncode == 255
    # Half of it exists.
    assert both.sql("SELECT COUNT(*) FROM template_pool") == "1\n"
    assert both.sql("SELECT COUNT(*) FROM user_pool") == "0\n"
    both.sql("DROP TABLE user_pool, db_versioning")
    assert "not correctly bootstraped" in both.upstream().stderr
