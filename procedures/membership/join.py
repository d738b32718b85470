"""Make one front-end a server of a zone that works."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import Api
from opennebula.membership.join import plan_join
from opennebula.membership.observed import Refusal
from opennebula.zone import (
    ServerEntry,
    State,
    ZoneView,
    endpoint,
    faults,
    following,
    quorum,
)
from procedures import health, zone_leader
from procedures.bootstrap.bootstrap import KnownZone, refused, zone_lock
from procedures.context import Access
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, facts, require_names, zone_view
from procedures.install import storage
from procedures.oned_service import assign_server_id, start, stop
from procedures.replica_drift import lasting, mismatches, tables
from procedures.specs import MemberSpec
from procedures.transfer.seed import dump, seed
from procedures.wait import INTERVAL, repeat, until

STEP = "join the zone"
SECOND_LOOK = 3.0
"""Seconds in which every server that follows has and applies what the leader had before."""
PATIENCE = 20.0
"""Seconds for the others to come out of an election, or of standing still."""


@dataclass(frozen=True)
class MemberStatus:
    """A front-end's place in the zone, and what keeps it from being a sound server of it."""

    server_id: int
    """-1: it is not in the zone's pool."""
    faults: tuple[str, ...] = ()
    resync: tuple[str, ...] = ()
    """Those of the faults that only the leader's data and keys repair."""
    follows: bool = False
    """It leads, or takes what the leader writes."""


def member_status(
    access: Access, spec: MemberSpec, survey: FactsCache, *, writes: bool = True
) -> MemberStatus:
    """The host's place, by what its oned says and by what it holds in comparison to the leader.

    ``writes``: where its log ends before the leader's, one harmless write shows whether it follows.
    """
    hosts, name = survey.hosts, spec.host.name
    found = membership(access, spec, hosts, writes=writes)
    known = survey.known_facts()
    view = survey.view()
    leader, entry = view.leader(), _entry(view, name)
    if entry is None or name not in known or leader not in known:
        return found
    own, head, faults = known[name], known[leader], list(found.faults)
    if not own.active:
        faults = ["its oned is being stopped" if own.stopping else "its oned is stopped"]
    status = view.statuses.get(name)
    resync = mismatches(own, head, entry, runs_as=status.server_id if status else None)
    if own.identity != head.identity:
        faults.append("its database is empty, or another OpenNebula's")
    elif tables(own, head):
        time.sleep(SECOND_LOOK)
        pair = {name: spec.host, leader: hosts[leader]}
        later = all_facts(access, pair, survey.database, checksums=True)
        if differing := lasting((own, head), (later[name], later[leader])):
            resync.append(f"its data differ from the leader's: {', '.join(differing)}")
    return replace(found, faults=tuple(dict.fromkeys([*faults, *resync])), resync=tuple(resync))


def membership(
    access: Access, spec: MemberSpec, hosts: Mapping[str, Host], *, writes: bool = True
) -> MemberStatus:
    """The host's place in the zone by what the oneds say, without a look at what it holds."""
    view = zone_view(access, hosts)
    if writes and view.leader() is not None and _lag(view, spec.host.name):
        # Without writes a sound follower lags, too, until the next record has to reach it.
        return _caught_up(access, spec.host.name, hosts)
    return _by_status(view, spec.host.name)


def join(
    access: Access, spec: MemberSpec, hosts: Mapping[str, Host], known_zone: KnownZone | None = None
) -> int:
    """Have the host in the zone, whatever an interrupted run left; its SERVER_ID.

    ``hosts`` are all that the zone may have, this one and those about to leave included.
    ``known_zone``: what this run knows of the zone already. Raises HostError.
    """
    known_zone = known_zone or KnownZone()
    name = spec.host.name
    # Sound as it was when the zone began, it is not asked again: the rollout looks at everything.
    found = _by_status(known_zone.view, name) if known_zone.view else MemberStatus(-1)
    if found.server_id < 0 or found.faults:
        found = _by_status(zone_view(access, hosts), name)
    if found.server_id >= 0 and not found.faults:
        return found.server_id
    if found.server_id >= 0:
        access.report(f"{name}: repair: {'; '.join(found.faults)}")
    with zone_lock(access, hosts):
        return Join(access, spec, hosts, seeded=name in known_zone.seeded).run()


