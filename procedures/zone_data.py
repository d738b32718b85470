"""Compare the data of a zone's servers, also while clients write."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from hosts.models import Host
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts
from procedures.parallel import on_each, side_by_side
from procedures.specs import ZoneSpec
from procedures.wait import NotYet, until

CONVERGENCE = 60.0
"""Seconds for every server to have the leader's last record."""
WATCH = 2.0
"""Seconds for which all servers are watched in parallel: longer than one of them lags."""


def unequal(checksums: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return the replicated tables that two servers have never had with the same checksum.

    ``checksums``: all lines ``TABLE<tab>CHECKSUM`` that were seen on each server. While clients
    write, servers differ by the last records. The log takes all of them through the same contents,
    so that one common checksum is enough.
    """
    if not checksums:
        return []
    all_tables = _tables(frozenset().union(*checksums.values()))
    first = checksums[min(checksums)]
    return sorted(
        {table for own in checksums.values() for table in all_tables - _tables(own & first)}
    )


def _tables(checksums: Iterable[str]) -> set[str]:
    return {line.partition("\t")[0] for line in checksums}


def require_equal(access: Access, zone: ZoneSpec, hosts: Hosts, seen: Mapping[str, Facts]) -> None:
    """Wait until every replicated table has had the same content on all hosts. Raises HostError."""
    checksums = {name: set(seen[name].checksums.splitlines()) for name in hosts}

    def compare() -> None:
        """Watch only the tables that were never equal: others may be large."""
        for name, lines in _watch(access, zone, hosts, unequal(checksums)).items():
            checksums[name] |= lines
        if different := unequal(checksums):
            raise NotYet(f"different {', '.join(different)}")

    if unequal(checksums):
        until(
            compare,
            host=", ".join(sorted(hosts)),
            step="compare the data",
            expected="equal checksums of every replicated table",
            seconds=CONVERGENCE,
            remedy="the servers that differ from the leader must rejoin, and must not lead until"
            " then: pulumi refresh names them, pulumi up has them join",
        )


def observe(
    access: Access, zone: ZoneSpec, hosts: Hosts, lasting: Mapping[str, Facts]
) -> dict[str, Facts]:
    """Return all facts with checksums; for hosts in ``lasting``, only observe the checksums."""
    found = dict(lasting)

    def update_checksums() -> None:
        lines = (line for seen in lasting.values() for line in seen.checksums.splitlines())
        old = {name: hosts[name] for name in lasting}
        for name, now in _watch(access, zone, old, sorted(_tables(lines)), seconds=0).items():
            found[name] = replace(lasting[name], checksums="\n".join(sorted(now)))

    rest = {name: host for name, host in hosts.items() if name not in lasting}
    side_by_side(
        {
            "lasting": update_checksums,
            "rest": lambda: found.update(all_facts(access, rest, zone.database, checksums=True)),
        }
    )
    return found


def _watch(
    access: Access, zone: ZoneSpec, hosts: Hosts, tables: Sequence[str], seconds: float = WATCH
) -> dict[str, set[str]]:
    """Return all checksums that each server's tables have within that many seconds."""
    names = " ".join(name.rpartition(".")[2] for name in tables)

    def watch(host: Host) -> set[str]:
        variables = {"db_name": zone.database.name, "tables": names, "seconds": f"{seconds:.0f}"}
        output = access.run(host, "watch_tables", variables=variables, exclusive=False, timeout=600)
        return set(output.values["checksums"].splitlines())

    return on_each(hosts, watch)
