"""The health check, which ends every change of the zone.

It verifies that each server has the SERVER_ID of the pool; that there is exactly one leader, and
all servers are in its term; that all have a harmless write of ours; that all list the same servers
and have equal data in every replicated table; that followers pass calls on to the leader; and that
only the leader holds the VIPs. Clients may write at the same time. The last check of a run includes
the services next to oned.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, ports
from opennebula.api import ApiError, has_grpc
from opennebula.zone import ServerEntry, ZoneView, faults
from procedures import services
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.oned_service import await_stopped
from procedures.parallel import on_each, side_by_side
from procedures.specs import ZoneSpec
from procedures.vip.address import LEADERS, LeaderChanged, keep, to_leader
from procedures.wait import NotYet, repeat, until
from procedures.zone_data import CONVERGENCE, observe, require_equal
from procedures.zone_leader import WRITE, LeaderRecords, leadership, states, wait_for_leader

SILENCE = 5.0
"""Seconds without an answer after which a server may be stopping."""


@dataclass(frozen=True)
class HealthyZone:
    """A zone that passed the health check."""

    leader: str
    term: int
    servers: tuple[ServerEntry, ...]
    facts: Mapping[str, Facts]


def described(
    view: ZoneView, seen: Mapping[str, Facts], without: AbstractSet[str] = frozenset()
) -> HealthyZone:
    """Return the zone as it was observed, without a health check and those servers."""
    leader, term = leadership(view) or ("", 0)
    checked = view.statuses.keys() - without
    servers = tuple(entry for entry in view.pool if entry.name in checked)
    return HealthyZone(leader, term, servers, seen)


def verify(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    *,
    without: AbstractSet[str] = frozenset(),
    seen: Mapping[str, Facts] | None = None,
    before: HealthyZone | None = None,
    renewed: str = "",
    changes_vips: bool = False,
) -> HealthyZone:
    """Wait until the zone is healthy, and return it. Raises HostError with what is wrong.

    ``seen``: facts with checksums of a moment ago, if the caller has them, which are not observed
    again. ``before``: the zone of a moment ago, if only ``renewed`` was restarted since. If the
    leader is still the same, only the checksums of the other servers are observed again.

    ``changes_vips``: a later step may change the VIPs. Until then the leader keeps those that its
    own hook moves, as far as possible.

    Servers in ``without`` are not checked: they are repaired later. If one of them is the leader,
    the others are compared with it, but the SERVER_ID in its oned.conf is not checked. If the
    leader changes during the check, the check starts again.
    """
    access.report("verify the zone")
    for _ in range(LEADERS):
        healthy = _verify(access, zone, hosts, without, seen=seen, before=before, renewed=renewed)
        now = healthy.leader, healthy.term
        elected = before is None or (before.leader, before.term) != now
        place = partial(keep if changes_vips else to_leader, elected=elected)
        try:
            return _with_vips(access, zone, hosts, healthy, place)
        except LeaderChanged:
            access.report("another leader: verify the zone again")
            seen = before = None
    raise _restless(healthy.leader)


def _verify(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    without: AbstractSet[str],
    *,
    seen: Mapping[str, Facts] | None,
    before: HealthyZone | None,
    renewed: str,
) -> HealthyZone:
    view = _converged(access, hosts, without)
    leader = view.leader() or ""
    known = {
        entry.name: hosts[entry.name]
        for entry in view.pool
        if entry.name in hosts and (entry.name not in without or entry.name == leader)
    }
    recent = {n: seen[n] for n in known} if seen and known.keys() <= seen.keys() else None
    lasting: dict[str, Facts] = {}
    # Is the leader the same as before, without an election since?
    if before and leadership(view) == (before.leader, before.term) and leader != renewed:
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
    return described(view, found, without)


def _with_vips(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    healthy: HealthyZone,
    place: Callable[..., Mapping[str, Facts]],
) -> HealthyZone:
    """Move the VIPs to the leader with ``place``; return the zone after that.

    Raises HostError, or LeaderChanged.
    """
    known = {name: hosts[name] for name in healthy.facts}
    seen = place(access, zone, known, healthy.leader, healthy.facts)
    if seen is healthy.facts:
        return healthy
    # Observed for their addresses, these facts have no checksums.
    facts = {
        name: replace(
            front_end, checksums=healthy.facts[name].checksums, remotes=healthy.facts[name].remotes
        )
        for name, front_end in seen.items()
    }
    return replace(healthy, facts=facts)


def last_check(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    healthy: HealthyZone,
    wanted: Mapping[str, Sequence[str]],
) -> HealthyZone:
    """Check the VIPs and the services of a healthy zone; return the zone after that.

    ``wanted``: the front-ends that stay, with the units that each has to run if it leads. Raises
    HostError.
    """
    if missing := sorted(wanted.keys() - healthy.facts.keys()):
        raise HostError(
            ", ".join(missing),
            "verify the zone",
            expected="every front-end of the stack to be a server of the zone",
            seen="no entry in its pool",
            remedy="pulumi refresh, then pulumi up: it joins",
        )
    for _ in range(LEADERS):
        with suppress(LeaderChanged):
            healthy = _with_vips(access, zone, hosts, healthy, to_leader)
            seen = {
                name: services.ServiceFacts.of(front_end)
                for name, front_end in healthy.facts.items()
            }
            known = {name: hosts[name] for name in healthy.facts}
            leader = services.put_in_place(
                access, zone, known, healthy.leader, wanted=wanted, seen=seen
            )
            if leader == healthy.leader:
                return healthy
        healthy = verify(access, zone, hosts)
    raise _restless(healthy.leader)


def _restless(leader: str) -> HostError:
    return HostError(
        leader,
        "verify the zone",
        expected="one leader that stays the leader",
        seen=f"{LEADERS} changes of the leader",
        remedy="look at /var/log/one/oned.log on the servers: the lines with [RCM] say why; then"
        " run again",
    )


def _converged(access: Access, hosts: Hosts, without: AbstractSet[str]) -> ZoneView:
    first = wait_for_leader(access, hosts)
    records = LeaderRecords(access, hosts)
    unused = [first]
    begun = time.monotonic()
    queried: set[str] = set()
    has_waited = False

    def look() -> ZoneView:
        nonlocal has_waited
        view, record = records.look(unused.pop() if unused else None)
        lacking = faults(view, without=without, record=record)
        listed = view.silent() - without - queried
        if listed and time.monotonic() - begun > SILENCE:
            # Its oned may be stopping, and start again after that.
            queried.update(listed)
            silent = {name: hosts[name] for name in listed if name in hosts}
            has_waited = await_stopped(access, silent) or has_waited
        if lacking or not view.pool:
            raise NotYet("; ".join(lacking) or states(view))
        return view

    def converge() -> ZoneView:
        return until(
            look,
            host=first.leader() or "",
            step="verify the zone",
            expected="one leader with all others its followers, none of them behind",
            seconds=CONVERGENCE,
            remedy="pulumi refresh, then pulumi up: what can be repaired is repaired; otherwise"
            " look at /var/log/one/oned.log on the servers named",
        )

    try:
        return converge()
    except HostError:
        if not has_waited:
            raise
    return converge()


def _same_answers(access: Access, hosts: Hosts, known: Hosts, view: ZoneView) -> None:
    """Wait until all servers pass calls on to the leader and list the same servers.

    During an election no server can pass a call on. A server is at fault only if the leader did not
    change. Raises HostError.
    """
    wrong, head = dict.fromkeys(known, ("", "")), leadership(view)

    def probe() -> bool | None:
        nonlocal wrong
        unheard = {name: known[name] for name in wrong}
        answers = on_each(unheard, lambda host: _wrong_answer(access, host, view))
        wrong = {name: answer for name, answer in answers.items() if answer}
        return None if wrong else True

    if repeat(probe, WRITE):
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
    """Return what that server should answer and what it answered; None if both are equal."""
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
    """Check that each oned with gRPC listens at its port. Raises HostError.

    Another port in oned.conf is not checked.
    """
    for name, facts in seen.items():
        is_default = conf.read(facts.oned_conf, "GRPC_PORT") in (None, str(ports.GRPC))
        if facts.active and has_grpc(facts.package) and is_default and not facts.has_grpc_port:
            raise HostError(
                name,
                "verify the zone",
                expected=f"oned to listen at port {ports.GRPC} (gRPC)",
                seen="no listener",
                remedy="look for gRPC in /var/log/one/oned.log there, restart opennebula, then run"
                " again",
            )
