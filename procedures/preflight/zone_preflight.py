"""Find what the zone would refuse later, before anything is written on any host.

The planners are those of the later steps, which plan again from what they observe then. This raises
nothing that they would not raise. What only a later step can see is left to it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError
from opennebula.membership.join import plan_join
from opennebula.membership.leave import check_shrink
from opennebula.membership.observed import FrontEndView, Refusal
from opennebula.membership.steps import Adopt
from opennebula.membership.zone import plan_zone
from opennebula.zone import ZoneView, host_in
from procedures.bootstrap import bootstrap
from procedures.bootstrap.bootstrap import refused
from procedures.context import Access
from procedures.credentials import password
from procedures.facts.facts import Facts
from procedures.facts.observe import facts_where_possible, names_of_leaving, statuses, zone_view
from procedures.facts.signs import on_sqlite
from procedures.install.install import not_ours
from procedures.membership import join_server, leave
from procedures.specs import ZoneSpec


@dataclass(frozen=True)
class ZoneChange:
    """What a change of the stack means for its zone."""

    zone: ZoneSpec
    staying: Mapping[str, Host]
    leaving: Mapping[str, Host]
    """Front-ends that were removed from the stack, without the lost ones."""
    new: Collection[str] = ()
    """Front-ends that are new to the stack."""
    lost: Collection[str] = ()
    lost_at: Mapping[str, str] = field(default_factory=dict)
    """Front-ends that the stack had at its last ``up`` and that are lost, with their addresses."""
    restoring: bool = False
    """The zone is restored from a dump if no front-end holds a database."""
    changes_password: bool = False
    allow_degraded: bool = False

    @property
    def hosts(self) -> dict[str, Host]:
        """Return all front-ends that the zone may have, without the lost ones."""
        return {**self.leaving, **self.staying}


@dataclass(frozen=True)
class Foreseen:
    """The consequences of the change for the zone."""

    refusals: tuple[HostError, ...] = ()
    adopted: frozenset[str] = frozenset()
    """The front-ends of a zone that already runs."""
    leaving: Mapping[str, str] | None = None
    """See ``names_of_leaving``; None if it was not determined."""


def foresee(access: Access, change: ZoneChange, seen: Mapping[str, Facts]) -> Foreseen:
    """Plan the zone from the facts of the hosts that stay. Changes nothing.

    ``seen``: present facts, observed with the names of all front-ends. If one is missing, or an
    interrupted upgrade must be resumed first, this returns no finding.
    """
    if not change.staying.keys() <= seen.keys() or any(
        front_end.silent or front_end.upgrading or front_end.migrating
        for front_end in seen.values()
    ):
        return Foreseen()
    known = {name: seen[name] for name in change.staying}
    known |= facts_where_possible(access, change.leaving, change.zone.database)
    running = {name: front_end.host for name, front_end in known.items() if front_end.active}
    try:
        way = password.present_access(access, running, changed=change.changes_password)
        answers = statuses(way, running)
        view = zone_view(way, change.hosts) if answers else ZoneView((), {})
    except HostError as error:
        return Foreseen((error,))
    views = [front_end.view(answers.get(name)) for name, front_end in known.items()]
    if misled := tuple(_of_endpoints(access, change, view)):
        return Foreseen(misled)
    foreseen = judge(change, views, view, access.secrets.one_pass)
    try:
        leave.require_gone(way, change.lost_at, running)
    except HostError as error:
        foreseen = Foreseen((*foreseen.refusals, error))
    addresses = {name: host.address for name, host in change.leaving.items()}
    return Foreseen(
        foreseen.refusals,
        # Data in SQLite will be moved, as the config demands.
        frozenset()
        if any(on_sqlite(front_end, change.zone.database) for front_end in known.values())
        else foreseen.adopted,
        names_of_leaving(known.values(), change.staying, change.lost, addresses),
    )


def _of_endpoints(access: Access, change: ZoneChange, view: ZoneView) -> Iterator[HostError]:
    """Check that the endpoint of each server that is new to the stack leads to that server.

    An endpoint with the front-end's name or address does. Others are called from the leader's host.
    """
    leader = change.hosts.get(view.leader() or "")
    if leader is None:
        return
    for entry in view.pool:
        host = change.hosts.get(entry.name)
        at = host_in(entry.endpoint)
        if host is None or entry.name not in change.new or at in (host.name, host.address):
            continue
        try:
            found = access.api(leader, of=at).raft_status().server_id
        except (ApiError, HostError) as error:
            seen = f"asked from {leader.name}: {error}"
        else:
            if found == entry.id:
                continue
            seen = f"SERVER_ID {found} there"
        yield HostError(
            entry.name,
            "check the registered endpoints of the zone's servers",
            expected=f"server {entry.id} {entry.registered} at {entry.endpoint}",
            seen=seen,
            remedy=f"correct what {at} resolves to, or zone_server of {entry.name} in"
            " opennebula-ha:frontends; then run again",
        )


def judge(
    change: ZoneChange, front_ends: Collection[FrontEndView], view: ZoneView, one_pass: str = ""
) -> Foreseen:
    """Return the consequences from what was observed. Pure.

    ``view``: the zone as its leader shows it; empty without a leader.
    """
    staying = [host for host in front_ends if host.name in change.staying]
    forgets = {entry.name for host in staying for entry in host.pool} & {*change.lost}
    refusals = [*_of_strangers(change, front_ends), *_of_lost(change, staying, view, forgets)]
    adopted: frozenset[str] = frozenset()
    if not refusals and not (forgets and view.leader() is None):
        plan = plan_zone(
            tuple(_without(host, change.leaving) for host in front_ends),
            highly_available=change.zone.highly_available,
            leaving=(*change.leaving, *forgets),
            restoring=change.restoring,
        )
        if isinstance(plan, Refusal):
            refusals.append(refused(plan, ", ".join(sorted(change.hosts)), bootstrap.STEP))
        elif any(isinstance(step, Adopt) for step in plan):
            refusals += _of_joins(change, front_ends, view)
            adopted = frozenset(entry.name for entry in view.pool) & change.staying.keys()
        elif not plan:
            # A single standalone front-end, as the stack wants it.
            adopted = frozenset(change.staying)
    if change.zone.highly_available and view.leader() is not None:
        refusals += _of_leaves(change, front_ends, view)
    if change.changes_password and view.statuses:
        refusals += _of_password(change, view, one_pass)
    return Foreseen(tuple(refusals), adopted if not refusals else frozenset())


def _without(host: FrontEndView, leaving: Collection[str]) -> FrontEndView:
    """Leave out the servers that the bootstrap removes from a standalone first server's pool."""
    if not host.is_standalone:
        return host
    return replace(host, pool=tuple(entry for entry in host.pool if entry.name not in leaving))


