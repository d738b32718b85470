"""Traces of any OpenNebula on a host, and of data that an installation would overwrite."""

from collections.abc import Mapping
from dataclasses import dataclass

from procedures.facts.fact import columns, lines, reported

TYPICAL = frozenset({"db_versioning", "user_pool", "zone_pool"})
"""Tables that every OpenNebula has, as observe.sh counts them."""


@dataclass(frozen=True)
class LocalDatabase:
    """A database in the host's own MariaDB."""

    tables: int
    is_opennebula: bool
    """It has the tables that every OpenNebula has."""


def _accounts(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    grants: list[str] = []
    for line in text.splitlines():
        if line.startswith("@"):
            grants = found.setdefault(line[1:], [])
        else:
            grants.append(line)
    return {host: tuple(lines) for host, lines in found.items()}


def _databases(text: str) -> dict[str, LocalDatabase]:
    return {
        name: LocalDatabase(int(tables), int(typical) == len(TYPICAL))
        for tables, typical, name in columns(text, 3)
    }


@dataclass(frozen=True)
class Traces:
    """The traces that observe.sh reports."""

    claimed: str = reported(str)
    """Text of the mark: this program saw the host blank and has not created a database since. So
    everything of OpenNebula on the host is ours."""
    processes: tuple[str, ...] = reported(lines, "oned_processes")
    """ID and arguments of each running oned, also outside its unit."""
    sqlite_bytes: int = reported(lambda text: int(text.partition(" ")[0] or 0), "sqlite")
    """Size of one.db."""
    sqlite_schema: str = reported(lambda text: text.partition(" ")[2], "sqlite")
    databases: Mapping[str, LocalDatabase] = reported(_databases)
    """Databases in MariaDB with tables, by name, without MariaDB's own and those of transfers."""
    objects: tuple[str, ...] = reported(lines)
    """Tables, routines and events in the database with the stack's name."""
    accounts: Mapping[str, tuple[str, ...]] = reported(_accounts)
    """Grants of each account with db_owner's name, by its host part."""
    unseen: tuple[str, ...] = reported(lambda text: tuple(sorted(text.splitlines())))
    """Databases of a MariaDB that does not run, so that their content is unknown."""
    galera: bool = reported(lambda text: "galera" in text.splitlines(), "replication")
    """The host's MariaDB replicates with Galera."""
    sources: tuple[str, ...] = reported(
        lambda text: tuple(
            line.removeprefix("source ") for line in text.splitlines() if line != "galera"
        ),
        "replication",
    )
    """Hosts of which the host's MariaDB is a replica."""
    zones: tuple[str, ...] = reported(lines)
    """ID and name of each zone in the database."""
