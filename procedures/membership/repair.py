"""Repair servers of the zone, several if necessary, without losing quorum."""

from collections.abc import Mapping
from functools import partial

from opennebula.membership.repair import Condition, Need, plan_repairs
from opennebula.zone import ServerEntry, ZoneView, following
from procedures.bootstrap.bootstrap import refused, zone_lock
from procedures.context import Access, Hosts
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts
from procedures.membership.join_server import STEP, Join
from procedures.membership.member_status import MemberStatus, member_status
from procedures.parallel import side_by_side
from procedures.specs import MemberSpec


def repair(access: Access, spec: MemberSpec, hosts: Hosts, *, seeded: bool = False) -> int:
    """Repair the host's server, so that it does not differ from the leader; return its SERVER_ID.

    First repairs other servers, if the zone would otherwise lose its quorum. A host that is not in
    the zone joins it after the repair of all others. ``seeded``: see ``Join``. Raises HostError.
    """
    name = spec.host.name
    survey = FactsCache(access, hosts, spec.zone.database)
    own = member_status(access, spec, survey)
    if own.server_id >= 0 and not own.faults:
        return own.server_id
    view, known = survey.view(), survey.known_facts()
    specs = {
        entry.name: spec.model_copy(update={"host": hosts[entry.name]})
        for entry in view.pool
        if entry.name in known and entry.name in hosts
    }
    others = {
        n: partial(member_status, access, other, survey) for n, other in specs.items() if n != name
    }
    statuses = {**side_by_side(others), name: own}
    servers = conditions(view, known, statuses)
    plan = plan_repairs(servers)
    if name not in plan.order and plan.refusal is not None:
        newcomer = min((n for n in known.keys() - statuses.keys() if known[n].package), default="")
        if not newcomer or not all(one.follows and not one.misnumbered for one in servers):
            raise refused(plan.refusal, name, STEP)
        # All servers follow, but the zone cannot spare one of them, such as a zone of two.
        access.report(f"{newcomer}: joins first: the zone has too few servers to repair {name}")
        due = [one.name for one in servers if one.need]
        with zone_lock(access, hosts):
            new = spec.model_copy(update={"host": hosts[newcomer]})
            Join(access, new, hosts, awaiting=due).run()
        return repair(access, spec, hosts)
    # A host that is not a server of the zone, or has other data, comes after all others.
    order = [*plan.order] if name in plan.order else [*plan.order, name]
    ids: dict[str, int] = {}
    with zone_lock(access, hosts):
        for number, turn in enumerate(order[: order.index(name) + 1]):
            status = statuses[turn]
            if turn in specs:
                access.report(f"{turn}: repair: {'; '.join(status.faults)}")
            awaiting = order[number + 1 :]
            other = specs.get(turn, spec)
            ids[turn] = Join(
                access,
                other,
                hosts,
                resync=status.resync,
                awaiting=awaiting,
                follows=status.follows,
                seeded=seeded and turn == name,
            ).run()
    return ids[name]


def conditions(
    view: ZoneView, known: Mapping[str, Facts], statuses: Mapping[str, MemberStatus]
) -> list[Condition]:
    """Return the condition of each server of the pool. Pure.

    ``known``: facts of the servers that answer. ``statuses``: their statuses.
    """
    return [_condition(entry, view, known, statuses.get(entry.name)) for entry in view.pool]


def _condition(
    entry: ServerEntry, view: ZoneView, known: Mapping[str, Facts], found: MemberStatus | None
) -> Condition:
    own, head = known.get(entry.name), known.get(view.leader() or "")
    if own is None or head is None or found is None:
        # One that leaves the stack counts for the quorum as long as it follows.
        return Condition(entry.name, follows=entry.name in following(view))
    if own.has_content and own.identity != head.identity:
        # It is not repaired as a part of another repair: its own one reports it.
        return Condition(entry.name, follows=False)
    need = Need.NOTHING
    if found.faults:
        need = Need.RESYNC if found.resync or not own.has_content else Need.START
    return Condition(
        entry.name,
        need,
        follows=found.follows,
        leads=entry.name == view.leader(),
        misnumbered=entry.name in view.misnumbered(),
    )
