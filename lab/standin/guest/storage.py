"""oned's database: MariaDB, or SQLite for a `solo` server (and for tests of Raft).

Statements are complete texts, because the log replicates texts; `quote` makes literals.
"""

import contextlib
import importlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .conf import Template, number
from .paths import Paths

Row = tuple[Any, ...]


class StorageError(Exception):
    """The database does not answer: no connection, or a lost one."""


class StatementError(StorageError):
    """The database rejected the statement."""


class DuplicateError(StatementError):
    """The statement would create a second row with the same key."""


class SqliteStorage:
    """SQLite: one file, one connection, one statement at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A killed process loses nothing, and the lab does not test power failures of real disks.
        self._connection.execute("PRAGMA synchronous = OFF")

    def read(self, sql: str) -> list[Row]:
        """Return the rows that a query finds."""
        with self._lock, self._errors():
            return self._connection.execute(sql).fetchall()

    def write(self, sql: str) -> int:
        """Execute one statement durably; return the number of rows that it changed."""
        with self._lock, self._errors():
            return self._connection.execute(sql).rowcount

    def quote(self, text: str) -> str:
        """Text as a literal of SQL."""
        return "'" + text.replace("'", "''") + "'"

    def limited_delete(self, sql: str, rows: int) -> str:
        """Return a DELETE of all rows: SQLite has no limit here."""
        return sql

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise DuplicateError(str(error)) from error
        except sqlite3.OperationalError as error:
            raise StatementError(str(error)) from error


class MysqlStorage:
    """MariaDB, with a pool of connections that are opened on demand."""

    def __init__(
        self,
        *,
        server: str,
        port: int,
        user: str,
        password: str,
        database: str,
        connections: int = 25,
        errors_limit: int = -1,
    ) -> None:
        self._driver: Any = importlib.import_module("pymysql")
        self._options: dict[str, Any] = {
            "user": user,
            "password": password,
            "database": database,
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": 10,
        }
        if server in ("", "localhost"):
            self._options["unix_socket"] = "/run/mysqld/mysqld.sock"
        else:
            self._options |= {"host": server, "port": port or 3306}
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._slots = threading.BoundedSemaphore(connections)
        self._failures = 0
        self._errors_limit = errors_limit
        self.on_errors_limit: Callable[[], None] = lambda: None
        """Called after more consecutive errors than the limit; -1: no limit."""

    def read(self, sql: str) -> list[Row]:
        """The rows that a query finds."""
        return list(self._execute(sql, lambda cursor: cursor.fetchall()))

    def write(self, sql: str) -> int:
        """Execute one statement durably."""
        return int(self._execute(sql, lambda cursor: cursor.rowcount))

    def quote(self, text: str) -> str:
        """Text as a literal of SQL."""
        return "'" + str(self._driver.converters.escape_string(text)) + "'"

    def limited_delete(self, sql: str, rows: int) -> str:
        """Return a DELETE with a limit."""
        return f"{sql} LIMIT {rows}"

    def fill(self, table: str, columns: list[str], rows: list[Row]) -> None:
        """Insert all rows, or none."""
        if not rows:
            return
        names, places = ", ".join(f"`{name}`" for name in columns), ", ".join(["%s"] * len(columns))
        with self._slots, self._errors():
            connection = self._connection()
            try:
                connection.begin()
                with connection.cursor() as cursor:
                    for row in rows:
                        cursor.execute(f"INSERT INTO `{table}` ({names}) VALUES ({places})", row)
                connection.commit()
            finally:
                connection.close()

    def _execute(self, sql: str, result: Callable[[Any], Any]) -> Any:
        with self._slots, self._errors():
            connection = self._connection()
            try:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    answer = result(cursor)
            except (self._driver.InterfaceError, self._driver.OperationalError):
                connection.close()
                raise
            except Exception:
                self._idle.put(connection)
                raise
            self._idle.put(connection)
            self._failures = 0
            return answer

    def _connection(self) -> Any:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            return self._driver.connect(**self._options)
        connection.ping(reconnect=True)
        return connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._driver.IntegrityError as error:
            raise DuplicateError(str(error)) from error
        except self._driver.ProgrammingError as error:
            raise StatementError(str(error)) from error
        except self._driver.OperationalError as error:
            # The class covers two cases: no server, and a server that rejects the statement.
            if error.args and int(error.args[0]) in _CONNECTION_LOST:
                self._count_failure()
                raise StorageError(str(error)) from error
            raise StatementError(str(error)) from error
        except self._driver.InterfaceError as error:
            self._count_failure()
            raise StorageError(str(error)) from error
        except self._driver.MySQLError as error:
            raise StatementError(str(error)) from error

    def _count_failure(self) -> None:
        self._failures += 1
        if 0 <= self._errors_limit < self._failures:
            self.on_errors_limit()


_CONNECTION_LOST = {0, 1040, 1044, 1045, 1049, 1053, 1158, 1159, 1160, 1161, 2002, 2003, 2006, 2013}

Storage = SqliteStorage | MysqlStorage
"""What oned needs from a database."""


def open_storage(settings: Template, paths: Paths) -> Storage:
    """Return the database that DB in oned.conf names. Raises StorageError."""
    chosen = settings.vector("DB") or {"BACKEND": "sqlite"}
    backend = chosen.get("BACKEND", "")
    if backend == "sqlite":
        return SqliteStorage(paths.var / "one.db")
    if backend != "mysql":
        raise StorageError("DB BACKEND must be sqlite or mysql.")
    return MysqlStorage(
        server=chosen.get("SERVER", "localhost"),
        port=number(chosen, "PORT", 0),
        user=chosen.get("USER", "oneadmin"),
        password=chosen.get("PASSWD", "oneadmin"),
        database=chosen.get("DB_NAME", "opennebula"),
        connections=number(chosen, "CONNECTIONS", 25),
        errors_limit=number(chosen, "ERRORS_LIMIT", 25),
    )
