"""Traces of any OpenNebula on a host, and of data that an installation would overwrite."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from procedures.facts.fact import columns

TYPICAL = frozenset({"db_versioning", "user_pool", "zone_pool"})
"""Tables that every OpenNebula has, as observe.sh counts them."""


@dataclass(frozen=True)
class LocalDatabase:
    """A database in the host's own MariaDB."""

    tables: int
    is_opennebula: bool
    """It has the tables that every OpenNebula has."""


@dataclass(frozen=True)
class Traces:
    """The traces that observe.sh reports."""

    claimed: str = ""
    """Text of the mark: this program saw the host blank and has not created a database since. So
    everything of OpenNebula on the host is ours."""
    processes: tuple[str, ...] = ()
    """ID and arguments of each running oned, also outside its unit."""
    sqlite_bytes: int = 0
    """Size of one.db."""
    sqlite_schema: str = ""
    databases: Mapping[str, LocalDatabase] = field(default_factory=dict)
    """Databases in MariaDB with tables, by name, without MariaDB's own and those of transfers."""
    objects: tuple[str, ...] = ()
    """Tables, routines and events in the database with the stack's name."""
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Grants of each account with db_owner's name, by its host part."""
    unseen: tuple[str, ...] = ()
    """Databases of a MariaDB that does not run, so that their content is unknown."""
    galera: bool = False
    """The host's MariaDB replicates with Galera."""
    sources: tuple[str, ...] = ()
    """Hosts of which the host's MariaDB is a replica."""
    zones: tuple[str, ...] = ()
    """ID and name of each zone in the database."""


def parse(values: Mapping[str, str]) -> Traces:
    """Parse the traces in the values of observe.sh."""
    size, _, schema = values.get("sqlite", "").partition(" ")
    replication = values.get("replication", "").splitlines()
    return Traces(
        claimed=values.get("claimed", ""),
        processes=tuple(values.get("oned_processes", "").splitlines()),
        sqlite_bytes=int(size or 0),
        sqlite_schema=schema,
        databases={
            name: LocalDatabase(int(tables), int(typical) == len(TYPICAL))
            for tables, typical, name in columns(values.get("databases", ""), 3)
        },
        objects=tuple(values.get("objects", "").splitlines()),
        accounts=_accounts(values.get("accounts", "")),
        unseen=tuple(sorted(values.get("unseen", "").splitlines())),
        galera="galera" in replication,
        sources=tuple(line.removeprefix("source ") for line in replication if line != "galera"),
        zones=tuple(values.get("zones", "").splitlines()),
    )


def _accounts(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    grants: list[str] = []
    for line in text.splitlines():
        if line.startswith("@"):
            grants = found.setdefault(line[1:], [])
        else:
            grants.append(line)
    return {host: tuple(lines) for host, lines in found.items()}
