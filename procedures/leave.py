"""Take one server out of the zone, without losing quorum."""

from collections.abc import Mapping

from hosts.connection import Host
from opennebula.api import ApiError
from opennebula.membership import Refusal, check_leave
from opennebula.zone import ServerEntry, ZoneView
from procedures import gate
from procedures.access import Access
from procedures.found import refused, zone_lock
from procedures.observe import zone_view
from procedures.seed import dump
from procedures.specs import MemberSpec
from procedures.wait import until

_STEP = "leave the zone"
STOP = 180.0
"""Seconds for oned to stop: a candidate was seen to take 84 s."""


def leave(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> None:
    """Stop the host's oned, then delete its entry. Done already: nothing happens.

    In this order the zone does not notice; a server that is deleted while it runs campaigns for
    ever, and a deleted leader goes on as a hidden one. Raises HostError.
    """
    name = spec.host.name
    others = {other: host for other, host in hosts.items() if other != name}
    leader = gate.wait_for_leader(access, hosts).leader() or ""
    anchor = others.get(leader) or others[min(others)]
    with zone_lock(access, anchor):
        view = gate.wait_for_leader(access, hosts)
        entry = next((item for item in view.pool if item.name == name), None)
        if entry is not None:
            refusal = check_leave(view, name)
            if isinstance(refusal, Refusal):
                raise refused(refusal, name, _STEP)
            dump(
                access,
                hosts[view.leader() or ""],
                spec.zone.database,
                reason=f"before-leave-{name}",
                keep=spec.zone.keep_dumps,
                stop=False,
            )
        access.run(spec.host, "stop", timeout=STOP)
        if entry is not None:
            _delete(access, entry, others)


def _delete(access: Access, entry: ServerEntry, others: Mapping[str, Host]) -> None:
    leader = gate.wait_for_leader(access, others).leader() or ""
    failure = ""

    def gone() -> ZoneView | None:
        view = zone_view(access, others)
        listed = [item for item in view.pool if item.id == entry.id and item.name == entry.name]
        return None if listed or not view.pool else view

    try:
        if gone() is None:
            access.api(others[leader], timeout=30).delete_server(entry.id)
    except ApiError as error:
        # It may have been taken all the same: the pool decides.
        failure = str(error)
    until(
        gone,
        host=leader,
        step=_STEP,
        expected=f"the zone without server {entry.id} {entry.name}",
        seconds=30,
        seen=lambda: failure or "its entry",
        remedy="look at /var/log/one/oned.log on the leader, then run again",
    )
    gate.write(access, others[leader])
