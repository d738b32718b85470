"""Repair servers of the zone that differ from it, several if need be, with quorum held."""

from collections.abc import Mapping
from functools import partial

from hosts.models import Host
from opennebula.membership.repair import Condition, Need, plan_repairs
from opennebula.zone import ServerEntry, ZoneView
from procedures.bootstrap.bootstrap import refused, zone_lock
from procedures.context import Access
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts
from procedures.membership.join import STEP, Join
from procedures.membership.member_status import MemberStatus, member_status
from procedures.parallel import side_by_side
from procedures.specs import MemberSpec


def repair(access: Access, spec: MemberSpec, hosts: Mapping[str, Host]) -> int:
    """Have the host in the zone as a server that differs in nothing; its SERVER_ID.

    Others whose repair comes before its own, so that the zone keeps its quorum, are repaired, too.
    Raises HostError.
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
    places = {**side_by_side(others), name: own}
    plan = plan_repairs(conditions(view, known, places))
    if name not in plan.order and plan.refusal is not None:
        raise refused(plan.refusal, name, STEP)
    # One that is no server of the zone, or holds something else, comes when all others are sound.
    order = [*plan.order] if name in plan.order else [*plan.order, name]
    ids: dict[str, int] = {}
    with zone_lock(access, hosts):
        for number, turn in enumerate(order[: order.index(name) + 1]):
            found = places[turn]
            access.report(f"{turn}: repair: {'; '.join(found.faults)}")
            awaiting = order[number + 1 :]
            other = specs.get(turn, spec)
            ids[turn] = Join(access, other, hosts, resync=found.resync, awaiting=awaiting).run()
    return ids[name]


def conditions(
    view: ZoneView, known: Mapping[str, Facts], places: Mapping[str, MemberStatus]
) -> list[Condition]:
    """What each server of the pool needs, as the planner has it. Pure.

    ``known``: the facts of those that answer; ``places``: theirs.
    """
    return [_condition(entry, view, known, places.get(entry.name)) for entry in view.pool]


def _condition(
    entry: ServerEntry, view: ZoneView, known: Mapping[str, Facts], found: MemberStatus | None
) -> Condition:
    own, head = known.get(entry.name), known.get(view.leader() or "")
    if own is None or head is None or found is None:
        return Condition(entry.name, follows=False)
    if own.has_content and own.identity != head.identity:
        # No other server replaces it: its own turn says so.
        return Condition(entry.name, follows=False)
    status = view.statuses.get(entry.name)
    need = Need.NOTHING
    if found.faults:
        need = Need.RESYNC if found.resync or not own.has_content else Need.START
    return Condition(
        entry.name,
        need,
        follows=found.follows,
        leads=entry.name == view.leader(),
        misnumbered=status is not None and status.server_id != entry.id,
    )
