"""Is the zone whole? The check that ends every change of it.

Per endpoint: its SERVER_ID is the pool's; exactly one leader and everybody in its term; after one
harmless write everybody has it; the same list of servers; equal data in every replicated table; a
call that a follower must hand on works; the VIPs are on the leader and nowhere else. All of it
holds while clients write, too. The last look of a run includes the services next to oned.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, ports
from opennebula.api import Api, ApiError, NotAuthenticatedError, has_grpc
from opennebula.zone import RaftStatus, ServerEntry, ZoneView, faults
from procedures import services
from procedures.context import Access
from procedures.facts.observe import Dump, Facts, all_facts, api_host, zone_view
from procedures.oned_service import await_stopped
from procedures.parallel import on_each, side_by_side
from procedures.specs import ZoneSpec
from procedures.vip.address import LeaderChanged, to_leader
from procedures.wait import INTERVAL, until

ELECTION = 90.0
"""Seconds for a leader: 15 s of warm-up, 5 s of election, and a few split votes."""
WRITE = 30.0
"""Seconds for one write, including an election."""
ANSWER = 10.0
"""Seconds for one call at the leader: one that stands still is another server's follower soon."""
SILENCE = 5.0
"""Seconds without an answer after which a server may be on its way down."""
CONVERGENCE = 60.0
"""Seconds for every server to have the leader's last record."""
LEADERS = 3
"""Changes of the leader during the last look after which it gives no more chances."""
WATCH = 2.0
"""Seconds in which all servers are watched at once: longer than one of them lags."""


LOOK = "look at /var/log/one/oned.log on the leader, then run again"

T = TypeVar("T")


@dataclass(frozen=True)
class CheckedServer:
    """One zone server as it was seen."""

    entry: ServerEntry
    status: RaftStatus


@dataclass(frozen=True)
class Whole:
    """A zone that passed."""

    leader: str
    servers: tuple[CheckedServer, ...]
    facts: Mapping[str, Facts]
    dumps: Mapping[str, tuple[Dump, ...]]


def described(view: ZoneView, seen: Mapping[str, Facts]) -> Whole:
    """Return the zone as it was seen, without a look at whether it is whole."""
    return Whole(
        leader=view.leader() or "",
        servers=tuple(
            CheckedServer(entry, view.statuses[entry.name])
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
        " no leader is elected",
    )


def verify(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    *,
    without: AbstractSet[str] = frozenset(),
    seen: Mapping[str, Facts] | None = None,
    before: Whole | None = None,
    renewed: str = "",
) -> Whole:
    """The zone as it is, once it is whole. Raises HostError with what keeps it from that.

    ``seen`` are facts with checksums of a moment ago, if the caller has them: data that were equal
    then, and whose log all follow, need no second look. ``before`` is the zone as it was a moment
    ago, where only ``renewed`` was restarted since: of the others, which follow the same leader,
    only the data are looked at again.

    Servers ``without`` which it was taken on are not looked at: their own turn is yet to come. Of
    a leader among them all but the SERVER_ID that it would start with is looked at: it is what the
    others are compared with.
    The leader may change during that: then everything is looked at again.
    """
    access.report("verify the zone")
    for _ in range(LEADERS):
        whole = _verify(access, zone, hosts, without, seen=seen, before=before, renewed=renewed)
        try:
            return verify_vip(access, zone, hosts, whole)
        except LeaderChanged:
            access.report("another leader: verify the zone again")
            seen = before = None
    raise _restless(whole.leader)


def _verify(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    without: AbstractSet[str],
    *,
    seen: Mapping[str, Facts] | None,
    before: Whole | None,
    renewed: str,
) -> Whole:
    view = _converged(access, hosts, without)
    leader = view.leader() or ""
    known = {
        entry.name: hosts[entry.name]
        for entry in view.pool
        if entry.name in hosts and (entry.name not in without or entry.name == leader)
    }
    recent = {n: seen[n] for n in known} if seen and known.keys() <= seen.keys() else None
    lasting: dict[str, Facts] = {}
    if before is not None and before.leader == leader != renewed:
        lasting = {n: one for n, one in before.facts.items() if n in known and n != renewed}
    found: dict[str, Facts] = {}

    def compare() -> None:
        found.update(recent or _look(access, zone, known, lasting))
        _equal_data(access, zone, known, found)

    side_by_side({"answers": lambda: _same_answers(access, hosts, known, view), "data": compare})
    _ready_to_restart(view, {n: one for n, one in found.items() if n not in without})
    _speak_grpc(found)
    return Whole(
        leader=leader,
        servers=tuple(
            CheckedServer(entry, view.statuses[entry.name])
            for entry in view.pool
            if entry.name not in without
        ),
        facts=found,
        dumps={name: one.dumps for name, one in found.items()},
    )


def verify_vip(access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], whole: Whole) -> Whole:
    """See that the leader holds every VIP, and no other server any; return the zone then.

    Raises HostError, or LeaderChanged.
    """
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
    """See that a whole zone has the rest that the stack promises: the VIPs, and its services.

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
        with suppress(LeaderChanged):
            whole = verify_vip(access, zone, hosts, whole)
            seen = {name: services.ServiceFacts.of(one) for name, one in whole.facts.items()}
            known = {name: hosts[name] for name in whole.facts}
            leader = services.put_in_place(
                access, zone, known, whole.leader, wanted=wanted, seen=seen
            )
            if leader == whole.leader:
                return whole
        whole = verify(access, zone, hosts)
    raise _restless(whole.leader)


def _restless(leader: str) -> HostError:
    return HostError(
        leader,
        "verify the zone",
        expected="one leader that stays the leader",
        seen=f"{LEADERS} changes of the leader",
        remedy="look at /var/log/one/oned.log on the servers: the lines with [RCM] say why; then"
        " run again",
    )


def strange_leader(leader: str, step: str) -> HostError:
    """Return the error for a leader that is not one of the stack's front-ends."""
    return HostError(
        leader,
        step,
        expected="one of the front-ends in the stack's config to lead",
        seen=f"{leader}, which is not in it",
        remedy=f"restart opennebula on {leader}, so that another one leads; then run again",
    )


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


