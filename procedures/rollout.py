"""Put changed configuration into effect, one server at a time, followers first, leader last."""

from collections.abc import Mapping

from hosts.connection import Host
from procedures import gate
from procedures.access import Access
from procedures.observe import Facts, facts
from procedures.oned import restart
from procedures.specs import ZoneSpec


def roll_out(access: Access, zone: ZoneSpec, hosts: Mapping[str, Host]) -> gate.Whole:
    """Restart the servers that do not run the configuration that they have; the zone afterwards.

    The zone is whole before, between and after the restarts. Raises HostError.
    """
    # It may be the VIP that changes: its place is looked at in the end.
    meanwhile = zone.model_copy(update={"vip": None})
    whole = gate.verify(access, meanwhile, hosts)
    # Who leads may change meanwhile: the next one is chosen anew each time, each once.
    done: set[str] = set()
    while names := [n for n in pending(whole.facts, whole.leader) if n not in done]:
        name = names[0]
        done.add(name)
        access.report(f"{name}: restart with the present configuration")
        restart(access, hosts[name])
        whole = gate.verify(access, meanwhile, hosts)
    return gate.verify(access, zone, hosts)


def pending(seen: Mapping[str, Facts], leader: str) -> list[str]:
    """The servers to restart, in their order: followers, then the leader.

    A server is behind when its files changed after its start. A follower is behind, too, when the
    leader's list of servers changed after its start: a follower reads that list only when it
    starts, and would not find a newer server as its leader.
    """
    changed = seen[leader].zone_changed
    stale = {
        name
        for name, one in seen.items()
        if one.configured > one.since or (name != leader and one.since < changed)
    }
    return sorted(stale, key=lambda name: (name == leader, name))


def roll_out_solo(access: Access, zone: ZoneSpec, host: Host) -> None:
    """The same for a front-end outside any zone."""
    seen = facts(access, host, zone.database)
    if seen.configured > seen.since:
        restart(access, host)
