"""Signs of the zone as a whole: its quorum, its leader, its list of servers, its VIPs. Pure."""

from collections.abc import Iterator

from commands.status.signs.sign import UP, Found
from commands.status.situation import Situation
from opennebula.zone import State
from procedures.zone_leader import states


def no_quorum(now: Situation) -> Iterator[Found]:
    if not now.zone.highly_available or not now.view.pool:
        return
    up = (
        now.following
        if now.leader
        else {name for name in now.view.statuses if now.view.entry(name) is not None}
    )
    if len(up) < now.quorum:
        names = ", ".join(sorted(up)) or "no server"
        verb = "follow the leader" if now.leader else "answer"
        yield Found("", f"{len(up)} of {now.servers} servers {verb} ({names}), quorum {now.quorum}")


def no_leader(now: Situation) -> Iterator[Found]:
    if now.leader is not None or not now.facts:
        return
    if not now.zone.highly_available:
        is_installed = any(facts.package for facts in now.facts.values())
        yield Found("", "oned does not answer", () if is_installed else UP)
    elif not list(no_zone(now)) and not list(no_quorum(now)):
        yield Found("", states(now.view) if now.view.statuses else "no oned answers")


def no_zone(now: Situation) -> Iterator[Found]:
    holds_data = any(facts.has_content for facts in now.facts.values())
    if now.facts and now.leader is None and now.zone.highly_available and not holds_data:
        yield Found("", "no front-end holds a zone's database")


def unobserved(now: Situation) -> Iterator[Found]:
    if not now.facts:
        yield Found("", f"none of {', '.join(sorted(now.hosts))} could be observed")


def two_leaders(now: Situation) -> Iterator[Found]:
    leaders = {
        name: status for name, status in now.view.statuses.items() if status.state is State.LEADER
    }
    if len(leaders) < 2:
        return
    terms = ", ".join(f"{name} in term {each.term}" for name, each in sorted(leaders.items()))
    for name in sorted(leaders):
        if name != now.leader:
            yield Found(name, f"several servers say that they lead: {terms}")


def unknown_server(now: Situation) -> Iterator[Found]:
    for entry in now.view.pool:
        if entry.name not in now.hosts:
            yield Found(entry.name, f"server {entry.id} of the zone at {entry.endpoint}")


def vip_missing(now: Situation) -> Iterator[Found]:
    leader = now.leader_facts
    if leader is None or leader.hook_runs or not now.zone.highly_available:
        return
    for vip in now.zone.vips:
        if now.leader not in now.vip_holders(vip.address):
            yield Found(leader.host.name, f"{vip.address} is not on the leader")


def vip_leftover(now: Situation) -> Iterator[Found]:
    for vip in now.zone.vips:
        for name in now.vip_holders(vip.address):
            if name != now.leader and now.leader is not None and not now.facts[name].hook_runs:
                yield Found(name, f"{vip.address} is on {name}, the leader is {now.leader}")