class Join:
    """One server's way into the zone, or back into it."""

    def __init__(
        self,
        access: Access,
        spec: MemberSpec,
        hosts: Mapping[str, Host],
        *,
        resync: Sequence[str] = (),
        awaiting: Collection[str] = (),
        seeded: bool = False,
        follows: bool = True,
    ) -> None:
        """``resync``: see ``plan_join``; ``awaiting``: servers whose own repair is yet to come;
        ``follows``: it is a part of a majority, as far as its status says so.
        """
        self._follows = follows
        self._resync = resync
        self._seeded = seeded
        self._awaiting = frozenset(awaiting)
        self._access = access
        self._zone = spec.zone
        self._host = spec.host
        self._hosts = hosts
        self._missing: frozenset[str] = frozenset()

    def run(self) -> int:
        """Do what is missing, and check the zone; the server's ID. Raises HostError."""
        name = self._host.name
        view = self._ready()
        if _entry(view, name) is None and self._resync_stuck():
            view = self._ready()
        leader = _known(view, self._hosts)
        if leader == name and self._resync:
            leader, view = self._step_down(view)
        pair = {leader: self._hosts[leader], name: self._host}
        seen = all_facts(self._access, pair, self._zone.database, names=pair)
        storage.require_same({name: front_end.storage for name, front_end in seen.items()})
        self._report_list(seen[name], view)
        plan = plan_join(
            seen[name].view(view.statuses.get(name)),
            seen[leader].view(view.statuses[leader]),
            view.pool,
            resync=self._resync,
            seeded=self._seeded,
        )
        if isinstance(plan, Refusal):
            raise refused(plan, name, STEP)
        entry = _entry(view, name)
        steps = iter(plan.steps)

        def begin() -> None:
            number, title = next(steps)
            self._access.report(f"{name}: step {number} of {len(plan.steps)}: {title}")

        for reason in plan.reasons:
            self._access.report(f"{name}: rejoin: {reason}")
        if plan.seed and self._resync:
            # What it holds may be of interest to the operator: nothing of it is lost.
            dump(
                self._access,
                self._host,
                self._zone.database,
                reason=f"differing-{name}",
                keep=self._zone.keep_dumps,
                stop=True,
            )
        if plan.seed:
            begin()
            require_names(seen.values(), pair)
            # The ID that the pool will give; it is set right before the start in any case.
            expected = entry.id if entry else max(item.id for item in view.pool) + 1
            self._seed(leader, seen[name], expected)
        if plan.register:
            begin()
            entry = self._register()
        if entry is None:
            raise AssertionError("a plan that neither registers nor finds an entry")
        if plan.start:
            begin()
            if not plan.register:
                # Before the start: whatever ends this run, the next one does both.
                self._reset(entry)
            self._start(entry)
        begin()
        health.verify(
            self._access,
            self._zone,
            self._hosts,
            without=self._missing | self._awaiting,
        )
        return entry.id

    def _resync_stuck(self) -> bool:
        """Repair servers that follow and take no record: whether there were any.

        A new entry raises the quorum, and none of them would be a part of it.
        """
        left = zone_leader.stuck(self._access, self._hosts, step=STEP)
        names = sorted(left)
        for number, name in enumerate(names, 1):
            reason = f"its log ends at {left[name]} and takes nothing that the leader writes"
            self._access.report(f"{name}: repair: {reason}")
            spec = MemberSpec(host=self._hosts[name], zone=self._zone)
            Join(
                self._access,
                spec,
                self._hosts,
                resync=[reason],
                awaiting=names[number:],
                follows=False,
            ).run()
        return bool(names)

    def _report_list(self, own: Facts, view: ZoneView) -> None:
        """Say where the server's own database lists other servers than the leader's."""
        if own.has_content and own.pool != view.pool and _entry(view, own.host.name) is not None:
            listed = ", ".join(entry.name for entry in own.pool) or "no server"
            everybody = ", ".join(entry.name for entry in view.pool)
            self._access.report(
                f"{own.host.name}: its database lists {listed}, the zone has {everybody}"
            )

    def _step_down(self, view: ZoneView) -> tuple[str, ZoneView]:
        """Stop the leader's own oned: its configuration is not one to start again with."""
        name = self._host.name
        if len(view.pool) == 1:
            raise HostError(
                name,
                STEP,
                expected="another zone server to lead",
                seen=f"{name} alone; {'; '.join(self._resync)}",
                remedy="correct it on the host, then run again",
            )
        zone_leader.write(self._access, self._hosts, view)
        stop(self._access, self._host)
        view = zone_leader.wait_for_leader(self._access, self._others())
        return _known(view, self._hosts), view

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
        """Have the leader begin again with it, from the end of its own log backwards.

        It may have a fresh copy: without this the leader looks on for what it purged.
        """
        zone_leader.at_leader(
            self._access,
            self._hosts,
            lambda api: api.reset_server(entry.id),
            step="reset the server in the leader's log",
            expected="success",
            remedy=f"onezone server-reset 0 {entry.id} on the leader",
        )

    def _ready(self) -> ZoneView:
        """The zone, as soon as this server may be changed without harm to it.

        A new server wants all others up, and the repair of one that follows the leader a quorum
        without it. A server that only comes back changes nothing: it need not wait for others that
        are down, or of two such ones each would wait for the other. What an election takes, or a
        host that stands still for some seconds, is waited out. It does not wait for those whose own
        repair is yet to come.
        """
        name = self._host.name
        lacking: list[str] = []
        view = zone_leader.wait_for_leader(self._access, self._hosts)
        deadline = time.monotonic() + PATIENCE

        def look() -> ZoneView | None:
            nonlocal lacking, view
            view = zone_leader.wait_for_leader(self._access, self._hosts)
            listed = _entry(view, name) is not None
            silent = frozenset(
                entry.name
                for entry in view.pool
                if entry.name != name and entry.name not in view.statuses
            )
            absent = self._awaiting | {name}
            only_returns = listed and not (self._follows and name in view.statuses)
            waited = listed and time.monotonic() > deadline
            if only_returns or (waited and self._keeps_quorum(view)):
                absent |= silent
            found = faults(view, without=absent)
            lacking = [fault for fault in found if " has index " not in fault]
            if not lacking:
                self._missing = silent
            return None if lacking else view

        return until(
            look,
            host=name,
            step=STEP,
            expected="every other zone server up before the zone is changed",
            seconds=PATIENCE + INTERVAL,
            seen=lambda: "; ".join(lacking),
            remedy="pulumi refresh, then pulumi up: what can be repaired is repaired first; bring"
            " back servers that do not answer, or name them under opennebula-ha:lost where they are"
            " gone for good",
        )

    def _keeps_quorum(self, view: ZoneView) -> bool:
        up = following(view) - {self._host.name}
        return len(up) >= quorum(len(view.pool))

    def _others(self) -> dict[str, Host]:
        return {name: host for name, host in self._hosts.items() if name != self._host.name}

    def _register(self) -> ServerEntry:
        name = self._host.name
        self._access.report(f"{name}: register with the leader")

        def register(api: Api) -> ServerEntry:
            # A call that failed may have been taken all the same: the pool decides.
            if all(entry.name != name for entry in self._access.named(api.servers())):
                api.add_server(name, endpoint(name), self._zone.grpc_of(name))
            pool = self._access.named(api.servers())
            return next(entry for entry in pool if entry.name == name)

        return zone_leader.at_leader(
            self._access,
            self._hosts,
            register,
            step="register the server",
            expected=f"{name} in the zone's pool",
        )

    def _start(self, entry: ServerEntry) -> None:
        leader = _leader(self._access, self._hosts)
        body = facts(self._access, self._hosts[leader], self._zone.database).zone_body
        own = facts(self._access, self._host, self._zone.database)
        if not own.active:
            assign_server_id(self._access, self._zone, own, entry.id, body)
        start(self._access, self._host, entry.id)


