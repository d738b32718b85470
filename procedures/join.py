"""Make one front-end a server of a zone that works."""

import time
from collections.abc import Mapping

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.api import ApiError
from opennebula.membership import Refusal, plan_join
from opennebula.zone import ServerEntry, State, ZoneView, endpoint, faults
from procedures import gate
from procedures.access import Access
from procedures.found import refused, zone_lock
from procedures.observe import Facts, all_facts, facts, require_names, way_in, zone_view
from procedures.oned import enlist, start
from procedures.seed import seed
from procedures.specs import MemberSpec
from procedures.wait import INTERVAL

_STEP = "join the zone"
CATCH_UP = 20.0
"""Seconds for a server that lags to have the leader's last record, or to be told of."""


def membership(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> tuple[int, str]:
    """The host's SERVER_ID, and what keeps it from being a sound server of the zone, if anything.

    Asks only the oneds. An ID of -1: it is not in the zone's pool.
    """
    view = zone_view(access, hosts)
    if view.leader() is not None and _lag(view, spec.host.name):
        # Where nobody writes a sound follower lags, too, until the next record has to reach it.
        gate.write(access, way_in(view, hosts))
        view = _caught_up(access, spec.host.name, hosts)
    return _place(view, spec.host.name)


def join(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> int:
    """Have the host in the zone, whatever an interrupted run left; its SERVER_ID.

    ``hosts`` are all that the zone may have, this one and those about to leave included.
    Raises HostError.
    """
    server_id, fault = _place(zone_view(access, hosts), spec.host.name)
    if server_id >= 0 and not fault:
        return server_id
    with zone_lock(access, hosts):
        return _Join(access, spec, hosts).run()


class _Join:
    def __init__(self, access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> None:
        self._access = access
        self._zone = spec.zone
        self._host = spec.host
        self._hosts = hosts
        self._missing: frozenset[str] = frozenset()

    def run(self) -> int:
        name = self._host.name
        leader = _leader(self._access, self._hosts)
        view = self._ready()
        pair = {leader: self._hosts[leader], name: self._host}
        seen = all_facts(self._access, pair, self._zone.database, names=pair)
        plan = plan_join(
            seen[name].view(view.statuses.get(name)),
            seen[leader].view(view.statuses[leader]),
            view.pool,
        )
        if isinstance(plan, Refusal):
            raise refused(plan, name, _STEP)
        entry = _entry(view, name)
        for reason in plan.reasons:
            self._access.report(f"{name}: join anew: {reason}")
        if plan.seed:
            require_names(seen.values(), pair)
            # The ID that the pool will give; it is set right before the start in any case.
            expected = entry.id if entry else max(item.id for item in view.pool) + 1
            self._seed(leader, seen[name], expected)
        if plan.register:
            entry = self._register()
        if entry is None:
            raise AssertionError("a plan that neither registers nor finds an entry")
        if plan.start:
            if not plan.register:
                # Before the start: whatever ends this run, the next one does both.
                self._reset(entry)
            self._start(entry)
        gate.verify(self._access, self._zone, self._hosts, without=self._missing)
        return entry.id

    def _seed(self, leader: str, target: Facts, server_id: int) -> None:
        seed(
            self._access,
            self._hosts[leader],
            [target],
            {target.host.name: server_id},
            self._zone.database,
            reason=f"before-join-{target.host.name}",
            keep=self._zone.keep_dumps,
            stop=False,
        )

    def _reset(self, entry: ServerEntry) -> None:
        """Have the leader begin anew with it, from the end of its own log backwards.

        It may have a fresh copy: without this the leader goes on to look for what it purged.
        """
        leader = _leader(self._access, self._hosts)
        try:
            self._access.api(self._hosts[leader]).reset_server(entry.id)
        except ApiError as error:
            raise HostError(
                leader,
                "reset the server in the leader's log",
                expected="success",
                seen=str(error),
                remedy=f"onezone server-reset 0 {entry.id} on the leader",
            ) from None

    def _ready(self) -> ZoneView:
        """The zone, whole but for this host. One change at a time: nobody else is missing.

        A server that only comes back changes nothing: it need not wait for others that are down,
        or of two such ones each would wait for the other.
        """
        gate.wait_for_leader(self._access, self._others())
        view = zone_view(self._access, self._hosts)
        name = self._host.name
        if _entry(view, name) is not None and name not in view.statuses:
            self._missing = frozenset(
                entry.name
                for entry in view.pool
                if entry.name != name and entry.name not in view.statuses
            )
        absent = self._missing | {name}
        found = [fault for fault in faults(view, without=absent) if " has index " not in fault]
        if found:
            raise HostError(
                self._host.name,
                _STEP,
                expected="every other zone server up before the zone is changed",
                seen="; ".join(found),
                remedy="bring those servers back first; then run again",
            )
        return view

    def _others(self) -> dict[str, Host]:
        return {name: host for name, host in self._hosts.items() if name != self._host.name}

    def _register(self) -> ServerEntry:
        name = self._host.name
        self._access.report(f"{name}: register with the leader")
        leader = _leader(self._access, self._hosts)
        api = self._access.api(self._hosts[leader], timeout=30)
        failure = ""
        try:
            if all(entry.name != name for entry in api.servers()):
                api.add_server(name, endpoint(name))
        except ApiError as error:
            # The call may have been taken all the same: the pool decides.
            failure = str(error)
        view = zone_view(self._access, self._hosts)
        entry = _entry(view, name)
        if entry is None:
            raise HostError(
                leader,
                "register the server",
                expected=f"{name} in the zone's pool",
                seen=failure or "it is not there",
                remedy="look at /var/log/one/oned.log on the leader, then run again",
            )
        return entry

    def _start(self, entry: ServerEntry) -> None:
        leader = _leader(self._access, self._hosts)
        body = facts(self._access, self._hosts[leader], self._zone.database).zone_body
        own = facts(self._access, self._host, self._zone.database)
        if not own.active:
            enlist(self._access, self._zone, own, entry.id, body)
        start(self._access, self._host, entry.id)


def _leader(access: Access, hosts: Mapping[str, Host]) -> str:
    leader = gate.wait_for_leader(access, hosts).leader() or ""
    if leader not in hosts:
        raise HostError(
            leader,
            _STEP,
            expected="one of the front-ends in the stack's config to lead",
            seen=f"{leader}, which is not in it",
            remedy=f"restart opennebula on {leader}, so that another one leads; then run again",
        )
    return leader


def _entry(view: ZoneView, name: str) -> ServerEntry | None:
    return next((entry for entry in view.pool if entry.name == name), None)


def _caught_up(access: Access, name: str, hosts: Mapping[str, Host]) -> ZoneView:
    """The zone once that server has the leader's last record, or as it is after CATCH_UP."""
    deadline = time.monotonic() + CATCH_UP
    while True:
        view = zone_view(access, hosts)
        caught_up = view.leader() is not None and name in view.statuses and not _lag(view, name)
        if caught_up or time.monotonic() > deadline:
            return view
        time.sleep(INTERVAL)


def _place(view: ZoneView, name: str) -> tuple[int, str]:
    entry = _entry(view, name)
    if not view.leader():
        return -1, "there is no leader"
    if entry is None:
        return -1, "it is not in the zone"
    return entry.id, "; ".join(filter(None, [*_own_faults(view, entry), _lag(view, name)]))


def _lag(view: ZoneView, name: str) -> str:
    """How far that server's log ends before the leader's; empty where it does not."""
    leader = view.leader()
    own = view.statuses.get(name)
    if leader is None or own is None or own.index >= view.statuses[leader].index:
        return ""
    return f"its log ends at {own.index}, the leader's at {view.statuses[leader].index}"


def _own_faults(view: ZoneView, entry: ServerEntry) -> list[str]:
    status = view.statuses.get(entry.name)
    head = view.statuses[view.leader() or ""]
    if status is None:
        return ["its oned does not answer"]
    found = []
    if status.server_id != entry.id:
        found.append(f"it runs with SERVER_ID {status.server_id}, the pool says {entry.id}")
    if status.state not in (State.FOLLOWER, State.LEADER):
        found.append(f"it is {status.state.name.lower()}")
    if status.term != head.term:
        found.append(f"it is in term {status.term}, the leader in {head.term}")
    return found
