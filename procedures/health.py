"""Is the zone whole? The check that ends every change of it.

Per endpoint: its SERVER_ID is the pool's; exactly one leader and everybody in its term; after one
harmless write everybody has it; the same list of servers; equal data in every replicated table; a
call that a follower must hand on works; the VIPs are on the leader and nowhere else. All of it
holds while somebody writes, too. The last look of a run sees to the services beside oned, too.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError, NotAuthenticatedError
from opennebula.zone import RaftStatus, ServerEntry, ZoneView, faults
from procedures import services
from procedures.context import Access
from procedures.facts.observe import Dump, Facts, all_facts, way_in, zone_view
from procedures.parallel import on_each, side_by_side
from procedures.specs import ZoneSpec
from procedures.vip.address import to_leader
from procedures.wait import INTERVAL, until

ELECTION = 90.0
"""Seconds for a leader: 15 s of warm-up, 5 s of election, and a few split votes."""
WRITE = 30.0
"""Seconds for one write, an election meanwhile included."""
CONVERGENCE = 60.0
"""Seconds for every server to have the leader's last record."""
LEADERS = 3
"""Changes of the leader during the last look after which nobody waits any longer."""
WATCH = 2.0
"""Seconds in which all servers are watched at once: longer than one of them lags."""


@dataclass(frozen=True)
class Server:
    """One zone server as it was seen."""

    entry: ServerEntry
    status: RaftStatus


@dataclass(frozen=True)
class Whole:
    """A zone that passed."""

    leader: str
    servers: tuple[Server, ...]
    facts: Mapping[str, Facts]
    dumps: Mapping[str, tuple[Dump, ...]]


def described(view: ZoneView, seen: Mapping[str, Facts]) -> Whole:
    """Return the zone as it was seen, without a look at whether it is whole."""
    return Whole(
        leader=view.leader() or "",
        servers=tuple(
            Server(entry, view.statuses[entry.name])
            for entry in view.pool
            if entry.name in view.statuses
        ),
        facts=seen,
        dumps={name: one.dumps for name, one in seen.items()},
    )


def wait_for_leader(access: Access, hosts: Mapping[str, Host]) -> ZoneView:
    """The zone once it has exactly one leader. Raises HostError after ELECTION seconds."""
    last = ZoneView((), {})

    def look() -> ZoneView | None:
        nonlocal last
        last = zone_view(access, hosts)
        return last if last.leader() and last.pool else None

    access.report("wait for a leader")
    return until(
        look,
        host=", ".join(sorted(hosts)),
        step="wait for a leader",
        expected="exactly one leader",
        seconds=ELECTION,
        seen=lambda: _states(last),
        remedy="look at /var/log/one/oned.log on these hosts: the lines with [RCM] say why"
        " nobody is elected",
    )


def verify(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    *,
    without: AbstractSet[str] = frozenset(),
    differing: Collection[str] = (),
    seen: Mapping[str, Facts] | None = None,
    before: Whole | None = None,
    renewed: str = "",
) -> Whole:
    """The zone as it is, once it is whole. Raises HostError with what keeps it from that.

    ``seen`` are facts with checksums of a moment ago, where somebody has them: data that were equal
    then, and whose log all follow, need no second look. ``before`` is the zone as it was a moment
    ago, where only ``renewed`` was restarted since: of the others, which follow the same leader,
    only the data are looked at again.

    Servers ``without`` which it was taken on are not looked at: their own turn is yet to come.
    So is that of those known to be ``differing``: in their data, or in the SERVER_ID that they
    would start with.
    """
    access.report("verify the zone")
    view = _converged(access, hosts, without)
    leader = view.leader() or ""
    known = {
        entry.name: hosts[entry.name]
        for entry in view.pool
        if entry.name in hosts and entry.name not in without
    }
    recent = {n: seen[n] for n in known} if seen and known.keys() <= seen.keys() else None
    lasting: dict[str, Facts] = {}
    if before is not None and before.leader == leader != renewed:
        lasting = {n: one for n, one in before.facts.items() if n in known and n != renewed}
    found: dict[str, Facts] = {}

    def compare() -> None:
        found.update(recent or _look(access, zone, known, lasting))
        _equal_data(access, zone, {n: known[n] for n in known if n not in differing}, found)

    side_by_side({"answers": lambda: _same_answers(access, known, view), "data": compare})
    _ready_to_restart(view, {n: one for n, one in found.items() if n not in differing})
    whole = Whole(
        leader=leader,
        servers=tuple(
            Server(entry, view.statuses[entry.name])
            for entry in view.pool
            if entry.name not in without
        ),
        facts=found,
        dumps={name: one.dumps for name, one in found.items()},
    )
    return verify_vip(access, zone, hosts, whole)


