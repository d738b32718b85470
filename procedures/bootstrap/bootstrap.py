"""Bootstrap a zone with all front-ends of the stack, or adopt the one that exists."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import takewhile

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError
from opennebula.membership import steps
from opennebula.membership.observed import Refusal
from opennebula.membership.zone import plan_zone
from opennebula.zone import STANDALONE_ID, ServerEntry, ZoneView, endpoint
from procedures import zone_leader
from procedures.bootstrap.restore import KeptDump, restore
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, facts, facts_where_possible, require_names, statuses
from procedures.install import configuration, storage
from procedures.oned_service import START, answering, assign_server_id, await_stopped, kill, start
from procedures.parallel import on_each
from procedures.specs import ZoneSpec
from procedures.standalone import retire
from procedures.transfer.seed import seed

STEP = "bootstrap the zone"
LOCK = "/run/lock/opennebula-ha-zone"
LOCK_WAIT = 600.0
"""Seconds to wait for another run that changes the same zone."""


@dataclass(frozen=True)
class KnownZone:
    """What a run knows of the zone that it has just bootstrapped or adopted."""

    view: ZoneView | None = None
    """The zone, if its servers were started."""
    seeded: frozenset[str] = frozenset()
    """Front-ends that are not in the zone yet, and have just got a copy of its data."""


@contextmanager
def zone_lock(access: Access, hosts: Hosts) -> Iterator[None]:
    """Keep other runs from changing the servers of the zone.

    The lock is on the first front-end by name, so that every run uses the same one, whichever
    leads.
    """
    with access.connection(hosts[min(hosts)]).hold(LOCK, LOCK_WAIT):
        yield


def bootstrap_or_adopt(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    leaving: Hosts,
    *,
    restore_from: str | None,
    existed: bool = False,
    seen: Mapping[str, Facts] | None = None,
) -> KnownZone:
    """Bootstrap a zone of all those hosts, or adopt the zone that runs. Raises HostError.

    Front-ends that are not in a running zone are left to their joins.

    All ``hosts`` must answer. Servers that are ``leaving`` may be in the zone, and need not answer.
    If no host holds a database, the zone starts from the dump ``restore_from`` on this machine, or
    empty, which is refused if a zone ``existed``. ``seen``: the present facts of the hosts, if the
    caller observed them under the zone's lock.
    """
    with zone_lock(access, hosts):
        return _Bootstrapping(
            access, zone, hosts, leaving, restore_from, existed=existed, seen=seen or {}
        ).run()


def is_blank(seen: Collection[Facts]) -> bool:
    """Return whether no host holds a database or was a zone server."""
    return not any(
        front_end.has_content or front_end.server_id != STANDALONE_ID for front_end in seen
    )


def begin(access: Access, zone: ZoneSpec, hosts: Hosts, checked: Mapping[str, Facts]) -> None:
    """Start a zone on its first server, while the others are still being installed.

    ``bootstrap_or_adopt`` continues. ``checked``: the facts of all ``hosts``, which were blank
    before their installation. Raises HostError.
    """
    with zone_lock(access, hosts):
        _Bootstrapping(access, zone, hosts, {}, None, existed=False, seen=checked).begin(min(hosts))


def abandon(access: Access, zone: ZoneSpec, hosts: Hosts, gone: Collection[str]) -> None:
    """Remove front-ends that left the stack from the pool of a first server that is standalone.

    It is the last to get its SERVER_ID: until then, no server of its pool has served. Does nothing
    if a zone exists. Raises HostError.
    """
    first = hosts[min(hosts)]
    with zone_lock(access, hosts):
        seen = facts(access, first, zone.database)
        listed = [entry for entry in seen.pool if entry.name in gone]
        if not listed or not seen.view(None).is_standalone:
            return
        access.report(f"{first.name}: remove {', '.join(sorted(gone))} from the list of servers")
        if not seen.active:
            start(access, first, None)
        api = answering(access, first)
        for entry in listed:
            api.delete_server(entry.id)


def refused(refusal: Refusal, host: str, step: str) -> HostError:
    """Return a planner's refusal as an error for the operator."""
    return HostError(
        refusal.host or host,
        step,
        expected=refusal.expected,
        seen=refusal.seen,
        remedy=refusal.remedy,
    )


