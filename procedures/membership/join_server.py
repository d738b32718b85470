"""The join, rejoin or repair of one server of a running zone, with all its steps."""

import time
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass, field

from hosts.errors import HostError
from opennebula.api import Api
from opennebula.membership.join import plan_join
from opennebula.membership.observed import Refusal
from opennebula.zone import ServerEntry, ZoneView, endpoint, faults, following, quorum
from procedures import health, zone_leader
from procedures.bootstrap.bootstrap import refused
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, facts, require_names, zone_view
from procedures.install import storage
from procedures.oned_service import assign_server_id, start, stop
from procedures.specs import MemberSpec
from procedures.transfer.seed import dump, seed
from procedures.vip.address import leading_with_vips
from procedures.wait import INTERVAL, NotYet, until

STEP = "join the zone"
PATIENCE = 20.0
"""Seconds for the other servers to end an election, or to answer again."""


@dataclass
class Join:
    """The join, rejoin or repair of one server."""

    access: Access
    spec: MemberSpec
    hosts: Hosts
    _: KW_ONLY
    resync: Sequence[str] = ()
    """See ``plan_join``."""
    awaiting: Collection[str] = ()
    """Servers that are repaired later."""
    seeded: bool = False
    follows: bool = True
    """It is part of a majority if its status says so."""
    _missing: frozenset[str] = field(default=frozenset(), init=False)

    def run(self) -> int:
        """Do the missing steps and the health check; return the server's ID. Raises HostError."""
        name = self.spec.host.name
        view = self._ready()
        if self._resync_stuck(view):
            view = self._ready()
        leader = zone_leader.require_ours(view.leader(), self.hosts, STEP)
        if leader == name and self.resync:
            leader, view = self._step_down(view)
        pair = {leader: self.hosts[leader], name: self.spec.host}
        seen = all_facts(self.access, pair, self.spec.zone.database, names=pair)
        storage.require_same({name: front_end.storage for name, front_end in seen.items()})
        self._report_list(seen[name], view)
        own, head = (seen[one].view(view.statuses.get(one)) for one in (name, leader))
        plan = plan_join(own, head, view.pool, resync=self.resync, seeded=self.seeded)
        if isinstance(plan, Refusal):
            raise refused(plan, name, STEP)
        entry = view.entry(name)
        steps = iter(plan.steps)

        def begin() -> None:
            number, title = next(steps)
            self.access.report(f"{name}: step {number} of {len(plan.steps)}: {title}")

        for reason in plan.reasons:
            self.access.report(f"{name}: rejoin: {reason}")
        if plan.seed and self.resync and seen[name].has_content:
            # Keep the data that is replaced: the operator may need it.
            dump(self.access, self.spec.host, self.spec.zone, reason=f"differing-{name}", stop=True)
        if plan.seed:
            begin()
            require_names(seen.values(), pair)
            # The ID that the pool will assign; it is set again before the start.
            ids = {name: entry.id if entry else max(item.id for item in view.pool) + 1}
            source, reason = self.hosts[leader], f"before-join-{name}"
            zone = self.spec.zone
            seed(self.access, source, [seen[name]], ids, zone, reason=reason, stop=False)
        if plan.register:
            begin()
            entry = self._register()
        if entry is None:
            raise AssertionError("a plan that neither registers nor finds an entry")
        if plan.start:
            begin()
            if not plan.register:
                # Before the start, so that an interrupted run repeats both.
                self._reset(entry)
            self._start(entry)
        begin()
        without = self._missing | {*self.awaiting}
        health.verify(self.access, self.spec.zone, self.hosts, without=without)
        return entry.id

    def _resync_stuck(self, view: ZoneView) -> bool:
        """Give servers that follow and take no record a fresh copy; return whether there are any.

        If this server is in the zone, only itself, in this join. Otherwise all of them, now: its
        new entry raises the quorum, and none of them would be a part of it.
        """
        name = self.spec.host.name
        is_listed = view.entry(name) is not None
        if is_listed and (self.resync or name not in view.statuses):
            return False
        reasons = {
            n: f"its log ends at {index} and takes nothing that the leader writes"
            for n, index in zone_leader.stuck(self.access, self.hosts, step=STEP).items()
        }
        if is_listed:
            if name in reasons:
                self.resync, self.follows = [reasons[name]], False
            return name in reasons
        names = sorted(reasons)
        for number, stuck in enumerate(names, 1):
            resync, later = [reasons[stuck]], names[number:]
            self.access.report(f"{stuck}: repair: {reasons[stuck]}")
            spec = MemberSpec(host=self.hosts[stuck], zone=self.spec.zone)
            Join(self.access, spec, self.hosts, resync=resync, awaiting=later, follows=False).run()
        return bool(names)

    def _report_list(self, own: Facts, view: ZoneView) -> None:
        """Report if the server's own database lists other servers than the leader's."""
        if own.has_content and own.pool != view.pool and view.entry(own.host.name) is not None:
            listed = ", ".join(entry.name for entry in own.pool) or "no server"
            everybody = ", ".join(entry.name for entry in view.pool)
            self.access.report(
                f"{own.host.name}: its database lists {listed}, the zone has {everybody}"
            )

    def _step_down(self, view: ZoneView) -> tuple[str, ZoneView]:
        """Stop the oned of the leader that is repaired, and wait for another leader."""
        name = self.spec.host.name
        if len(view.pool) == 1:
            raise HostError(
                name,
                STEP,
                expected="another zone server to lead",
                seen=f"{name} alone; {'; '.join(self.resync)}",
                remedy="correct it on the host, then run again",
            )
        zone_leader.write(self.access, self.hosts, view)
        stop(self.access, self.spec.host)
        others = {other: host for other, host in self.hosts.items() if other != name}
        view = leading_with_vips(self.access, self.spec.zone, others)
        return zone_leader.require_ours(view.leader(), self.hosts, STEP), view

    def _reset(self, entry: ServerEntry) -> None:
        """Have the leader search the end of the server's log again, from the end of its own log.

        The server may have a fresh copy. Without the reset the leader would continue the search
        among records that it has purged.
        """
        zone_leader.ask(
            self.access,
            self.hosts,
            lambda api: api.reset_server(entry.id),
            step="reset the server in the leader's log",
            expected="success",
            remedy=f"onezone server-reset 0 {entry.id} on the leader",
        )

    def _ready(self) -> ZoneView:
        """Wait until this server can be changed without harm to the zone; return the zone.

        A new server needs all others up, and the repair of a server that follows the leader needs a
        quorum without it. A server that only returns does not wait for others that are down, since
        two such servers would wait for each other. Elections and short outages are waited out.
        Servers that are repaired later are ignored.
        """
        name = self.spec.host.name
        self._wait_for_leader()
        deadline = time.monotonic() + PATIENCE

        def look() -> ZoneView:
            view = zone_leader.wait_for_leader(self.access, self.hosts)
            listed = view.entry(name) is not None
            silent = frozenset(view.silent() - {name})
            absent = {*self.awaiting, name}
            only_returns = listed and not (self.follows and name in view.statuses)
            waited = listed and time.monotonic() > deadline
            keeps_quorum = len(following(view) - {name}) >= quorum(len(view.pool))
            if only_returns or (waited and keeps_quorum):
                absent |= silent
            found = faults(view, without=absent)
            if lacking := [fault for fault in found if " has index " not in fault]:
                raise NotYet("; ".join(lacking))
            self._missing = silent
            return view

        return until(
            look,
            host=name,
            step=STEP,
            expected="every other zone server up before the zone is changed",
            seconds=PATIENCE + INTERVAL,
            remedy="pulumi refresh, then pulumi up: what can be repaired is repaired first; bring"
            " back servers that do not answer; or, if they are permanently lost, list them under"
            " opennebula-ha:lost",
        )

    def _wait_for_leader(self) -> ZoneView:
        self._complete_majority()
        return zone_leader.wait_for_leader(self.access, self.hosts)

    def _complete_majority(self) -> None:
        """Start this server if the others cannot elect a leader without it.

        A zone of one has a majority of two as soon as the second server is registered. If the first
        one then restarts before the second one has started, both wait for each other. The data
        decide who leads: the second one has a copy.
        """
        name, statuses = self.spec.host.name, zone_view(self.access, self.hosts).statuses
        running = sorted(statuses.keys() & self.hosts.keys(), key=lambda n: -statuses[n].index)
        if not running or name in running or ZoneView((), statuses).leader():
            return
        other = facts(self.access, self.hosts[running[0]], self.spec.zone.database)
        entry = ZoneView(other.pool, statuses).entry(name)
        voters = {one.name for one in other.pool} & statuses.keys()
        lacks_one = len(voters) + 1 == quorum(len(other.pool))
        if entry is None or not lacks_one:
            return
        own = facts(self.access, self.spec.host, self.spec.zone.database)
        if own.has_content and own.identity == other.identity and not own.active:
            self.access.report(f"{name}: start: without it no leader can be elected")
            assign_server_id(self.access, self.spec.zone, own, entry.id, other.zone_body)
            start(self.access, self.spec.host, entry.id)

    def _register(self) -> ServerEntry:
        name = self.spec.host.name
        self.access.report(f"{name}: register with the leader")

        def register(api: Api) -> ServerEntry:
            # A call that failed may have been executed: the pool decides.
            if all(entry.name != name for entry in self.access.named(api.servers())):
                api.add_server(name, endpoint(name), self.spec.zone.grpc_of(name))
            pool = self.access.named(api.servers())
            return next(entry for entry in pool if entry.name == name)

        return zone_leader.ask(
            self.access,
            self.hosts,
            register,
            step="register the server",
            expected=f"{name} in the zone's pool",
        )

    def _start(self, entry: ServerEntry) -> None:
        leader = zone_leader.require_ours(self._wait_for_leader().leader(), self.hosts, STEP)
        body = facts(self.access, self.hosts[leader], self.spec.zone.database).zone_body
        own = facts(self.access, self.spec.host, self.spec.zone.database)
        if not own.active:
            assign_server_id(self.access, self.spec.zone, own, entry.id, body)
        start(self.access, self.spec.host, entry.id)
