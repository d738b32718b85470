"""Make one front-end a server of a zone that works."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import ApiError
from opennebula.membership import Refusal, plan_join
from opennebula.zone import ServerEntry, State, ZoneView, endpoint, faults
from procedures import health
from procedures.bootstrap.bootstrap import Founded, refused, zone_lock
from procedures.context import Access
from procedures.facts.cache import Survey
from procedures.facts.observe import Facts, all_facts, facts, require_names, zone_view
from procedures.install import storage
from procedures.oned_service import enlist, start, stop
from procedures.replica_drift import lasting, tables, unlike
from procedures.specs import MemberSpec
from procedures.transfer.seed import dump, seed
from procedures.wait import INTERVAL

STEP = "join the zone"
SECOND_LOOK = 3.0
"""Seconds in which every server that follows has and applies what the leader had before."""
CATCH_UP = 20.0
"""Seconds for a server that lags to have the leader's last record, or to be told of."""


@dataclass(frozen=True)
class Place:
    """A front-end's place in the zone, and what keeps it from being a sound server of it."""

    server_id: int
    """-1: it is not in the zone's pool."""
    faults: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    """Those of the faults that only the leader's data and keys mend."""


def place(access: Access, spec: MemberSpec, survey: Survey, *, writes: bool = True) -> Place:
    """The host's place, by what its oned says and by what it holds in comparison to the leader.

    ``writes``: where its log ends before the leader's, one harmless write shows whether it follows.
    """
    hosts, name = survey.hosts, spec.host.name
    server_id, faults = membership(access, spec, hosts, writes=writes)
    known = survey.known_facts()
    view = survey.view()
    leader, entry = view.leader(), _entry(view, name)
    if entry is None or name not in known or leader not in known:
        return Place(server_id, tuple(faults))
    own, head = known[name], known[leader]
    if not own.active:
        faults = ["its oned is stopped"]
    status = view.statuses.get(name)
    anew = unlike(own, head, entry, runs_as=status.server_id if status else None)
    if own.identity != head.identity:
        faults.append("its database is empty, or another OpenNebula's")
    elif tables(own, head):
        time.sleep(SECOND_LOOK)
        pair = {name: spec.host, leader: hosts[leader]}
        later = all_facts(access, pair, survey.database, checksums=True)
        if differing := lasting((own, head), (later[name], later[leader])):
            anew.append(f"its data differ from the leader's: {', '.join(differing)}")
    return Place(server_id, tuple(dict.fromkeys([*faults, *anew])), tuple(anew))


def membership(
    access: Access, spec: MemberSpec, hosts: Mapping[str, Host], *, writes: bool = True
) -> tuple[int, list[str]]:
    """The host's SERVER_ID, and what keeps it from being a sound server of the zone, if anything.

    Asks only the oneds. An ID of -1: it is not in the zone's pool.
    """
    view = zone_view(access, hosts)
    if writes and view.leader() is not None and _lag(view, spec.host.name):
        # Where nobody writes a sound follower lags, too, until the next record has to reach it.
        return _by_status(*_caught_up(access, spec.host.name, hosts))
    return _by_status(view, spec.host.name)


def join(
    access: Access, spec: MemberSpec, hosts: Mapping[str, Host], founded: Founded | None = None
) -> int:
    """Have the host in the zone, whatever an interrupted run left; its SERVER_ID.

    ``hosts`` are all that the zone may have, this one and those about to leave included.
    ``founded``: what this run knows of the zone already. Raises HostError.
    """
    founded = founded or Founded()
    name = spec.host.name
    # Sound as it was when the zone began, it is not asked again: the rollout looks at everything.
    server_id, faults = _by_status(founded.view, name) if founded.view else (-1, [])
    if server_id < 0 or faults:
        server_id, faults = _by_status(zone_view(access, hosts), name)
    if server_id >= 0 and not faults:
        return server_id
    if server_id >= 0:
        access.report(f"{name}: repair: {'; '.join(faults)}")
    with zone_lock(access, hosts):
        return _Join(access, spec, hosts, seeded=name in founded.seeded).run()


