#!/usr/bin/python3 -I
"""Copy an OpenNebula's tables from SQLite to MariaDB, and compare every row of both.

convert_sqlite describe FILE
    Print the file's version, identity and number of users. oned may use it at the same time.
convert_sqlite check FILE
    Check that it is intact.
convert_sqlite copy FILE DATABASE
    Copy all rows into the tables that `oned -i` has created in that database, as root over the
    socket. OpenNebula's `onedb sqlite2mysql` does the same, but passes the database's password to
    other programs in their arguments.
convert_sqlite verify FILE DATABASE
    Compare the number of rows of each table, and the digest of each value, on both sides.

If something is wrong, it prints three lines: what was expected, what was seen, and what to do. Then
its exit status is 65. Runs with Python 3.6.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

WRONG = 65
BATCH = 1 << 20
"""Bytes of rows in one statement: much less than MariaDB accepts."""
UNSIGNED = 1 << 64
SESSION = (
    b"SET SESSION sql_log_bin = 0, foreign_key_checks = 0,"
    b" sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO';\n"
    b"SET NAMES binary;\n"
)
"""MariaDB rejects a value instead of changing it, and converts no character set."""
ESCAPES = (
    (b"\\", b"\\\\"),
    (b"'", b"\\'"),
    (b"\0", b"\\0"),
    (b"\n", b"\\n"),
    (b"\r", b"\\r"),
    (b"\x1a", b"\\Z"),
)


class Wrong(Exception):
    """A fault: what was expected, what was seen, and what to do."""


class Table(NamedTuple):
    """A table that exists on both sides, and the columns to copy."""

    name: str
    columns: "list[str]"

    @property
    def listed(self) -> str:
        """Return the columns, as MariaDB quotes them."""
        return ", ".join(f"`{column}`" for column in self.columns)


def main() -> int:
    """Do what the arguments say; return the exit status."""
    command, file, *rest = sys.argv[1:]
    try:
        source = open_file(file)
        if command == "describe":
            describe(source)
        elif command == "check":
            check(source)
        elif command == "copy":
            copy(source, rest[0])
        else:
            verify(source, rest[0])
    except Wrong as wrong:
        for line in wrong.args:
            print(" ".join(line.split()))
        return WRONG
    except sqlite3.Error as error:
        print("a SQLite database that can be read", f"{file}: {error}", sep="\n")
        print("check whether the file is intact: restore it from a backup, or repair it")
        return WRONG
    return 0


def open_file(path: str) -> sqlite3.Connection:
    """Open the file, which must exist. Text is read as bytes."""
    source = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=20)
    source.text_factory = bytes
    return source


def check(source: sqlite3.Connection) -> None:
    """Check that the file is intact. No other program may write to it at the same time."""
    said = [bytes(row[0]).decode() for row in source.execute("PRAGMA quick_check(3)")]
    if said != ["ok"]:
        raise Wrong(
            "an intact SQLite database",
            "PRAGMA quick_check: {}".format("; ".join(said)),
            "restore one.db from a backup, or repair it (sqlite3 one.db .recover)",
        )


def describe(source: sqlite3.Connection) -> None:
    """Print the file's version, identity and number of users."""
    versions = set()
    for table in ("db_versioning", "local_db_versioning"):
        query = f"SELECT version FROM {table} ORDER BY oid DESC LIMIT 1"
        versions |= {bytes(row[0]).decode() for row in source.execute(query)}
    print("schema", "/".join(sorted(versions)))
    first = source.execute(
        "SELECT version, timestamp, comment FROM db_versioning ORDER BY oid LIMIT 1"
    ).fetchone()
    text = b"\t".join(data(cell) or b"" for cell in first) + b"\n"
    print("identity", hashlib.sha256(text).hexdigest())
    print("users", source.execute("SELECT COUNT(*) FROM user_pool").fetchone()[0])


def copy(source: sqlite3.Connection, database: str) -> None:
    """Copy every row, table by table, each table in one transaction."""
    for table in tables(source, database):
        send(database, table.name, statements(source, table))


def statements(source: sqlite3.Connection, table: Table) -> "Iterator[bytes]":
    """Yield the statements that make a table's content equal to the file's."""
    yield b"START TRANSACTION;\n"
    # `oned -i` has written some rows.
    yield f"DELETE FROM `{table.name}`;\n".encode()
    head = f"INSERT INTO `{table.name}` ({table.listed}) VALUES\n".encode()
    waiting, size = [], 0
    for row in rows(source, table):
        waiting.append(b"(" + b",".join(literal(cell) for cell in row) + b")")
        size += len(waiting[-1])
        if size > BATCH:
            yield head + b",\n".join(waiting) + b";\n"
            waiting, size = [], 0
    if waiting:
        yield head + b",\n".join(waiting) + b";\n"
    yield b"COMMIT;\n"


