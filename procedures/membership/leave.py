"""Remove servers from the zone, without losing quorum."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import Api
from opennebula.membership.leave import check_leave, check_shrink
from opennebula.membership.observed import Refusal
from opennebula.zone import STANDALONE_ID, ServerEntry, ZoneView, host_in
from procedures import zone_leader
from procedures.bootstrap.bootstrap import refused, zone_lock
from procedures.context import Access, Hosts
from procedures.facts.cache import FactsCache
from procedures.facts.observe import (
    api_host,
    facts_where_possible,
    raft_status,
    statuses,
    zone_view,
)
from procedures.install.hosts_file import change_names
from procedures.membership.join_server import Join
from procedures.membership.member_status import member_status
from procedures.membership.repair import repair
from procedures.oned_service import stop
from procedures.parallel import side_by_side
from procedures.specs import Database, MemberSpec, ZoneSpec
from procedures.standalone import survive
from procedures.switchover import switch_over
from procedures.transfer.seed import dump
from procedures.vip.address import leading_with_vips

_STEP = "leave the zone"
SHRINK = "shrink the zone"
SSH_PORT = 22
"""A host that refuses a connection to this port is up, too."""
PROBE = 10.0
"""Seconds to connect to it."""


def leave(
    access: Access,
    zone: ZoneSpec,
    host: Host,
    hosts: Hosts,
    *,
    allow_degraded: bool,
    dumped: bool = False,
) -> None:
    """Remove a host's server from the zone: stop its oned, then delete its entry. Idempotent.

    ``hosts``: all hosts that the zone may have. ``dumped``: this run has already kept a dump.

    In this order the zone continues without an election. A server that is deleted while it runs
    stands for election for ever; a deleted leader continues to lead, unknown to the others. Raises
    HostError.
    """
    others = {name: other for name, other in hosts.items() if name != host.name}
    with zone_lock(access, others):
        if _last_two(access, zone, host, others):
            return
        view = zone_leader.wait_for_leader(access, hosts)
        entry = view.entry(host.name)
        if entry is not None:
            dead = [] if allow_degraded else _dead(access, view, hosts, host.name)
            # The quorum does not change if it is down already.
            is_up = host.name in view.statuses
            stuck = zone_leader.stuck(access, hosts, step=_STEP, but=host.name) if is_up else {}
            refusal = check_leave(view, host.name, dead, stuck)
            if isinstance(refusal, Refusal):
                raise refused(refusal, host.name, _STEP)
            if len(view.pool) == 2 and view.leader() == host.name:
                # A single server of a pool of two cannot be elected: let the one that stays lead
                # first.
                (staying,) = (item.name for item in view.pool if item.name != host.name)
                pair = {name: hosts[name] for name in (host.name, staying)}
                switch_over(access, zone, pair, {staying})
            if not dumped:
                _keep_dump(access, zone, hosts, f"before-leave-{host.name}")
        stop(access, host)
        if entry is not None:
            _delete(access, entry, others)
            led_before = zone_leader.leadership(view)
            if zone_leader.leadership(zone_view(access, others)) != led_before:
                # Nothing may follow in this run. Of several candidates, one may have led for a
                # moment and announced the VIPs last: clients would have no answer for a while.
                leading_with_vips(access, zone, others)


def forget(access: Access, zone: ZoneSpec, lost: Iterable[str], hosts: Hosts) -> None:
    """Delete the entries of servers that are permanently lost, without connecting to them.

    ``hosts``: the hosts that stay. Raises HostError if these have no majority without the lost
    ones. Exception: a single server that is left continues alone.
    """
    lost = set(lost)
    with zone_lock(access, hosts):
        seen = facts_where_possible(access, hosts, zone.database)
        holding = {name: front_end for name, front_end in seen.items() if front_end.has_content}
        listed = {entry.name for front_end in holding.values() for entry in front_end.pool}
        if not lost & listed:
            return
        answers = statuses(access, {name: hosts[name] for name in holding})
        view = ZoneView((), answers)
        if view.leader() is None and len(holding) == 1 and listed - lost == set(holding):
            (name,) = holding
            access.report(f"{name}: continue alone, without {', '.join(sorted(lost & listed))}")
            survive(access, zone, hosts[name])
            return
        zone_leader.wait_for_leader(access, hosts)
        _keep_dump(access, zone, hosts, "before-forgetting")
        for entry in zone_view(access, hosts).pool:
            if entry.name in lost:
                access.report(f"remove {entry.name}, which is lost")
                _delete(access, entry, hosts)


def require_left(access: Access, host: Host, hosts: Hosts, database: Database) -> None:
    """Raise HostError if the zone of these hosts lists that host, which is about to be stopped.

    That happens after a run that was killed during its join, without a record in the state.
    """
    view = zone_view(access, hosts)
    listed = {entry.name for entry in view.pool}
    if view.statuses and not listed:
        known = facts_where_possible(access, hosts, database)
        listed = {entry.name for front_end in known.values() for entry in front_end.pool}
    if host.name in listed:
        raise HostError(
            host.name,
            "remove the installation",
            expected="a host that is no server of the zone",
            seen=f"{host.name} in the zone's list of servers, and not in the state: a run was"
            " interrupted while it joined",
            remedy=f"list {host.name} under opennebula-ha:frontends again, and run pulumi up; then"
            " it can be removed from the list",
        )


def require_gone(access: Access, lost: Mapping[str, str], hosts: Hosts) -> None:
    """Check that no oned answers at the addresses of lost servers. Raises HostError.

    ``lost``: these addresses by name. They are called from one of ``hosts``.

    A lost server that runs again does not know that it was deleted. It stands for election again
    and again, and each time the leader steps down.
    """
    answering = statuses(access, hosts) if lost else {}
    if not answering:
        return
    way = hosts[min(answering)]
    for name, address in sorted(lost.items()):
        back = raft_status(access, way, 5, of=address)
        if back is None or back.server_id == STANDALONE_ID:
            continue
        raise HostError(
            name,
            "check that lost servers stay off",
            expected=f"no oned at {address}, since opennebula-ha:lost names {name}",
            seen=f"server {back.server_id}, a {back.state.name.lower()} in term {back.term}: out of"
            " the zone it stands for election again and again, and deposes the leader each time",
            remedy=f"on {name}: systemctl disable --now opennebula (a candidate takes a minute or"
            " two to stop), or power it off; to make it a front-end again, drop its"
            " database, remove it from lost and add it to frontends",
        )


def prepare(
    access: Access,
    zone: ZoneSpec,
    staying: Hosts,
    leaving: Hosts,
    *,
    allow_degraded: bool,
    in_hosts_file: bool = False,
) -> bool:
    """Prepare the zone before the first of several servers leaves.

    Starts servers that stay and that an interrupted leave has stopped; refuses what could cost the
    zone its quorum; removes the servers that are already down; makes a server that stays the
    leader; keeps a dump there.

    A server that is down counts for the quorum, and prevents each join and rollout.
    ``in_hosts_file``: this program's hosts file has the front-ends' names. If a leaving server
    becomes leader again, it must resolve the names of servers that join.

    Returns False, without any change, if the zone has no leader. Raises HostError before any
    change.
    """
    everybody = {**leaving, **staying}
    view = zone_view(access, everybody)
    if not view.pool:
        return False
    view = _bring_back(access, zone, staying, everybody, view)
    refusal = check_shrink(view, list(leaving), allow_degraded=allow_degraded)
    if refusal is not None:
        raise refused(refusal, ", ".join(sorted(leaving)), SHRINK)
    silent = {name: leaving[name] for name in sorted(view.silent() & leaving.keys())}
    if view.leader():
        stuck = zone_leader.stuck(access, everybody, step=SHRINK)
        silent |= {name: leaving[name] for name in stuck if name in leaving}
    gone = silent.keys() - facts_where_possible(access, silent, zone.database).keys()
    if gone:
        raise unreachable(gone)
    for host in silent.values():
        peers = {**staying, host.name: host}
        leave(access, zone, host, peers, allow_degraded=allow_degraded)
    listed = {entry.name for entry in view.pool}
    if in_hosts_file and staying.keys() - listed:
        there = {n: host for n, host in leaving.items() if n in listed - silent.keys()}
        change_names(access, there, added=staying)
    successors = {entry.name for entry in view.pool} & staying.keys()
    if view.leader() in leaving and successors:
        healthy = _without_faults(access, zone, everybody, successors)
        with zone_lock(access, staying):
            switch_over(access, zone, everybody, healthy)
    names = "-".join(sorted(entry.name for entry in view.pool if entry.name in leaving))
    if names:
        _keep_dump(access, zone, everybody, f"before-leave-{names}")
    return True


def _bring_back(
    access: Access, zone: ZoneSpec, staying: Hosts, everybody: Hosts, view: ZoneView
) -> ZoneView:
    """Start the servers that stay, but that an interrupted leave has stopped; return the zone.

    A server that its operator stopped is not started: it starts with its host.
    """
    silent = {name: staying[name] for name in sorted(view.silent() & staying.keys())}
    seen = facts_where_possible(access, silent, zone.database)
    views = [front_end.view(None) for front_end in seen.values()]
    stopped = sorted(server.name for server in views if server.is_member and server.stopped_by_us)
    for name in stopped:
        with zone_lock(access, staying):
            Join(access, MemberSpec(host=silent[name], zone=zone), everybody).run()
    return zone_view(access, everybody) if stopped else view


def _without_faults(
    access: Access, zone: ZoneSpec, hosts: Hosts, names: Collection[str]
) -> set[str]:
    """Return the servers whose data and keys are the leader's. If all differ, repair one of them.

    The next leader's data and keys are the zone's from then on.
    """
    survey = FactsCache(access, hosts, zone.database)
    specs = {name: MemberSpec(host=hosts[name], zone=zone) for name in names}
    healthy = {name for name in names if not member_status(access, specs[name], survey).faults}
    if healthy:
        return healthy
    repair(access, specs[min(names)], hosts)
    return {min(names)}


def unreachable(gone: Iterable[str]) -> HostError:
    """Return the error for leaving hosts that do not answer."""
    names = ", ".join(sorted(gone))
    return HostError(
        names,
        SHRINK,
        expected="a host that can be reached, to stop its oned before it leaves",
        seen="no answer",
        remedy=f"bring it back; or, if it is permanently lost, list {names} under"
        " opennebula-ha:lost: it must never come back as it was",
    )


def _last_two(access: Access, zone: ZoneSpec, host: Host, others: Hosts) -> bool:
    """Finish an interrupted leave of one of two servers: it is stopped, the other cannot lead.

    Return whether there was one.
    """
    answers = statuses(access, others)
    if ZoneView((), answers).leader() is not None:
        return False
    seen = facts_where_possible(access, {**others, host.name: host}, zone.database)
    own = seen.get(host.name)
    staying = [
        name
        for name, front_end in seen.items()
        if name != host.name
        and {entry.name for entry in front_end.pool} == {name, host.name}
        and front_end.has_content
    ]
    if own is None or not own.has_ended or len(staying) != 1:
        return False
    survive(access, zone, others[staying[0]])
    return True


def _dead(access: Access, view: ZoneView, hosts: Hosts, name: str) -> list[str]:
    """Return the other servers whose oned is silent and whose host does not answer either."""
    silent = view.silent() - {name}
    addresses = {e.name: host_in(e.endpoint) or e.name for e in view.pool if e.name in silent}
    connection = access.connection(api_host(view, hosts))

    def is_dead(address: str) -> bool:
        try:
            connection.open_stream(SSH_PORT, PROBE, address).close()
        except OSError as error:
            # A host that refuses a connection is up.
            return "refused" not in str(error).lower()
        return False

    found = side_by_side({other: partial(is_dead, address) for other, address in addresses.items()})
    return sorted(n for n, dead in found.items() if dead)


def _keep_dump(access: Access, zone: ZoneSpec, hosts: Hosts, reason: str) -> None:
    host = api_host(zone_leader.wait_for_leader(access, hosts), hosts)
    dump(access, host, zone, reason=reason, stop=False)


def _delete(access: Access, entry: ServerEntry, others: Hosts) -> None:
    def delete(api: Api) -> None:
        # A call that failed may have been executed: the pool decides.
        if any((item.id, item.endpoint) == (entry.id, entry.endpoint) for item in api.servers()):
            api.delete_server(entry.id)

    expected = f"the zone without server {entry.id} {entry.name}"
    zone_leader.ask(access, others, delete, step=_STEP, expected=expected)
    zone_leader.write(access, others)
