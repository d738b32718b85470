"""What a host shows of any OpenNebula, or of anybody's data that a set-up here would overwrite."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LocalDatabase:
    """A database in the host's own MariaDB."""

    tables: int
    is_opennebula: bool
    """It has the tables that no OpenNebula is without."""


@dataclass(frozen=True)
class Traces:
    """As observe.sh reports them."""

    claimed: str = ""
    """This program saw the host blank, and has not got as far as a database on it: what it has
    of OpenNebula since then is ours."""
    processes: tuple[str, ...] = ()
    """Each oned that runs, also outside its unit: its ID and its arguments."""
    sqlite_bytes: int = 0
    """Size of one.db."""
    sqlite_schema: str = ""
    databases: Mapping[str, LocalDatabase] = field(default_factory=dict)
    """By name, those in MariaDB that have tables; not MariaDB's own, nor a transfer's."""
    objects: tuple[str, ...] = ()
    """Tables, routines and events in the database of the stack's name."""
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The grants of each account of db_owner's name, by its host part."""
    unseen: tuple[str, ...] = ()
    """Databases of a MariaDB that does not run: what is in them cannot be seen."""
    galera: bool = False
    """The host's MariaDB writes to others, and they to it, by Galera."""
    sources: tuple[str, ...] = ()
    """Hosts of which the host's MariaDB is a replica."""
    zones: tuple[str, ...] = ()
    """The zones that the database knows: ID and name."""


def parse(values: Mapping[str, str]) -> Traces:
    """From what observe.sh printed."""
    size, _, schema = values.get("sqlite", "").partition(" ")
    links = values.get("links", "").splitlines()
    return Traces(
        claimed=values.get("claimed", ""),
        processes=tuple(values.get("oned_processes", "").splitlines()),
        sqlite_bytes=int(size or 0),
        sqlite_schema=schema,
        databases=_databases(values.get("databases", "")),
        objects=tuple(values.get("objects", "").splitlines()),
        accounts=_accounts(values.get("accounts", "")),
        unseen=tuple(sorted(values.get("unseen", "").splitlines())),
        galera="galera" in links,
        sources=tuple(line.removeprefix("source ") for line in links if line != "galera"),
        zones=tuple(values.get("zones", "").splitlines()),
    )


def _databases(text: str) -> dict[str, LocalDatabase]:
    found = {}
    for line in text.splitlines():
        tables, typical, name = line.split(" ", 2)
        found[name] = LocalDatabase(int(tables), int(typical) == len(TYPICAL))
    return found


TYPICAL = ("db_versioning", "user_pool", "zone_pool")
"""Tables that every OpenNebula has, as observe.sh counts them."""


def _accounts(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    grants: list[str] = []
    for line in text.splitlines():
        if line.startswith("@"):
            grants = found.setdefault(line[1:], [])
        else:
            grants.append(line)
    return {host: tuple(lines) for host, lines in found.items()}
