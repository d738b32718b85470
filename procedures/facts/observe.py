"""What is there: a front-end's facts in one round trip, and the zone as every endpoint sees it."""

import contextlib
from collections.abc import Collection, Iterable, Mapping

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError, NotAuthenticatedError
from opennebula.families import FAMILIES
from opennebula.packages import FEATURES
from opennebula.zone import RaftStatus, ZoneView, host_in
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.report import TYPICAL, read
from procedures.install.files import clock
from procedures.install.files.leader import SOCKET_UNIT
from procedures.install.files.paths import PATHS
from procedures.parallel import on_each
from procedures.specs import Database


def facts(
    access: Access,
    host: Host,
    database: Database,
    *,
    checksums: bool = False,
    names: Iterable[str] = (),
    even_silent: bool = False,
) -> Facts:
    """One round trip to one host; changes nothing. Raises HostError.

    Also where its database does not answer, unless it may be ``even_silent``.
    """
    names = tuple(names)
    output = access.run(
        host,
        "observe",
        variables=question(database, names, checksums=checksums),
        exclusive=False,
        # Of a large database each checksum is a whole reading.
        timeout=600 if checksums else 120,
    )
    found = read(host, names, output, access.front_ends)
    if checksums and not found.checksums and set(found.traces.objects) >= TYPICAL:
        # Two that say nothing would compare as equal.
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
            expected="MariaDB to answer root on its socket",
            seen=found.silent,
            remedy="start MariaDB (systemctl start mariadb) and look at its journal,"
            " then run again",
        )
    return found


def question(
    database: Database, names: Iterable[str], *, checksums: bool = False
) -> dict[str, str]:
    """The variables of observe.sh."""
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
    names: Iterable[str] = (),
) -> dict[str, Facts]:
    """The facts of all those hosts, asked at once. Raises HostError if one does not answer."""
    names = tuple(names)
    return on_each(
        hosts, lambda host: facts(access, host, database, checksums=checksums, names=names)
    )


def facts_where_possible(
    access: Access,
    hosts: Mapping[str, Host],
    database: Database,
    *,
    checksums: bool = False,
    names: Iterable[str] = (),
) -> dict[str, Facts]:
    """The same for hosts that may be gone; those that cannot be reached are left out."""
    names = tuple(names)

    def ask(host: Host) -> Facts | None:
        try:
            return facts(access, host, database, checksums=checksums, names=names)
        except HostError:
            return None

    asked = on_each(hosts, ask)
    return {name: answer for name, answer in asked.items() if answer is not None}


def statuses(access: Access, hosts: Mapping[str, Host]) -> dict[str, RaftStatus]:
    """What each oned says of itself; one that does not answer, or its host, is left out.

    Raises HostError where all refuse the stack's password: nothing else would work either.
    """

    def ask(host: Host) -> RaftStatus | NotAuthenticatedError | None:
        try:
            return access.api(host).raft_status()
        except NotAuthenticatedError as error:
            return error
        except (ApiError, HostError):
            return None

    asked = on_each(hosts, ask)
    refusals = {n: error for n, error in asked.items() if isinstance(error, NotAuthenticatedError)}
    answers = {name: answer for name, answer in asked.items() if isinstance(answer, RaftStatus)}
    # An oned that has lost its database knows no user: where others know it, it is no answer.
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
    """The zone: its pool (empty without a leader), and every server's status.

    A zone server that is not in ``hosts`` (it left the config) is asked from one of them.
    """
    answered = statuses(access, hosts)
    known = ZoneView((), answered).leader() or min(answered, default=None)
    if known is None:
        return ZoneView((), {})
    try:
        pool = access.named(access.api(hosts[known]).servers())
    except ApiError:
        return ZoneView((), {})
    for entry in pool:
        if entry.name not in hosts:
            with contextlib.suppress(ApiError, HostError):
                at = host_in(entry.endpoint) or entry.name
                answered[entry.name] = access.api(hosts[known], of=at).raft_status()
    view = ZoneView(pool, answered)
    return view if view.leader() else ZoneView((), answered)


def api_host(view: ZoneView, hosts: Mapping[str, Host]) -> Host:
    """The host to ask for something of the whole zone: the leader's, or of one that follows it.

    A leader that left the config is not in ``hosts``; its followers hand calls on to it.
    """
    leader = view.leader() or ""
    if leader in hosts:
        return hosts[leader]
    term = view.statuses[leader].term if leader else 0
    return hosts[
        min(n for n, status in view.statuses.items() if n in hosts and status.term == term)
    ]


def require_names(seen: Iterable[Facts], hosts: Mapping[str, Host]) -> None:
    """Every one of them finds each of the hosts by its name, at the address that the stack has.

    The facts must have been asked with these names. Raises HostError.
    """
    for front_end in seen:
        for name, seen_at in wrong_names(front_end, hosts).items():
            raise HostError(
                front_end.host.name,
                "resolve the front-ends' names",
                expected=f"{name} at {hosts[name].address}",
                seen=seen_at,
                remedy="with opennebula-ha:ensure_hosts: true, pulumi refresh, then pulumi up;"
                " otherwise correct the name service or /etc/hosts there",
            )


NO_ADDRESS = "no address"


def wrong_names(seen: Facts, hosts: Mapping[str, Host]) -> dict[str, str]:
    """The names with which that one does not find such a host, and the address that it finds."""
    first = {name: (seen.resolves.get(name, "").split() or [NO_ADDRESS])[0] for name in hosts}
    return {name: at for name, at in first.items() if at != hosts[name].address}


def servers(seen: Iterable[Facts]) -> set[str]:
    """Name the servers of the zone. Pure.

    Where the first server is still standalone no other one on its list has served.
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
    """Names and addresses of the zone's servers that are yet to leave. Pure.

    While a server is listed all others must find it: a leader reaches it by its name. The address
    is the one that is ``known``, or that one of ``seen`` has in its hosts file by our work.
    """
    at = {name: address for front_end in seen for name, address in front_end.own_names.items()}
    at |= known or {}
    return {name: at[name] for name in sorted(servers(seen) - {*staying} - {*lost}) if name in at}


_UNITS = (
    *("opennebula", *FEATURES.values()),
    *sorted({family.database_service for family in FAMILIES}),
    *clock.UNITS,
    SOCKET_UNIT,
)


def full_name(unit: str) -> str:
    """As systemd has it: most of them are services."""
    return unit if "." in unit else f"{unit}.service"
