"""Is the zone whole? The check that ends every change of it.

Per endpoint: its SERVER_ID is the pool's; exactly one leader and everybody in its term; after one
harmless write everybody has it; the same list of servers; equal data in every replicated table; a
call that a follower must hand on works; the VIPs are on the leader and nowhere else. All of it
holds while clients write, too. The last look of a run includes the services next to oned.
"""

import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, ports
from opennebula.api import ApiError, has_grpc
from opennebula.zone import RaftStatus, ServerEntry, ZoneView, faults
from procedures import services
from procedures.context import Access
from procedures.facts.facts import Dump, Facts
from procedures.oned_service import await_stopped
from procedures.parallel import on_each, side_by_side
from procedures.specs import ZoneSpec
from procedures.vip.address import LeaderChanged, to_leader
from procedures.wait import repeat, until
from procedures.zone_data import CONVERGENCE, observe, require_equal
from procedures.zone_leader import WRITE, LeaderRecords, leadership, states, wait_for_leader

SILENCE = 5.0
"""Seconds without an answer after which a server may be on its way down."""
LEADERS = 3
"""Changes of the leader during the last look after which it gives no more chances."""


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
        dumps={name: front_end.dumps for name, front_end in seen.items()},
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
        lasting = {
            n: front_end for n, front_end in before.facts.items() if n in known and n != renewed
        }
    found: dict[str, Facts] = {}

    def compare() -> None:
        found.update(recent or observe(access, zone, known, lasting))
        require_equal(access, zone, known, found)

    side_by_side({"answers": lambda: _same_answers(access, hosts, known, view), "data": compare})
    _ready_to_restart(view, {n: front_end for n, front_end in found.items() if n not in without})
    _speak_grpc(found)
    return Whole(
        leader=leader,
        servers=tuple(
            CheckedServer(entry, view.statuses[entry.name])
            for entry in view.pool
            if entry.name not in without
        ),
        facts=found,
        dumps={name: front_end.dumps for name, front_end in found.items()},
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
        name: replace(
            front_end, checksums=whole.facts[name].checksums, remotes=whole.facts[name].remotes
        )
        for name, front_end in seen.items()
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
            seen = {
                name: services.ServiceFacts.of(front_end) for name, front_end in whole.facts.items()
            }
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


def _converged(access: Access, hosts: Mapping[str, Host], without: AbstractSet[str]) -> ZoneView:
    first = last = wait_for_leader(access, hosts)
    records = LeaderRecords(access, hosts)
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
            seen=lambda: "; ".join(lacking) or states(last),
            remedy="pulumi refresh, then pulumi up: what can be repaired is repaired; otherwise"
            " look at /var/log/one/oned.log on the servers named",
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
    wrong: dict[str, tuple[str, str]] = {}
    left, head = dict(known), leadership(view)

    def look() -> bool | None:
        nonlocal left, wrong
        asked = on_each(left, lambda host: _wrong_answer(access, host, view))
        wrong = {name: one for name, one in asked.items() if one}
        left = {name: known[name] for name in wrong}
        return None if wrong else True

    if repeat(look, WRITE):
        return
    name, (expected, seen) = next(iter(wrong.items()))
    is_its_own = head == leadership(wait_for_leader(access, hosts))
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


def _ready_to_restart(view: ZoneView, seen: Mapping[str, Facts]) -> None:
    ids = {entry.name: entry.id for entry in view.pool}
    for name, front_end in seen.items():
        if front_end.server_id != ids[name]:
            raise HostError(
                name,
                "verify the zone",
                expected=f"SERVER_ID {ids[name]} in /etc/one/oned.conf, as it runs",
                seen=f"SERVER_ID {front_end.server_id}",
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