def at_leader(
    access: Access,
    hosts: Mapping[str, Host],
    call: Callable[[Api], T],
    *,
    step: str,
    expected: str,
    remedy: str = LOOK,
    view: ZoneView | None = None,
) -> T:
    """Return what a call at the present leader returns. Raises HostError.

    ``view``: the zone of this moment, if the caller has it. See ``ask``.
    """
    present = [view]

    def find() -> Host:
        now = present.pop() if present else None
        return api_host(now or wait_for_leader(access, hosts), hosts)

    return ask(access, find, call, step=step, expected=expected, remedy=remedy)


def ask(
    access: Access,
    find: Callable[[], Host],
    call: Callable[[Api], T],
    *,
    step: str,
    expected: str,
    remedy: str = LOOK,
) -> T:
    """What a call brings at the host that ``find`` finds each time. Raises HostError.

    An election is waited out, and the call made again: one that was refused, or not answered, may
    have been taken all the same.
    """
    deadline = time.monotonic() + WRITE
    while True:
        host = find()
        try:
            return call(access.api(host, timeout=ANSWER))
        except NotAuthenticatedError as error:
            raise HostError(
                host.name, step, expected=expected, seen=str(error), remedy=remedy
            ) from None
        except HostError:
            if time.monotonic() > deadline:
                raise
        except ApiError as error:
            if time.monotonic() > deadline:
                raise HostError(
                    host.name, step, expected=expected, seen=str(error), remedy=remedy
                ) from None
        time.sleep(INTERVAL)


