"""Bootstrap a zone with all front-ends of the stack, or adopt the one that exists."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError
from opennebula.membership.observed import Refusal
from opennebula.membership.steps import (
    Adopt,
    AssignServerId,
    Bootstrap,
    RefreshServerList,
    Register,
    Restore,
    Retire,
    Seed,
    SeedAhead,
    StartStandalone,
    StartTogether,
    ZoneStep,
)
from opennebula.membership.zone import plan_zone
from opennebula.zone import STANDALONE_ID, ServerEntry, ZoneView, endpoint
from procedures import zone_leader
from procedures.bootstrap.restore import KeptDump, restore
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.observe import all_facts, facts, facts_where_possible, require_names, statuses
from procedures.install import configuration, storage
from procedures.oned_service import START, answering, assign_server_id, await_stopped, start, stop
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
def zone_lock(access: Access, hosts: Mapping[str, Host]) -> Iterator[None]:
    """Keep other runs from changing the servers of the zone.

    The lock is on the first front-end by name, so that every run uses the same one, whichever
    leads.
    """
    with access.connection(hosts[min(hosts)]).hold(LOCK, LOCK_WAIT):
        yield


def bootstrap_or_adopt(
    access: Access,
    zone: ZoneSpec,
    hosts: Mapping[str, Host],
    leaving: Mapping[str, Host],
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
            access, zone, hosts, leaving, restore_from, existed=existed, seen=seen
        ).run()


def is_blank(seen: Collection[Facts]) -> bool:
    """Return whether no host holds a database or was a zone server."""
    return not any(
        front_end.has_content or front_end.server_id != STANDALONE_ID for front_end in seen
    )


def begin(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], checked: Mapping[str, Facts]
) -> None:
    """Start a zone on its first server, while the others are still being installed.

    ``bootstrap_or_adopt`` continues. ``checked``: the facts of all ``hosts``, which were blank
    before their installation. Raises HostError.
    """
    with zone_lock(access, hosts):
        _Bootstrapping(access, zone, hosts, {}, None, existed=False, seen=checked).begin(min(hosts))


def abandon(
    access: Access, zone: ZoneSpec, hosts: Mapping[str, Host], gone: Collection[str]
) -> None:
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


def _is_awaited(plan: list[ZoneStep] | Refusal, stopping: Collection[str]) -> bool:
    """Return whether the first step waits for the end of each of these oneds. Pure."""
    first = None if isinstance(plan, Refusal) else plan[0]
    return isinstance(first, Seed) and {first.source} == {*stopping}


class _Bootstrapping:
    def __init__(
        self,
        access: Access,
        zone: ZoneSpec,
        hosts: Mapping[str, Host],
        leaving: Mapping[str, Host],
        restore_from: str | None,
        *,
        existed: bool,
        seen: Mapping[str, Facts] | None,
    ) -> None:
        self._existed = existed
        self._seen = seen or {}
        self._access = access
        self._zone = zone
        self._hosts = {**leaving, **hosts}
        self._staying = hosts
        self._leaving = leaving
        self._restore_from = restore_from
        self._facts: dict[str, Facts] = {}
        self._pool: tuple[ServerEntry, ...] = ()
        self._body = ""
        self._view: ZoneView | None = None
        self._seeded: frozenset[str] = frozenset()

    def run(self) -> KnownZone:
        steps = self._plan()
        if self._restore_from and not any(isinstance(step, Restore) for step in steps):
            self._access.report("the front-ends hold data: the dump is not used")
        for step in steps:
            self._do(step)
        return KnownZone(self._view, self._seeded)

    def begin(self, first: str) -> None:
        # No other observation: the script refuses a database that has content by now, and the
        # installed oned.conf has no SERVER_ID yet.
        blank = replace(self._seen[first], oned_conf="", next_conf="")
        self._facts = {**self._seen, first: blank}
        views = [front_end.view(None) for front_end in self._facts.values()]
        plan = plan_zone(views, highly_available=self._zone.highly_available)
        if isinstance(plan, Refusal) or Bootstrap(first) not in plan:
            return
        for step in takewhile(lambda step: isinstance(step, Bootstrap | Register), plan):
            self._do(step)
        # What follows can observe the hosts while it stops.
        stop(self._access, self._hosts[first], wait=False)

    def _plan(self) -> list[ZoneStep]:
        if self._staying.keys() <= self._seen.keys():
            self._facts = {name: self._seen[name] for name in self._staying}
        else:
            self._facts = all_facts(
                self._access, self._staying, self._zone.database, names=self._staying
            )
        storage.require_same({name: front_end.storage for name, front_end in self._facts.items()})
        if self._zone.highly_available:
            require_names(self._facts.values(), self._staying)
        self._facts |= facts_where_possible(self._access, self._leaving, self._zone.database)
        plan = self._steps()
        stopping = {
            name: front_end.host for name, front_end in self._facts.items() if front_end.stopping
        }
        if stopping and not _is_awaited(plan, stopping):
            await_stopped(self._access, stopping)
            self._facts |= all_facts(
                self._access, stopping, self._zone.database, names=self._staying
            )
            plan = self._steps()
        if isinstance(plan, Refusal):
            raise refused(plan, ", ".join(sorted(self._hosts)), STEP)
        holding = [front_end for front_end in self._facts.values() if front_end.has_content]
        newest = max(
            holding, key=lambda front_end: (front_end.log_term, front_end.log_index), default=None
        )
        self._pool = newest.pool if newest else ()
        self._body = newest.zone_body if newest else ""
        return plan

    def _steps(self) -> list[ZoneStep] | Refusal:
        running = {
            name: front_end.host for name, front_end in self._facts.items() if front_end.active
        }
        answers = statuses(self._access, running)
        return plan_zone(
            [front_end.view(answers.get(name)) for name, front_end in self._facts.items()],
            highly_available=self._zone.highly_available,
            leaving=tuple(self._leaving),
            restoring=self._restore_from is not None,
            existed=self._existed,
        )

    def _do(self, step: ZoneStep) -> None:
        match step:
            case Bootstrap(host):
                self._bootstrap(host)
            case Restore(host):
                self._restore(host)
            case StartStandalone(host):
                start(self._access, self._hosts[host], None)
                answering(self._access, self._hosts[host])
            case Register(host, missing):
                self._register(host, missing)
            case Seed(source, targets):
                self._seed(source, targets)
            case AssignServerId(host):
                self._assign_server_id(host)
            case RefreshServerList(hosts):
                for host in hosts:
                    self._assign_server_id(host, self._body)
            case StartTogether(hosts):
                self._start(hosts)
            case Retire(host):
                retire(self._access, self._zone, self._hosts[host])
            case Adopt(leader):
                self._access.report(f"take over the zone that {leader} leads")
            case SeedAhead(leader, targets):
                self._seed_ahead(leader, targets)

    def _bootstrap(self, name: str) -> None:
        present = self._facts[name].newest_conf
        alone = configuration.with_server_id(present, STANDALONE_ID) if present else ""
        self._access.run(
            self._hosts[name],
            "bootstrap",
            variables={
                "db_name": self._zone.database.name,
                "mariadb": "yes" if self._zone.database.is_mariadb else "no",
            },
            secrets={"oned_conf": alone.rstrip("\n")},
            timeout=START,
        )
        api = answering(self._access, self._hosts[name])
        if api.zone()[0] != self._zone.name:
            api.rename_zone(self._zone.name)

    def _restore(self, name: str) -> None:
        kept = KeptDump.at(self._restore_from or "")
        restore(self._access, self._facts[name], kept, self._zone.database)
        start(self._access, self._hosts[name], None)
        answering(self._access, self._hosts[name])

    def _register(self, first: str, missing: tuple[str, ...]) -> None:
        self._access.report(f"{first}: register {', '.join(missing)}")
        api = answering(self._access, self._hosts[first])
        try:
            # An interrupted run may have registered some.
            listed = {entry.name for entry in self._access.named(api.servers())}
            for name in missing:
                if name not in listed:
                    api.add_server(name, endpoint(name), self._zone.grpc_of(name))
            if self._zone.has_entrance and api.zone()[1] != self._zone.endpoint:
                api.set_endpoint(self._zone.endpoint, self._zone.grpc)
            self._pool = self._access.named(api.servers())
        except ApiError as error:
            raise HostError(
                first,
                "register the zone's servers",
                expected="oned to take the entries",
                seen=str(error),
                remedy="look at /var/log/one/oned.log there, then run again",
            ) from None

    def _seed(self, source: str, targets: tuple[str, ...]) -> None:
        seed(
            self._access,
            self._hosts[source],
            [self._facts[name] for name in targets],
            {entry.name: entry.id for entry in self._pool},
            self._zone,
            reason="before-zone",
            stop=True,
        )

    def _seed_ahead(self, leader: str, targets: tuple[str, ...]) -> None:
        before = zone_leader.wait_for_leader(self._access, self._hosts)
        if before.leader() != leader:
            return
        # The IDs that the pool will assign; each is set again before its start.
        next_id = 1 + max(entry.id for entry in before.pool)
        seed(
            self._access,
            self._hosts[leader],
            [self._facts[name] for name in targets],
            {name: next_id + number for number, name in enumerate(targets)},
            self._zone,
            reason="before-joins",
            stop=False,
        )
        # Records of a deposed leader may not have reached a majority.
        after = zone_leader.wait_for_leader(self._access, self._hosts)
        if after.leader() == leader and after.statuses[leader].term == before.statuses[leader].term:
            self._seeded = frozenset(targets)

    def _assign_server_id(self, name: str, body: str = "") -> None:
        ids = {entry.name: entry.id for entry in self._pool}
        assign_server_id(self._access, self._zone, self._facts[name], ids[name], body)

    def _start(self, names: tuple[str, ...]) -> None:
        ids = {entry.name: entry.id for entry in self._pool}
        self._access.report(f"start {', '.join(names)} together")
        hosts = {name: self._hosts[name] for name in names}
        on_each(hosts, lambda host: start(self._access, host, ids[host.name]))
        self._view = zone_leader.wait_for_leader(self._access, hosts)