def verify_vip(access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], whole: Whole) -> Whole:
    """See that the leader holds every VIP, and nobody else any; the zone then. Raises HostError."""
    known = {name: hosts[name] for name in whole.facts}
    seen = to_leader(access, zone, known, whole.leader, whole.facts)
    if seen is whole.facts:
        return whole
    # A look for addresses alone has no checksums.
    facts = {
        name: replace(one, checksums=whole.facts[name].checksums, remotes=whole.facts[name].remotes)
        for name, one in seen.items()
    }
    return replace(whole, facts=facts)


def last_look(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    whole: Whole,
    wanted: Mapping[str, Sequence[str]],
) -> Whole:
    """See that a whole zone has all that the stack promises beside: the VIPs, and its services.

    ``wanted``: the front-ends that stay, with the units that each has to run where it leads. The
    zone then. Raises HostError.
    """
    if missing := sorted(wanted.keys() - whole.facts.keys()):
        raise HostError(
            ", ".join(missing),
            "verify the zone",
            expected="every front-end of the stack to be a server of the zone",
            seen="no entry in its pool",
            remedy="pulumi refresh, then pulumi up: it joins",
        )
    for _ in range(LEADERS):
        whole = verify_vip(access, zone, hosts, whole)
        seen = {name: services.Seen.of(one) for name, one in whole.facts.items()}
        known = {name: hosts[name] for name in whole.facts}
        leader = services.settle(access, zone, known, whole.leader, wanted=wanted, seen=seen)
        if leader == whole.leader:
            return whole
        whole = verify(access, zone, hosts)
    raise HostError(
        whole.leader,
        "verify the zone",
        expected="one leader that goes on to lead",
        seen=f"{LEADERS} changes of the leader meanwhile",
        remedy="look at /var/log/one/oned.log on the servers: the lines with [RCM] say why; then"
        " run again",
    )


def strange_leader(leader: str, step: str) -> HostError:
    """Return the error for a leader that is none of the stack's front-ends."""
    return HostError(
        leader,
        step,
        expected="one of the front-ends in the stack's config to lead",
        seen=f"{leader}, which is not in it",
        remedy=f"restart opennebula on {leader}, so that another one leads; then run again",
    )


def unequal(had: Mapping[str, AbstractSet[str]]) -> list[str]:
    """The replicated tables that two servers never had alike, of all contents that each had.

    While somebody writes, servers that are asked at once differ by the last records. The log takes
    all of them through the same contents: to have had one of these in common is enough.
    """
    if not had:
        return []
    all_tables = _tables(frozenset().union(*had.values()))
    first = had[min(had)]
    return sorted({table for own in had.values() for table in all_tables - _tables(own & first)})


def _tables(checksums: Iterable[str]) -> set[str]:
    return {line.partition("\t")[0] for line in checksums}


def write(access: Access, host: Host) -> None:
    """One harmless write, which makes lagging followers catch up.

    A leader that has just been deposed refuses it, and hands it on as soon as it knows another.
    """
    begun = time.monotonic()
    while True:
        try:
            access.api(host, timeout=WRITE).touch(datetime.now(UTC).isoformat(timespec="seconds"))
        except ApiError as error:
            if time.monotonic() - begun < WRITE and not isinstance(error, NotAuthenticatedError):
                time.sleep(INTERVAL)
                continue
            raise HostError(
                host.name,
                "write through the leader",
                expected="a write that a majority acknowledges",
                seen=str(error),
                remedy="bring the other zone servers up; the write may yet be committed when they"
                " are",
            ) from None
        else:
            return