def write(access: Access, hosts: Mapping[str, Host], view: ZoneView | None = None) -> None:
    """One harmless write, which makes lagging followers catch up. ``view``: see ``at_leader``."""
    at_leader(
        access,
        hosts,
        lambda api: api.touch(datetime.now(UTC).isoformat(timespec="seconds")),
        step="write through the leader",
        expected="a write that a majority acknowledges",
        remedy="bring the other zone servers up; the write may yet be committed when they are",
        view=view,
    )


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

        ``view`` is the zone as it was seen this moment, if the caller has it.
        """
        view = view or zone_view(self._access, self._hosts)
        head = _head(view)
        if head is not None and head not in self._of:
            write(self._access, self._hosts, view)
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
    begun = time.monotonic()
    asked: set[str] = set()
    has_waited = False

    def look() -> ZoneView | None:
        nonlocal last, lacking, has_waited
        last, record = records.look(unused.pop() if unused else None)
        lacking = faults(last, without=without, record=record)
        listed = {entry.name for entry in last.pool} - last.statuses.keys() - without - asked
        if listed and time.monotonic() - begun > SILENCE:
            # It may be on its way down, or up again after that.
            asked.update(listed)
            silent = {name: hosts[name] for name in listed if name in hosts}
            has_waited = await_stopped(access, silent) or has_waited
        return last if last.pool and not lacking else None

    def converge() -> ZoneView:
        return until(
            look,
            host=first.leader() or "",
            step="verify the zone",
            expected="one leader with all others its followers, none of them behind",
            seconds=CONVERGENCE,
            seen=lambda: "; ".join(lacking) or _states(last),
            remedy="look at /var/log/one/oned.log on the servers named, then run again",
        )

    try:
        return converge()
    except HostError:
        if not has_waited:
            raise
    return converge()


def _same_answers(
    access: Access, hosts: Mapping[str, Host], known: Mapping[str, Host], view: ZoneView
) -> None:
    """Every server hands calls on to the leader, and lists the same servers. Raises HostError.

    During an election no server can hand anything on. Only under one leader that led all the while
    is it the server's own fault.
    """
    deadline = time.monotonic() + WRITE
    left, head = dict(known), _head(view)
    while left:
        asked = on_each(left, lambda host: _wrong_answer(access, host, view))
        left = {name: host for name, host in left.items() if asked[name]}
        if not left:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(INTERVAL)
    name, (expected, seen) = next((n, wrong) for n, wrong in asked.items() if wrong)
    is_its_own = head == _head(wait_for_leader(access, hosts))
    raise HostError(
        name,
        "verify the zone",
        expected=f"{expected} within {WRITE:.0f} s",
        seen=seen,
        remedy="pulumi refresh, then pulumi up; if it stays so, restart opennebula on that follower"
        if is_its_own and name != view.leader()
        else "run again: the leader changed",
    )


def _wrong_answer(access: Access, host: Host, view: ZoneView) -> tuple[str, str] | None:
    """What was expected of that server, and what it answered."""
    api = access.api(host)
    try:
        pool = access.named(api.servers())
        api.version()
    except (ApiError, HostError) as error:
        return "an oned that hands calls on to the leader", str(error)
    if pool != view.pool:
        listed = f"{len(pool)}: {', '.join(entry.name for entry in pool)}"
        return f"{len(view.pool)} zone servers as on the leader", listed
    return None


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
            remedy="the servers that differ from the leader must rejoin, and must not lead until"
            " then: pulumi refresh names them, pulumi up has them join",
        )


def _look(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], lasting: Mapping[str, Facts]
) -> dict[str, Facts]:
    """All facts, with checksums; if the others last, only these again."""
    found = dict(lasting)

    def look_again() -> None:
        tables = set().union(*(_tables(one.checksums.splitlines()) for one in lasting.values()))
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


def _ready_to_restart(view: ZoneView, seen: Mapping[str, Facts]) -> None:
    ids = {entry.name: entry.id for entry in view.pool}
    for name, one in seen.items():
        if one.server_id != ids[name]:
            raise HostError(
                name,
                "verify the zone",
                expected=f"SERVER_ID {ids[name]} in /etc/one/oned.conf, as it runs",
                seen=f"SERVER_ID {one.server_id}",
                remedy="do not restart it; pulumi refresh, then pulumi up: it rejoins",
            )


def _speak_grpc(seen: Mapping[str, Facts]) -> None:
    """Each oned that has gRPC answers at its port, unless its oned.conf has another one."""
    for name, one in seen.items():
        port = conf.read(one.oned_conf, "GRPC_PORT") if one.oned_conf else None
        is_usual = port in (None, str(ports.GRPC))
        if one.active and has_grpc(one.package) and is_usual and not one.has_grpc_port:
            raise HostError(
                name,
                "verify the zone",
                expected=f"oned to listen at port {ports.GRPC} (gRPC)",
                seen="no listener",
                remedy="look for gRPC in /var/log/one/oned.log there, restart opennebula, then run"
                " again",
            )


def _states(view: ZoneView) -> str:
    if not view.statuses:
        return "no oned that answers"
    return ", ".join(
        f"{name} {status.state.name.lower()} in term {status.term}"
        for name, status in sorted(view.statuses.items())
    )
