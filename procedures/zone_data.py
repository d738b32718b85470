"""Whether the servers of a zone have equal data, also while clients write."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from hosts.models import Host
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts
from procedures.parallel import on_each, side_by_side
from procedures.specs import ZoneSpec
from procedures.wait import until

CONVERGENCE = 60.0
"""Seconds for every server to have the leader's last record."""
WATCH = 2.0
"""Seconds in which all servers are watched at once: longer than one of them lags."""


def unequal(had: Mapping[str, AbstractSet[str]]) -> list[str]:
    """The replicated tables that two servers never had alike, of all contents that each had.

    While clients write, servers that are asked at once differ by the last records. The log takes
    all of them through the same contents: to have had one of these in common is enough.
    """
    if not had:
        return []
    all_tables = _tables(frozenset().union(*had.values()))
    first = had[min(had)]
    return sorted({table for own in had.values() for table in all_tables - _tables(own & first)})


def _tables(checksums: Iterable[str]) -> set[str]:
    return {line.partition("\t")[0] for line in checksums}


def require_equal(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], seen: Mapping[str, Facts]
) -> None:
    """Wait until every replicated table has had the same content on all hosts. Raises HostError."""
    had = {name: set(seen[name].checksums.splitlines()) for name in hosts}

    def look_closer() -> bool | None:
        """Only at those that were not seen alike yet: others may be large."""
        for name, lines in _watch(access, zone, hosts, unequal(had)).items():
            had[name] |= lines
        return None if unequal(had) else True

    if unequal(had):
        until(
            look_closer,
            host=", ".join(sorted(hosts)),
            step="compare the data",
            expected="equal checksums of every replicated table",
            seconds=CONVERGENCE,
            seen=lambda: f"different {', '.join(unequal(had))}",
            remedy="the servers that differ from the leader must rejoin, and must not lead until"
            " then: pulumi refresh names them, pulumi up has them join",
        )


def observe(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], lasting: Mapping[str, Facts]
) -> dict[str, Facts]:
    """All facts, with checksums; if the others last, only these again."""
    found = dict(lasting)

    def look_again() -> None:
        tables = set().union(
            *(_tables(front_end.checksums.splitlines()) for front_end in lasting.values())
        )
        old = {name: hosts[name] for name in lasting}
        for name, lines in _watch(access, zone, old, sorted(tables), seconds=0).items():
            found[name] = replace(lasting[name], checksums="\n".join(sorted(lines)))

    rest = {name: host for name, host in hosts.items() if name not in lasting}
    side_by_side(
        {
            "lasting": look_again,
            "rest": lambda: found.update(all_facts(access, rest, zone.database, checksums=True)),
        }
    )
    return found


def _watch(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    tables: Sequence[str],
    seconds: float = WATCH,
) -> dict[str, set[str]]:
    """Every content that each server's tables have within so many seconds."""
    names = " ".join(name.rpartition(".")[2] for name in tables)

    def watch(host: Host) -> set[str]:
        variables = {
            "db_name": zone.database.name,
            "tables": names,
            "seconds": f"{seconds:.0f}",
        }
        output = access.run(host, "watch_tables", variables=variables, exclusive=False, timeout=600)
        return set(output.values["checksums"].splitlines())

    return on_each(hosts, watch)