def _of_strangers(change: ZoneChange, front_ends: Collection[FrontEndView]) -> Iterator[HostError]:
    """Check that a new front-end holds no data, or a copy of the data of the stack's others."""
    own = [host for host in front_ends if host.has_content and host.name not in change.new]
    for host in front_ends:
        if host.has_content and host.name in change.new:
            strange = sorted(other.name for other in own if other.identity != host.identity)
            if strange:
                yield not_ours(host.name, strange)


def _of_lost(
    change: ZoneChange,
    staying: Collection[FrontEndView],
    view: ZoneView,
    forgets: Collection[str],
) -> Iterator[HostError]:
    """Check that the rest has a majority without the lost servers, or is a single server."""
    if not forgets or view.leader() is not None:
        return
    holding = {host.name for host in staying if host.has_content}
    listed = {entry.name for host in staying for entry in host.pool}
    if listed - {*forgets} == holding and len(holding) == 1:
        return
    stopped = sorted(host.name for host in staying if host.is_member and not host.running)
    yield HostError(
        ", ".join(sorted(change.staying)),
        "remove the lost servers from the zone",
        expected="a leader among the servers that are left, or one server that is left alone",
        seen="no leader" + (f"; stopped: {', '.join(stopped)}" if stopped else ""),
        remedy="start opennebula on the front-ends that are left, so that they elect a leader; or"
        " name all but one of them under opennebula-ha:lost, and that one continues alone",
    )


def _of_joins(
    change: ZoneChange, front_ends: Collection[FrontEndView], view: ZoneView
) -> Iterator[HostError]:
    """Check the joins of the front-ends that stay, by the leader's present data and pool."""
    by_name = {host.name: host for host in front_ends}
    leader = by_name.get(view.leader() or "")
    if leader is None:
        return
    for name in sorted(change.staying):
        if name != leader.name:
            plan = plan_join(by_name[name], leader, view.pool)
            if isinstance(plan, Refusal):
                yield refused(plan, name, join_server.STEP)


def _of_leaves(
    change: ZoneChange, front_ends: Collection[FrontEndView], view: ZoneView
) -> Iterator[HostError]:
    leaving = {entry.name for entry in view.pool if entry.name in change.leaving}
    if not leaving:
        return
    refusal = check_shrink(
        view,
        sorted(leaving),
        allow_degraded=change.allow_degraded,
        returning={host.name for host in front_ends if host.is_member and host.stopped_by_us},
    )
    if refusal is not None:
        yield refused(refusal, ", ".join(sorted(leaving)), leave.SHRINK)
    gone = leaving - view.statuses.keys() - {host.name for host in front_ends}
    if gone:
        yield leave.unreachable(gone)


def _of_password(change: ZoneChange, view: ZoneView, one_pass: str) -> Iterator[HostError]:
    yield from password.unfit(", ".join(sorted(change.staying)), one_pass)
    if down := sorted(view.silent()):
        yield HostError(
            ", ".join(down),
            password.STEP,
            expected="every zone server up: each must take the new password",
            seen=f"no answer of the oned on {', '.join(down)}",
            remedy=f"start opennebula on {', '.join(down)}, or set opennebula-ha:one_pass back;"
            " then run again",
        )