class Records:
    """Of each leader the last record that it had after a harmless write of ours.

    A new leader takes its followers to be as far as itself: one that lags gets what it lacks with
    that leader's next write, and not before.
    """

    def __init__(self, access: Access, hosts: Mapping[str, Host]) -> None:
        self._access = access
        self._hosts = hosts
        self._of: dict[tuple[str, int], int] = {}

    def look(self, view: ZoneView | None = None) -> tuple[ZoneView, int | None]:
        """The zone now, and the record that every server is going to have. Raises HostError.

        ``view`` is the zone as it was seen this moment, where somebody has it.
        """
        view = view or zone_view(self._access, self._hosts)
        head = _head(view)
        if head is not None and head not in self._of:
            write(self._access, way_in(view, self._hosts))
            view = zone_view(self._access, self._hosts)
            if head == _head(view):
                self._of[head] = view.statuses[head[0]].index
        return view, self._of.get(head) if head else None


def _head(view: ZoneView) -> tuple[str, int] | None:
    leader = view.leader()
    return (leader, view.statuses[leader].term) if leader else None


def _converged(access: Access, hosts: Mapping[str, Host], without: AbstractSet[str]) -> ZoneView:
    first = last = wait_for_leader(access, hosts)
    records = Records(access, hosts)
    lacking: list[str] = []
    unused = [first]

    def look() -> ZoneView | None:
        nonlocal last, lacking
        last, record = records.look(unused.pop() if unused else None)
        lacking = faults(last, without=without, record=record)
        return last if last.pool and not lacking else None

    return until(
        look,
        host=first.leader() or "",
        step="verify the zone",
        expected="one leader with all others its followers, none of them behind",
        seconds=CONVERGENCE,
        seen=lambda: "; ".join(lacking) or _states(last),
        remedy="look at /var/log/one/oned.log on the servers named; run up again when it is mended",
    )


def _same_answers(access: Access, hosts: Mapping[str, Host], view: ZoneView) -> None:
    def ask(host: Host) -> None:
        api = access.api(host)
        try:
            pool = api.servers()
            api.version()
        except ApiError as error:
            raise HostError(
                host.name,
                "verify the zone",
                expected="an oned that hands calls on to the leader",
                seen=str(error),
                remedy="restart opennebula on that follower",
            ) from None
        if pool != view.pool:
            raise HostError(
                host.name,
                "verify the zone",
                expected=f"{len(view.pool)} zone servers as on the leader",
                seen=f"{len(pool)}: {', '.join(entry.name for entry in pool)}",
                remedy="restart opennebula on that follower; if it stays so, have it join anew",
            )

    on_each(hosts, ask)


def _equal_data(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], seen: Mapping[str, Facts]
) -> None:
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
            remedy="the servers that differ from the leader must join anew, and must not lead until"
            " then: pulumi refresh names them, pulumi up has them join",
        )


def _look(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], lasting: Mapping[str, Facts]
) -> dict[str, Facts]:
    """All facts, with checksums; where the others last, only these anew."""
    found = dict(lasting)

    def anew() -> None:
        tables = set().union(*(_tables(one.checksums.splitlines()) for one in lasting.values()))
        old = {name: hosts[name] for name in lasting}
        for name, lines in _watch(access, zone, old, sorted(tables), seconds=0).items():
            found[name] = replace(lasting[name], checksums="\n".join(sorted(lines)))

    rest = {name: host for name, host in hosts.items() if name not in lasting}
    side_by_side(
        {
            "lasting": anew,
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


def _ready_to_restart(view: ZoneView, seen: Mapping[str, Facts]) -> None:
    ids = {entry.name: entry.id for entry in view.pool}
    for name, one in seen.items():
        if one.server_id != ids[name]:
            raise HostError(
                name,
                "verify the zone",
                expected=f"SERVER_ID {ids[name]} in /etc/one/oned.conf, as it runs",
                seen=f"SERVER_ID {one.server_id}",
                remedy="do not restart it; pulumi refresh, then pulumi up: it joins anew",
            )


def _states(view: ZoneView) -> str:
    if not view.statuses:
        return "no oned that answers"
    return ", ".join(
        f"{name} {status.state.name.lower()} in term {status.term}"
        for name, status in sorted(view.statuses.items())
    )
