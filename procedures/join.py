"""Make one front-end a server of a zone that works."""

from collections.abc import Mapping

from hosts.connection import Host
from hosts.errors import HostError
from opennebula.api import ApiError
from opennebula.membership import Refusal, plan_join
from opennebula.zone import ServerEntry, State, ZoneView, endpoint, faults
from procedures import gate
from procedures.access import Access
from procedures.found import refused, zone_lock
from procedures.observe import all_facts, facts, require_names, zone_view
from procedures.seed import seed
from procedures.solo import enlist, start
from procedures.specs import MemberSpec

_STEP = "join the zone"


def membership(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> tuple[int, str]:
    """The host's SERVER_ID, and what keeps it from being a sound server of the zone, if anything.

    Asks only the oneds. An ID of -1: it is not in the zone's pool.
    """
    view = zone_view(access, hosts)
    entry = _entry(view, spec.host.name)
    if not view.leader():
        return -1, "there is no leader"
    if entry is None:
        return -1, "it is not in the zone"
    return entry.id, "; ".join(_own_faults(view, entry))


def join(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> int:
    """Have the host in the zone, whatever an interrupted run left; its SERVER_ID.

    ``hosts`` are all that the zone may have, this one and those about to leave included.
    Raises HostError.
    """
    server_id, fault = membership(access, spec, hosts)
    if server_id >= 0 and not fault:
        return server_id
    leader = _leader(access, hosts)
    with zone_lock(access, hosts[leader]):
        return _Join(access, spec, hosts).run()


class _Join:
    def __init__(self, access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> None:
        self._access = access
        self._zone = spec.zone
        self._host = spec.host
        self._hosts = hosts

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
        if plan.seed:
            require_names(seen.values(), pair)
            # The ID that the pool will give; it is set right before the start in any case.
            expected = entry.id if entry else max(item.id for item in view.pool) + 1
            seed(
                self._access,
                self._hosts[leader],
                [seen[name]],
                {name: expected},
                self._zone.database,
                reason=f"before-join-{name}",
                keep=self._zone.keep_dumps,
                stop=False,
            )
        if plan.register:
            entry = self._register()
        if entry is None:
            raise AssertionError("a plan that neither registers nor finds an entry")
        if plan.start:
            self._start(entry)
        gate.verify(self._access, self._zone, self._present(entry))
        return entry.id

    def _ready(self) -> ZoneView:
        """The zone, whole but for this host. One change at a time: nobody else is missing."""
        gate.wait_for_leader(self._access, self._others())
        view = zone_view(self._access, self._hosts)
        others = ZoneView(
            tuple(entry for entry in view.pool if entry.name != self._host.name), view.statuses
        )
        found = [fault for fault in faults(others) if " has index " not in fault]
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

    def _present(self, entry: ServerEntry) -> dict[str, Host]:
        view = zone_view(self._access, self._hosts)
        names = {item.name for item in view.pool} | {entry.name}
        return {name: host for name, host in self._hosts.items() if name in names}

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
    return gate.wait_for_leader(access, hosts).leader() or ""


def _entry(view: ZoneView, name: str) -> ServerEntry | None:
    return next((entry for entry in view.pool if entry.name == name), None)


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
