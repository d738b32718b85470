"""Observe front-ends, in one round trip each, and the zone through its servers' APIs."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError, NotAuthenticatedError
from opennebula.families import FAMILIES
from opennebula.packages import FEATURES, HOOK_MANAGER
from opennebula.zone import RaftStatus, State, ZoneView, host_in
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.report import read
from procedures.facts.traces import TYPICAL
from procedures.install.files import backup, clock
from procedures.install.files.collect import PATHS
from procedures.install.files.leader import SOCKET_UNIT
from procedures.parallel import on_each
from procedures.specs import Database
from procedures.wait import repeat

ELECTION = 12.0
"""Seconds that a normal election takes: 5 s without the leader, and a split vote."""


def facts(
    access: Access,
    host: Host,
    database: Database,
    *,
    checksums: bool = False,
    names: Collection[str] = (),
    even_silent: bool = False,
) -> Facts:
    """Return the facts of a host, in one round trip and without changes. Raises HostError.

    ``names``: names for the host to resolve. ``even_silent``: without it, raise HostError if the
    host's database does not answer.
    """
    output = access.run(
        host,
        "observe",
        variables=question(database, names, checksums=checksums),
        exclusive=False,
        # For checksums, the whole database is read.
        timeout=600 if checksums else 120,
    )
    found = read(host, names, output, access.front_ends)
    if checksums and not found.checksums and set(found.traces.objects) >= TYPICAL:
        # Two empty lists of checksums would compare as equal.
        raise HostError(
            host.name,
            "observe",
            expected="MariaDB to compute the checksums of OpenNebula's tables",
            seen="no checksum",
            remedy="look at the journal of MariaDB on that host, then run again",
        )
    if found.silent and not even_silent:
        raise HostError(
            host.name,
            "observe",
            expected="MariaDB to accept root on its socket",
            seen=found.silent,
            remedy="start MariaDB (systemctl start mariadb) and look at its journal,"
            " then run again",
        )
    return found


def question(
    database: Database, names: Collection[str], *, checksums: bool = False
) -> dict[str, str]:
    """Return the variables of observe.sh."""
    return {
        "db_name": database.name,
        "checksums": "yes" if checksums else "no",
        "names": " ".join(sorted(names)),
        "db_owner": database.owner,
        "units": " ".join(full_name(unit) for unit in _UNITS),
        "files": " ".join(PATHS),
    }


def all_facts(
    access: Access,
    hosts: Mapping[str, Host],
    database: Database,
    *,
    checksums: bool = False,
    names: Collection[str] = (),
    where_possible: bool = False,
) -> dict[str, Facts]:
    """Return the facts of all those hosts, observed in parallel. Raises HostError.

    ``where_possible``: a host that does not answer is left out instead.
    """

    def ask(host: Host) -> Facts | None:
        try:
            return facts(access, host, database, checksums=checksums, names=names)
        except HostError:
            if where_possible:
                return None
            raise

    answers = on_each(hosts, ask)
    return {name: answer for name, answer in answers.items() if answer is not None}


facts_where_possible = partial(all_facts, where_possible=True)


def raft_status(
    access: Access, host: Host, timeout: float = 8.0, *, of: str = "127.0.0.1"
) -> RaftStatus | None:
    """Return the Raft status of the oned on that host, or None if it does not answer.

    ``of``: address of another host, whose oned is called from there.
    """
    try:
        return access.api(host, timeout, of=of).raft_status()
    except (ApiError, HostError):
        return None


def statuses(access: Access, hosts: Mapping[str, Host]) -> dict[str, RaftStatus]:
    """Return the Raft status of each oned that answers.

    Raises HostError if all that answer reject the stack's password.
    """

    def ask(host: Host) -> RaftStatus | NotAuthenticatedError | None:
        try:
            return access.api(host).raft_status()
        except NotAuthenticatedError as error:
            return error
        except (ApiError, HostError):
            return None

    results = on_each(hosts, ask)
    refusals = {
        n: error for n, error in results.items() if isinstance(error, NotAuthenticatedError)
    }
    answers = {name: status for name, status in results.items() if isinstance(status, RaftStatus)}
    # An oned that has lost its database knows no user: ignore it if others answer.
    if refusals and not answers:
        raise HostError(
            ", ".join(sorted(refusals)),
            "log in to oned",
            expected="opennebula-ha:one_pass to be oneadmin's password",
            seen=str(refusals[min(refusals)]),
            remedy="set opennebula-ha:one_pass to the password that the zone has: see"
            f" /var/lib/one/.one/one_auth on {min(refusals)}; after an up with that one,"
            " another one_pass changes it",
        )
    return answers


def zone_view(access: Access, hosts: Mapping[str, Host]) -> ZoneView:
    """Return the zone's pool, which is empty without a leader, and each server's status.

    Zone servers that are not in ``hosts``, such as those that left the config, are called from one
    of them.
    """
    answers = statuses(access, hosts)
    source = ZoneView((), answers).leader() or min(answers, default=None)
    if source is None:
        return ZoneView((), {})
    try:
        pool = access.named(access.api(hosts[source]).servers())
    except ApiError:
        return ZoneView((), {})
    for entry in pool:
        if entry.name not in hosts:
            address = host_in(entry.endpoint) or entry.name
            if status := raft_status(access, hosts[source], of=address):
                answers[entry.name] = status
    view = ZoneView(pool, answers)
    return view if view.leader() else ZoneView((), answers)


def elected_view(access: Access, hosts: Mapping[str, Host]) -> ZoneView:
    """Return the zone as ``zone_view`` does, after an election that takes place just now."""
    view = ZoneView((), {})

    def look() -> bool | None:
        nonlocal view
        view = zone_view(access, hosts)
        electing = any(status.state is not State.SOLO for status in view.statuses.values())
        return None if electing and not view.leader() else True

    repeat(look, ELECTION)
    return view


def api_host(view: ZoneView, hosts: Mapping[str, Host]) -> Host:
    """Return the host to call for the whole zone: the leader's, or one of its followers'.

    A leader that left the config is not in ``hosts``; its followers pass calls on to it.
    """
    leader = view.leader() or ""
    if leader in hosts:
        return hosts[leader]
    term = view.statuses[leader].term if leader else 0
    return hosts[
        min(n for n, status in view.statuses.items() if n in hosts and status.term == term)
    ]


def require_names(seen: Iterable[Facts], hosts: Mapping[str, Host]) -> None:
    """Check that each front-end resolves all names to the stack's addresses. Raises HostError.

    The facts must be observed with these names.
    """
    for front_end in seen:
        for name, seen_at in wrong_names(front_end, hosts).items():
            raise HostError(
                front_end.host.name,
                "resolve the front-ends' names",
                expected=f"{name} at {hosts[name].address}",
                seen=seen_at,
                remedy=(
                    f"take {name} off the line of another address in /etc/hosts there, or put"
                    " files first in the line 'hosts:' of /etc/nsswitch.conf"
                    if name in front_end.own_names
                    else "set opennebula-ha:ensure_hosts: true, or correct the name service or"
                    " /etc/hosts there"
                )
                + "; then pulumi refresh, then pulumi up",
            )


NO_ADDRESS = "no address"


def wrong_names(seen: Facts, hosts: Mapping[str, Host]) -> dict[str, str]:
    """Return the names that a front-end resolves to a wrong address, with that address."""
    first = {name: (seen.resolves.get(name, "").split() or [NO_ADDRESS])[0] for name in hosts}
    return {name: address for name, address in first.items() if address != hosts[name].address}


def servers(seen: Iterable[Facts]) -> set[str]:
    """Return the names of the zone's servers. Pure.

    While a first server is standalone, no other server in its pool has served.
    """
    return {
        entry.name
        for front_end in seen
        if not front_end.view(None).is_standalone
        for entry in front_end.pool
    }


def names_of_leaving(
    seen: Collection[Facts],
    staying: Collection[str],
    lost: Collection[str] = (),
    known: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return name and address of the zone's servers that still have to leave. Pure.

    All servers must resolve the name of a server in the pool, since the leader connects to it. The
    addresses are the ``known`` ones, or those that this program wrote to a hosts file.
    """
    addresses = {
        name: address for front_end in seen for name, address in front_end.own_names.items()
    }
    addresses |= known or {}
    leaving = servers(seen) - {*staying} - {*lost}
    return {name: addresses[name] for name in sorted(leaving) if name in addresses}


_UNITS = (
    *("opennebula", HOOK_MANAGER, *FEATURES.values()),
    *sorted({family.database_service for family in FAMILIES}),
    *clock.UNITS,
    SOCKET_UNIT,
    backup.UNIT,
    backup.TIMER_UNIT,
)


def full_name(unit: str) -> str:
    """Return the unit's name with its suffix, which is .service for most of them."""
    return unit if "." in unit else f"{unit}.service"
