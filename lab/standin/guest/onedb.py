"""`onedb`: version, backup, restore, upgrade and sqlite2mysql."""

import argparse
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from . import cli, conf, schema
from .paths import Paths, find_paths
from .storage import MysqlStorage, Row, SqliteStorage, StatementError, Storage, StorageError
from .version import DB_VERSION, VERSION

_NOT_BOOTSTRAPPED, _OLDER, _NEWER = 1, 2, 3


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="onedb", add_help=False)
    parser.add_argument("--help", action="help")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--help", action="help")
    shared.add_argument("-v", "--verbose", action="store_true")
    shared.add_argument("-f", "--force", action="store_true")
    shared.add_argument("-s", "--sqlite", default="")
    shared.add_argument("-t", "--type", default="")
    shared.add_argument("-S", "-h", "--server", default="")
    shared.add_argument("-P", "--port", type=int)
    shared.add_argument("-u", "--username", default="")
    shared.add_argument("-p", "--password", default="")
    shared.add_argument("-d", "--dbname", default="")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", parents=[shared], add_help=False)
    backup = commands.add_parser("backup", parents=[shared], add_help=False)
    backup.add_argument("file", nargs="?", default="")
    commands.add_parser("restore", parents=[shared], add_help=False).add_argument("file")
    upgrade = commands.add_parser("upgrade", parents=[shared], add_help=False)
    upgrade.add_argument("-b", "--backup", default="")
    upgrade.add_argument("--no-backup", action="store_true")
    move = commands.add_parser("sqlite2mysql", parents=[shared], add_help=False)
    move.add_argument("-b", "--backup", default="")
    options = parser.parse_args(arguments)
    return cli.run(lambda: _dispatch(options))


def _dispatch(options: argparse.Namespace) -> int:
    paths = find_paths()
    if options.command == "sqlite2mysql":
        return _sqlite2mysql(options, paths)
    backend = _backend(options, paths)
    match options.command:
        case "version":
            return _version(backend)
        case "backup":
            target = Path(options.file) if options.file else backend.default_file(paths)
            if target.exists() and not options.force:
                raise cli.CommandError(
                    f"File {target} exists, backup aborted. Use -f to overwrite."
                )
            backend.backup(target)
        case "restore":
            source = Path(options.file)
            if not source.exists():
                raise cli.CommandError(f"File {source} doesn't exist, backup restoration aborted.")
            _refuse_running(paths)
            if not options.force and _has_content(backend.open()):
                raise cli.CommandError(f"{backend.title} exists, use -f to overwrite.")
            backend.restore(source)
        case "upgrade":
            return _upgrade(backend, paths, options)
    return 0


class _Mysql:
    """MariaDB through its client programs, as in the real onedb."""

    def __init__(self, settings: conf.Vector, options: argparse.Namespace) -> None:
        self._server = options.server or settings.get("SERVER", "localhost")
        self._port = options.port if options.port is not None else int(settings.get("PORT", "0"))
        self._user = options.username or settings.get("USER", "oneadmin")
        self._password = (
            options.password
            or os.environ.get("ONE_DB_PASSWORD", "")
            or settings.get("PASSWD", "oneadmin")
        )
        self._database = options.dbname or settings.get("DB_NAME", "opennebula")
        self.title = f"MySQL database {self._database} at {self._server}"

    def open(self) -> MysqlStorage:
        return MysqlStorage(
            server=self._server,
            port=self._port,
            user=self._user,
            password=self._password,
            database=self._database,
        )

    def default_file(self, paths: Paths) -> Path:
        stamp = time.strftime("%Y-%-m-%-d_%-H:%-M:%-S")
        return paths.var / f"mysql_{self._server}_{self._database}_{stamp}.sql"

    def backup(self, target: Path) -> None:
        # Without --single-transaction: the tables are locked during the dump. The dump names its
        # database, so a restore ignores another name.
        self._run(
            "mysqldump",
            f"--add-drop-database --databases --add-drop-table {shlex.quote(self._database)}"
            f" > {shlex.quote(str(target))}",
        )
        print(f"MySQL dump stored in {target}")
        print("Use 'onedb restore' or restore the DB using the mysql command:")
        print("mysql -u user -h server -P port db_name < backup_file\n")

    def restore(self, source: Path) -> None:
        self._run("mysql", f"{shlex.quote(self._database)} < {shlex.quote(str(source))}")
        print(f"MySQL DB {self._database} at {self._server} restored.")

    def _run(self, program: str, rest: str) -> None:
        login = (
            f"-u {shlex.quote(self._user)} -p{shlex.quote(self._password)}"
            f" -h {shlex.quote(self._server)} -P {self._port}"
        )
        if subprocess.run(["sh", "-c", f"{program} {login} {rest}"], check=False).returncode:
            raise cli.CommandError(f"Unknown error running '{program}'")


