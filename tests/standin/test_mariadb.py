"""oned and onedb on MariaDB, with the system's own Python as on a lab host."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--user=root",
        ],
        check=True,
        capture_output=True,
    )
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
        assert server.run("onedb", "version").returncode == 1
        server.start()
        server.ask("one.user.allocate", 'it\'s \\ a "name"', "secret", "", [1])
        server.add(server)
        server.stop()
        dump = tmp_path / "dump.sql"
        assert server.run("onedb", "backup", str(dump)).returncode == 0
        assert "CREATE DATABASE" in dump.read_text()
        server.prepare(0)
        server.start()
        assert leader_of([server]) is server
        server.ask("one.user.allocate", "later's \\", "secret", "", [1])
        assert {'it\'s \\ a "name"', "later's \\"} <= server.users()
        server.stop()
        refused = server.run("onedb", "restore", str(dump))
        assert "exists, use -f to overwrite." in refused.stderr
        restored = server.run("onedb", "restore", "-f", str(dump))
        assert (restored.returncode, restored.stderr) == (0, "")
        server.start()
        assert "later's \\" not in server.users()
        assert server.run("onedb", "version").returncode == 0


def _has(program: str) -> bool:
    return shutil.which(program) is not None
