"""`onedb`: upgrade and sqlite2mysql."""

import argparse
import sys
import time
from pathlib import Path

from . import cli, conf, schema
from .paths import Paths, find_paths
from .storage import (
    MysqlStorage,
    Row,
    SqliteStorage,
    StatementError,
    Storage,
    StorageError,
    open_storage,
)
from .version import DB_VERSION, VERSION


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="onedb")
    commands = parser.add_subparsers(dest="command", required=True)
    upgrade = commands.add_parser("upgrade")
    upgrade.add_argument("-v", "--verbose", action="store_true")
    # Without it, the original makes a dump, and restores it after a failure.
    upgrade.add_argument("--no-backup", action="store_true", required=True)
    move = commands.add_parser("sqlite2mysql")
    move.add_argument("-s", "--sqlite", type=Path, default=find_paths().var / "one.db")
    move.add_argument("-S", "--server", default="localhost")
    move.add_argument("-P", "--port", type=int, default=0)
    move.add_argument("-u", "--username", default="")
    move.add_argument("-p", "--password", default="")
    move.add_argument("-d", "--dbname", default="")
    move.add_argument("-b", "--backup", help="the dump that the original makes first")
    options = parser.parse_args(arguments)
    if options.command == "upgrade":
        return cli.run(lambda: _upgrade(find_paths()))
    return cli.run(lambda: _sqlite2mysql(options, find_paths()))


def _sqlite2mysql(options: argparse.Namespace, paths: Paths) -> None:
    """Copy all rows of SQLite into the tables that `oned -i` has created in MySQL.

    As in the original, oned.conf is ignored, and a failure leaves earlier tables full, and its own
    empty.
    """
    for given, name in ((options.username, "USER"), (options.dbname, "DBNAME")):
        if not given:
            raise cli.CommandError(f"MySQL option {name} is needed")
    if not options.sqlite.exists():
        raise cli.CommandError(f"File {options.sqlite} doesn't exist")
    _refuse_running(paths)
    source = SqliteStorage(options.sqlite)
    target = MysqlStorage(
        server=options.server,
        port=options.port,
        user=options.username,
        password=options.password,
        database=options.dbname,
    )
    try:
        here, there = _read_versions(source), _read_versions(target)
    except StatementError as error:
        raise cli.CommandError("Database is not correctly bootstraped.") from error
    if here != there:
        raise cli.CommandError(
            f"SQLite version: {here['shared']}\nSQLite local version: {here['local']}\n"
            f"MySQL version: {there['shared']}\nMySQL local version: {there['local']}\n"
            "The MySQL and SQLite versions do not match. Please run 'onedb -i' in order to"
            " bootstrap a blank OpenNebula DB."
        )
    print("Starting migration from SQLite to MySQL\n")
    for (table,) in source.read(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    ):
        columns = [str(row[1]) for row in source.read(f"PRAGMA table_info({table})")]
        rows = source.read(f"SELECT {', '.join(columns)} FROM {table}")
        target.write(f"DELETE FROM {table}")
        print(f"> {table} ({len(rows)} records)")
        try:
            target.fill(table, columns, [_fitting(table, columns, row) for row in rows])
        except StorageError as error:
            raise cli.CommandError(str(error)) from error
    print("\nMigration successful.")


def _fitting(table: str, columns: list[str], row: Row) -> Row:
    """Return a value that fits: SQLite has the largest 64-bit integer as the next real number."""
    if table != "logdb":
        return row
    place = columns.index("fed_index")
    return (*row[:place], min(int(row[place]), 2**64 - 1), *row[place + 1 :])


def _upgrade(paths: Paths) -> int:
    """Upgrade from the database's version; a downgrade is not possible."""
    _refuse_running(paths)
    try:
        storage = open_storage(conf.parse(paths.oned_conf.read_text()), paths)
    except (OSError, conf.SyntaxFault, StorageError) as error:
        raise cli.CommandError(f"Unable to open the database in oned.conf: {error}") from error
    before = _read_versions(storage)
    if set(before.values()) == {DB_VERSION}:
        print("Database schema is up to date.")
        return 0
    for kind, version in before.items():
        print(f"\n>>> Running migrators for {kind} tables")
        if schema.numbers(version) >= schema.numbers(DB_VERSION):
            print(f"Database already uses version {version}")
            continue
        if kind == "local":
            for statement in schema.migrations(version, DB_VERSION):
                storage.write(statement)
        _note_version(storage, kind, version)
    if max(schema.numbers(version) for version in before.values()) > schema.numbers(DB_VERSION):
        print("ERROR: Database upgrade to the latest versions wasn't successful", file=sys.stderr)
        return cli.FAILED
    return 0


def _refuse_running(paths: Paths) -> None:
    if paths.lock.exists():
        raise cli.CommandError(f"First stop OpenNebula. Lock file found: {paths.lock}")
    try:
        cli.ask("one.system.version")
    except (cli.CommandError, ValueError):
        return
    raise cli.CommandError(f"OpenNebula found listening on '{cli.endpoint()}'")


def _read_versions(storage: Storage) -> dict[str, str]:
    """Return the versions of the shared and the local tables."""
    found = {}
    for kind, table in (("shared", "db_versioning"), ("local", "local_db_versioning")):
        rows = storage.read(f"SELECT version FROM {table} WHERE oid=(SELECT MAX(oid) FROM {table})")
        found[kind] = str(rows[0][0]) if rows else "2.0"
    return found


def _note_version(storage: Storage, kind: str, before: str) -> None:
    table, last, slave = "db_versioning", "", ""
    if kind == "local":
        table, last, slave = "local_db_versioning", ", is_slave", ", '0'"
    ((number,),) = storage.read(f"SELECT MAX(oid) FROM {table}")
    comment = f"Database migrated from {before} to {DB_VERSION} ({VERSION}) by onedb command."
    storage.write(
        f"INSERT INTO {table} (oid, version, timestamp, comment{last})"
        f" VALUES ({number + 1}, '{DB_VERSION}', {int(time.time())}, '{comment}'{slave})"
    )
    print(comment)