class _Sqlite:
    """SQLite: one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.title = f"File {file}"

    def open(self) -> Storage:
        return SqliteStorage(self._file)

    def default_file(self, paths: Paths) -> Path:
        stamp = time.strftime("%Y-%-m-%-d_%-H:%-M:%-S")
        return paths.var / f"one.db_{stamp}.bck"

    def backup(self, target: Path) -> None:
        with sqlite3.connect(self._file) as source, sqlite3.connect(target) as copy:
            source.backup(copy)
        print(f"Sqlite database backup stored in {target}")

    def restore(self, source: Path) -> None:
        shutil.copyfile(source, self._file)
        print(f"Sqlite database backup restored in {self._file}")


def _backend(options: argparse.Namespace, paths: Paths) -> _Mysql | _Sqlite:
    try:
        settings = conf.parse(paths.oned_conf.read_text()).vector("DB") or {}
    except (OSError, conf.SyntaxFault) as error:
        raise cli.CommandError(f"Unable to parse oned.conf: {error}") from error
    kind = options.type or ("sqlite" if options.sqlite else settings.get("BACKEND", "sqlite"))
    if kind == "sqlite":
        return _Sqlite(Path(options.sqlite) if options.sqlite else paths.var / "one.db")
    if kind == "mysql":
        return _Mysql(settings, options)
    raise cli.CommandError("DB BACKEND must be sqlite or mysql.")


def _sqlite2mysql(options: argparse.Namespace, paths: Paths) -> int:
    """Copy all rows of SQLite into the tables that `oned -i` has created in MySQL.

    As in the original, oned.conf is ignored, and a failure leaves earlier tables full, and its own
    empty.
    """
    for given, name in ((options.username, "USER"), (options.dbname, "DBNAME")):
        if not given:
            raise cli.CommandError(f"MySQL option {name} is needed")
    source_file = Path(options.sqlite) if options.sqlite else paths.var / "one.db"
    if not source_file.exists():
        raise cli.CommandError(f"File {source_file} doesn't exist")
    sqlite, mysql = _Sqlite(source_file), _Mysql({}, options)
    _refuse_running(paths)
    source, target = sqlite.open(), mysql.open()
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
    dump = Path(options.backup) if options.backup else mysql.default_file(paths)
    if dump.exists() and not options.force:
        raise cli.CommandError(f"File {dump} exists, backup aborted. Use -f to overwrite.")
    mysql.backup(dump)
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
    return 0


def _fitting(table: str, columns: list[str], row: Row) -> Row:
    """Return a value that fits: SQLite has the largest 64-bit integer as the next real number."""
    if table != "logdb":
        return row
    place = columns.index("fed_index")
    return (*row[:place], min(int(row[place]), 2**64 - 1), *row[place + 1 :])


def _refuse_running(paths: Paths) -> None:
    if paths.lock.exists():
        raise cli.CommandError(f"First stop OpenNebula. Lock file found: {paths.lock}")
    try:
        cli.ask("one.system.version")
    except (cli.CommandError, ValueError):
        return
    raise cli.CommandError(f"OpenNebula found listening on '{cli.endpoint()}'")


def _has_content(storage: Storage) -> bool:
    try:
        return bool(storage.read("SELECT oid FROM user_pool WHERE oid=0"))
    except StatementError:
        return False


def _read_versions(storage: Storage) -> dict[str, str]:
    """Return the versions of the shared and the local tables."""
    found = {}
    for kind, table in (("shared", "db_versioning"), ("local", "local_db_versioning")):
        rows = storage.read(f"SELECT version FROM {table} WHERE oid=(SELECT MAX(oid) FROM {table})")
        found[kind] = str(rows[0][0]) if rows else "2.0"
    return found


def _version(backend: _Mysql | _Sqlite) -> int:
    try:
        found = _read_versions(backend.open())
    except StatementError as error:
        raise cli.CommandError(
            "Database is not correctly bootstraped.", _NOT_BOOTSTRAPPED
        ) from error
    except StorageError as error:
        raise cli.CommandError(str(error)) from error
    print(f"Shared: {found['shared']}\nLocal:  {found['local']}")
    print(f"Required shared version: {DB_VERSION}")
    print(f"Required local version:  {DB_VERSION}")
    required = schema.numbers(DB_VERSION)
    present = [schema.numbers(version) for version in found.values()]
    if max(present) > required:
        print("\nWARNING: Source version is lower than DB version")
        return _NEWER
    if min(present) < required:
        print(
            "\nUpdate required. Expected DB version is:\n"
            f"Local:  {DB_VERSION}\nShared: {DB_VERSION}"
        )
        return _OLDER
    return 0


def _upgrade(backend: _Mysql | _Sqlite, paths: Paths, options: argparse.Namespace) -> int:
    """Upgrade from the database's version; a downgrade is not possible."""
    _refuse_running(paths)
    storage = backend.open()
    before = _read_versions(storage)
    if set(before.values()) == {DB_VERSION}:
        print("Database schema is up to date.")
        return 0
    target = Path(options.backup) if options.backup else backend.default_file(paths)
    if not options.no_backup:
        backend.backup(target)
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
        if not options.no_backup:
            print("The database will be restored")
            backend.restore(target)
        return cli.FAILED
    return 0


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