def verify(source: sqlite3.Connection, database: str) -> None:
    """Compare the rows on both sides, in any order."""
    number = 0
    for table in tables(source, database):
        here, here_sum = total(b" ".join(map(digest, row)) for row in rows(source, table))
        columns = ", ".join(
            f"IFNULL(SHA2(CAST(`{column}` AS BINARY), 256), '-')" for column in table.columns
        )
        query = f"SELECT CONCAT_WS(' ', {columns}) FROM `{table.name}`"
        there, there_sum = total(ask(database, query))
        number += here
        if here != there:
            raise Wrong(
                f"{here} rows in {table.name} as in SQLite",
                str(there),
                "run again; nothing has changed, and OpenNebula continues on SQLite",
            )
        if here_sum != there_sum:
            raise Wrong(
                f"the same values in {table.name} as in SQLite",
                f"{there} rows, of which some differ",
                "run again; nothing has changed, and OpenNebula continues on SQLite",
            )
    print("rows", number)


def total(digests: "Iterator[bytes]") -> "tuple[int, int]":
    """Return the number of rows, and a sum of their digests that does not depend on their order."""
    number = whole = 0
    for row in digests:
        number += 1
        whole += int.from_bytes(hashlib.sha256(row).digest(), "big")
    return number, whole


def tables(source: sqlite3.Connection, database: str) -> "list[Table]":
    """Return the tables with rows that exist on both sides.

    Raises Wrong if MariaDB lacks a table or a column that has values.
    """
    query = (
        "SELECT CONCAT(table_name, ' ', column_name) FROM information_schema.columns"
        f" WHERE table_schema = '{database}'"
    )
    there = {}  # type: dict[str, set[str]]
    for line in ask(database, query):
        name, column = line.decode().split(" ", 1)
        there.setdefault(name, set()).add(column)
    found = []
    names = source.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%'"
        " ESCAPE '~' ORDER BY name"
    )
    for name in [row[0].decode() for row in names]:
        columns = [row[1].decode() for row in source.execute(f"PRAGMA table_info({name})")]
        known = there.get(name, set())
        strange = [
            column
            for column in columns
            if column not in known
            and source.execute(
                f'SELECT EXISTS (SELECT 1 FROM "{name}" WHERE "{column}" IS NOT NULL)'
            ).fetchone()[0]
        ]
        if strange:
            raise Wrong(
                "only what this version of OpenNebula keeps",
                "values in {} ({}) of SQLite that it cannot store".format(name, ", ".join(strange)),
                "if nothing in it is needed, drop that table or column from one.db (keep a copy of"
                " the file, with opennebula stopped); then run again",
            )
        if known:
            found.append(Table(name, [column for column in columns if column in known]))
    if not found:
        raise Wrong("tables of OpenNebula in one.db", "none", "see which file oned works with")
    return found


def rows(source: sqlite3.Connection, table: Table) -> "Iterator[tuple[object, ...]]":
    """Yield all rows of a table."""
    listed = ", ".join(f'"{column}"' for column in table.columns)
    return iter(source.execute(f'SELECT {listed} FROM "{table.name}"'))


def data(cell: object) -> "bytes | None":
    """Return a value as the bytes that MariaDB returns for it."""
    if cell is None or isinstance(cell, bytes):
        return cell
    if isinstance(cell, float):
        # SQLite has no unsigned 64-bit integers. For the largest one, which marks a record that
        # does not belong to a federation, it stores the nearest number that it can represent.
        return str(min(int(cell), UNSIGNED - 1) if cell.is_integer() else cell).encode()
    return str(cell).encode()


def literal(cell: object) -> bytes:
    """Return a value as it stands in a statement."""
    text = data(cell)
    if text is None:
        return b"NULL"
    if not isinstance(cell, bytes):
        return text
    for raw, escaped in ESCAPES:
        text = text.replace(raw, escaped)
    return b"'" + text + b"'"


def digest(cell: object) -> bytes:
    """Return the digest by which values are compared."""
    text = data(cell)
    return b"-" if text is None else hashlib.sha256(text).hexdigest().encode()


def client(database: str) -> "list[str]":
    """Return the command of MariaDB's client, as root over the socket."""
    program = shutil.which("mariadb") or shutil.which("mysql") or "mariadb"
    # Whatever server root's .my.cnf names, and whether it ignores errors.
    here = ("--host=localhost", "--protocol=socket", "--skip-force")
    return [program, *here, "--batch", "--skip-column-names", "--raw", "--quick", database]


def errors_in(said: bytes) -> str:
    """Return the client's message without the statement, which newer clients repeat: it contains
    secrets."""
    lines = said.decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if line.startswith(("ERROR ", "mariadb: ", "mysql: ")))


def send(database: str, table: str, parts: "Iterator[bytes]") -> None:
    """Let MariaDB execute these statements."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            client(database), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert process.stdin is not None  # noqa: S101
        try:
            process.stdin.write(SESSION)
            for part in parts:
                process.stdin.write(part)
            process.stdin.close()
        except BrokenPipeError:
            pass
        if process.wait():
            said.seek(0)
            raise Wrong(
                f"MariaDB to take the rows of {table}",
                errors_in(said.read()) or "no answer",
                "change what it refuses in OpenNebula, such as two names that differ in upper and"
                " lower case alone, or one that is too long; then run again",
            )


def ask(database: str, query: str) -> "Iterator[bytes]":
    """Yield the lines of an answer."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*client(database), "-e", query],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            yield line.rstrip(b"\n")
        if process.wait():
            said.seek(0)
            raise Wrong(
                "an answer from MariaDB",
                errors_in(said.read()) or "none",
                "look at the journal of MariaDB there, then run again",
            )


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