@dataclass
class _Bootstrapping:
    access: Access
    zone: ZoneSpec
    staying: Hosts
    leaving: Hosts
    restore_from: str | None
    _: KW_ONLY
    existed: bool
    seen: Mapping[str, Facts]
    _facts: dict[str, Facts] = field(default_factory=dict, init=False)
    _pool: tuple[ServerEntry, ...] = field(default=(), init=False)
    _body: str = field(default="", init=False)
    _known: KnownZone = field(default_factory=KnownZone, init=False)

    @property
    def _hosts(self) -> dict[str, Host]:
        return {**self.leaving, **self.staying}

    @property
    def _ids(self) -> dict[str, int]:
        return {entry.name: entry.id for entry in self._pool}

    def run(self) -> KnownZone:
        plan = self._plan()
        if self.restore_from and not any(isinstance(step, steps.Restore) for step in plan):
            self.access.report("the front-ends hold data: the dump is not used")
        for step in plan:
            self._do(step)
        return self._known

    def begin(self, first: str) -> None:
        # No other observation: the script refuses a database that has content by now, and the
        # installed oned.conf has no SERVER_ID yet.
        blank = replace(self.seen[first], oned_conf="", next_conf="")
        self._facts = {**self.seen, first: blank}
        views = [front_end.view(None) for front_end in self._facts.values()]
        plan = plan_zone(views, highly_available=self.zone.highly_available)
        if isinstance(plan, Refusal) or steps.Bootstrap(first) not in plan:
            return
        for step in takewhile(
            lambda step: isinstance(step, steps.Bootstrap | steps.Register), plan
        ):
            self._do(step)
        kill(self.access, self._hosts[first])

    def _plan(self) -> list[steps.ZoneStep]:
        if self.staying.keys() <= self.seen.keys():
            self._facts = {name: self.seen[name] for name in self.staying}
        else:
            self._facts = all_facts(
                self.access, self.staying, self.zone.database, names=self.staying
            )
        storage.require_same({name: front_end.storage for name, front_end in self._facts.items()})
        if self.zone.highly_available:
            require_names(self._facts.values(), self.staying)
        self._facts |= facts_where_possible(self.access, self.leaving, self.zone.database)
        stopping = {n: front_end.host for n, front_end in self._facts.items() if front_end.stopping}
        if stopping:
            await_stopped(self.access, stopping)
            self._facts |= all_facts(self.access, stopping, self.zone.database, names=self.staying)
        plan = self._steps()
        if isinstance(plan, Refusal):
            raise refused(plan, ", ".join(sorted(self._hosts)), STEP)
        holding = [front_end for front_end in self._facts.values() if front_end.has_content]
        if holding:
            newest = max(holding, key=lambda front_end: (front_end.log_term, front_end.log_index))
            self._pool, self._body = newest.pool, newest.zone_body
        return plan

    def _steps(self) -> list[steps.ZoneStep] | Refusal:
        running = {n: front_end.host for n, front_end in self._facts.items() if front_end.active}
        answers = statuses(self.access, running)
        return plan_zone(
            [front_end.view(answers.get(name)) for name, front_end in self._facts.items()],
            highly_available=self.zone.highly_available,
            leaving=tuple(self.leaving),
            restoring=self.restore_from is not None,
            existed=self.existed,
        )

    def _do(self, step: steps.ZoneStep) -> None:
        match step:
            case steps.Bootstrap(host):
                self._bootstrap(host)
            case steps.Restore(host):
                kept = KeptDump.at(self.restore_from or "")
                restore(self.access, self._facts[host], kept, self.zone.database)
                self._start_alone(host)
            case steps.StartStandalone(host):
                self._start_alone(host)
            case steps.Register(host, missing):
                self._register(host, missing)
            case steps.Seed(source, targets):
                self._seed(source, targets, self._ids, reason="before-zone", stop=True)
            case steps.AssignServerId(host):
                self._assign_server_id(host)
            case steps.RefreshServerList(hosts):
                for host in hosts:
                    self._assign_server_id(host, self._body)
            case steps.StartTogether(hosts):
                self._start_together({name: self._hosts[name] for name in hosts})
            case steps.Retire(host):
                retire(self.access, self.zone, self._hosts[host])
            case steps.Adopt(leader):
                self.access.report(f"take over the zone that {leader} leads")
            case steps.SeedAhead(leader, targets):
                self._seed_ahead(leader, targets)

    def _bootstrap(self, name: str) -> None:
        present = self._facts[name].newest_conf
        alone = configuration.with_server_id(present, STANDALONE_ID) if present else ""
        self.access.run(
            self._hosts[name],
            "bootstrap",
            variables={
                "db_name": self.zone.database.name,
                "mariadb": "yes" if self.zone.database.is_mariadb else "no",
            },
            secrets={"oned_conf": alone.rstrip("\n")},
            timeout=START,
        )
        api = answering(self.access, self._hosts[name])
        if api.zone()[0] != self.zone.name:
            api.rename_zone(self.zone.name)

    def _start_alone(self, name: str) -> None:
        start(self.access, self._hosts[name], None)
        answering(self.access, self._hosts[name])

    def _register(self, first: str, missing: tuple[str, ...]) -> None:
        self.access.report(f"{first}: register {', '.join(missing)}")
        api = answering(self.access, self._hosts[first])
        try:
            # An interrupted run may have registered some.
            listed = {entry.name for entry in self.access.named(api.servers())}
            for name in missing:
                if name not in listed:
                    api.add_server(name, endpoint(name), self.zone.grpc_of(name))
            if self.zone.has_entrance and api.zone()[1] != self.zone.endpoint:
                api.set_endpoint(self.zone.endpoint, self.zone.grpc)
            self._pool = self.access.named(api.servers())
        except ApiError as error:
            raise HostError(
                first,
                "register the zone's servers",
                expected="oned to take the entries",
                seen=str(error),
                remedy="look at /var/log/one/oned.log there, then run again",
            ) from None

    def _seed(
        self, source: str, targets: tuple[str, ...], ids: dict[str, int], *, reason: str, stop: bool
    ) -> None:
        seen = [self._facts[name] for name in targets]
        seed(self.access, self._hosts[source], seen, ids, self.zone, reason=reason, stop=stop)

    def _seed_ahead(self, leader: str, targets: tuple[str, ...]) -> None:
        before = zone_leader.wait_for_leader(self.access, self._hosts)
        if before.leader() != leader:
            return
        # The IDs that the pool will assign; each is set again before its start.
        next_id = 1 + max(entry.id for entry in before.pool)
        ids = {name: next_id + number for number, name in enumerate(targets)}
        self._seed(leader, targets, ids, reason="before-joins", stop=False)
        # Records of a deposed leader may not have reached a majority.
        after = zone_leader.wait_for_leader(self.access, self._hosts)
        if zone_leader.leadership(after) == zone_leader.leadership(before):
            self._known = replace(self._known, seeded=frozenset(targets))

    def _assign_server_id(self, name: str, body: str = "") -> None:
        assign_server_id(self.access, self.zone, self._facts[name], self._ids[name], body)

    def _start_together(self, hosts: Hosts) -> None:
        self.access.report(f"start {', '.join(hosts)} together")
        on_each(hosts, lambda host: start(self.access, host, self._ids[host.name]))
        view = zone_leader.wait_for_leader(self.access, hosts)
        self._known = replace(self._known, view=view)