def mend(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> int:
    """Have the host in the zone as a server that differs in nothing; its SERVER_ID.

    Raises HostError.
    """
    survey = Survey(access, hosts, spec.zone.database)
    found = place(access, spec, survey)
    if found.server_id >= 0 and not found.faults:
        return found.server_id
    access.report(f"{spec.host.name}: repair: {'; '.join(found.faults)}")
    differing, asleep = _others(survey, spec.host.name)
    with zone_lock(access, hosts):
        return _Join(access, spec, hosts, anew=found.anew, differing=differing, asleep=asleep).run()


def _others(survey: Survey, name: str) -> tuple[set[str], list[Facts]]:
    """Who else differs, and who else is merely stopped.

    The turn of those that differ comes; until then they keep nobody else from being mended.
    """
    view, known = survey.view(), survey.known_facts()
    head = known.get(view.leader() or "")
    differing: set[str] = set()
    asleep: list[Facts] = []
    for entry in view.pool:
        own = known.get(entry.name)
        if own is None or head is None or entry.name == name:
            continue
        if unlike(own, head, entry) or tables(own, head):
            differing.add(entry.name)
        if not own.active and (own.server_id, own.identity) == (entry.id, head.identity):
            asleep.append(own)
    return differing, asleep


class _Join:
    def __init__(
        self,
        access: Access,
        spec: MemberSpec,
        hosts: Mapping[str, Host],
        *,
        anew: Sequence[str] = (),
        differing: Collection[str] = (),
        asleep: Sequence[Facts] = (),
        seeded: bool = False,
    ) -> None:
        self._anew = anew
        self._seeded = seeded
        self._differing = differing
        self._asleep = asleep
        self._access = access
        self._zone = spec.zone
        self._host = spec.host
        self._hosts = hosts
        self._missing: frozenset[str] = frozenset()

    def run(self) -> int:
        name = self._host.name
        leader = _leader(self._access, self._hosts)
        self._wake(leader)
        view = self._ready()
        if leader == name and self._anew:
            leader, view = self._step_down(view)
        pair = {leader: self._hosts[leader], name: self._host}
        seen = all_facts(self._access, pair, self._zone.database, names=pair)
        storage.require_same({name: one.storage for name, one in seen.items()})
        self._report_list(seen[name], view)
        plan = plan_join(
            seen[name].view(view.statuses.get(name)),
            seen[leader].view(view.statuses[leader]),
            view.pool,
            anew=self._anew,
            seeded=self._seeded,
        )
        if isinstance(plan, Refusal):
            raise refused(plan, name, STEP)
        entry = _entry(view, name)
        for reason in plan.reasons:
            self._access.report(f"{name}: join anew: {reason}")
        if plan.seed and self._anew:
            # What it holds may be what somebody wants to look at: nothing of it is lost.
            dump(
                self._access,
                self._host,
                self._zone.database,
                reason=f"differing-{name}",
                keep=self._zone.keep_dumps,
                stop=True,
            )
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
        health.verify(
            self._access,
            self._zone,
            self._hosts,
            without=self._missing,
            differing=self._differing,
        )
        return entry.id

    def _report_list(self, own: Facts, view: ZoneView) -> None:
        """Say where the server's own database lists other servers than the leader's."""
        if own.has_content and own.pool != view.pool and _entry(view, own.host.name) is not None:
            listed = ", ".join(entry.name for entry in own.pool) or "nobody"
            everybody = ", ".join(entry.name for entry in view.pool)
            self._access.report(
                f"{own.host.name}: its database lists {listed}, the zone has {everybody}"
            )

    def _wake(self, leader: str) -> None:
        """Start those that are merely stopped: one change at a time needs all the others."""
        for own in self._asleep:
            self._access.report(f"{own.host.name}: start it first")
            body = facts(self._access, self._hosts[leader], self._zone.database).zone_body
            enlist(self._access, self._zone, own, own.server_id, body)
            start(self._access, own.host, own.server_id)
            _caught_up(self._access, own.host.name, self._hosts)

    def _step_down(self, view: ZoneView) -> tuple[str, ZoneView]:
        """Stop the leader's own oned: its configuration is not one to start again with."""
        name = self._host.name
        if len(view.pool) == 1:
            raise HostError(
                name,
                STEP,
                expected="another zone server to lead meanwhile",
                seen=f"{name} alone; {'; '.join(self._anew)}",
                remedy="correct it on the host, then run again",
            )
        health.write(self._access, self._host)
        stop(self._access, self._host)
        leader = _leader(self._access, self._others())
        return leader, zone_view(self._access, self._hosts)

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
        health.wait_for_leader(self._access, self._others())
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
                STEP,
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
    leader = health.wait_for_leader(access, hosts).leader() or ""
    if leader not in hosts:
        raise health.strange_leader(leader, STEP)
    return leader


def _entry(view: ZoneView, name: str) -> ServerEntry | None:
    return next((entry for entry in view.pool if entry.name == name), None)


def _caught_up(
    access: Access, name: str, hosts: Mapping[str, Host]
) -> tuple[ZoneView, str, int | None]:
    """The zone once that server has what the leader has now, or as it is after CATCH_UP.

    With the name and the record for ``_by_status``: where somebody writes all the time, the
    leader's last one is always another.
    """
    deadline = time.monotonic() + CATCH_UP
    records = health.Records(access, hosts)
    while True:
        view, record = records.look()
        caught_up = record is not None and name in view.statuses and not _lag(view, name, record)
        if caught_up or time.monotonic() > deadline:
            return view, name, record
        time.sleep(INTERVAL)


def _by_status(view: ZoneView, name: str, record: int | None = None) -> tuple[int, list[str]]:
    entry = _entry(view, name)
    if not view.leader():
        return -1, ["there is no leader"]
    if entry is None:
        return -1, ["it is not in the zone"]
    return entry.id, [*_own_faults(view, entry), *filter(None, [_lag(view, name, record)])]


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