def _leader(access: Access, hosts: Mapping[str, Host]) -> str:
    return _known(zone_leader.wait_for_leader(access, hosts), hosts)


def _known(view: ZoneView, hosts: Mapping[str, Host]) -> str:
    leader = view.leader() or ""
    if leader not in hosts:
        raise zone_leader.strange_leader(leader, STEP)
    return leader


def _entry(view: ZoneView, name: str) -> ServerEntry | None:
    return next((entry for entry in view.pool if entry.name == name), None)


def _caught_up(access: Access, name: str, hosts: Mapping[str, Host]) -> MemberStatus:
    """That server's place once it has what the leader has now, or as it is after ``CATCH_UP``.

    While clients write all the time, the leader's last record is always another.
    """
    records = zone_leader.LeaderRecords(access, hosts)
    view, record = ZoneView((), {}), None

    def look() -> bool | None:
        nonlocal view, record
        view, record = records.try_look()
        known = record is not None and name in view.statuses
        return True if known and not _lag(view, name, record) else None

    repeat(look, zone_leader.CATCH_UP)
    return _by_status(view, name, record)


def _by_status(view: ZoneView, name: str, record: int | None = None) -> MemberStatus:
    entry = _entry(view, name)
    if not view.leader():
        return MemberStatus(-1, ("there is no leader",))
    if entry is None:
        return MemberStatus(-1, ("it is not in the zone",))
    lag = _lag(view, name, record)
    found = (*_own_faults(view, entry), *filter(None, [lag]))
    return MemberStatus(entry.id, found, follows=name in following(view) and not lag)


def _lag(view: ZoneView, name: str, record: int | None = None) -> str:
    """How far that server's log ends before the leader's, or that record; empty: it does not."""
    leader = view.leader()
    own = view.statuses.get(name)
    if leader is None or own is None:
        return ""
    if own.index >= (view.statuses[leader].index if record is None else record):
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
