"""Put changed configuration into effect, one server at a time, followers first, leader last."""

from collections.abc import Mapping

from hosts.connection import Host
from procedures import gate
from procedures.access import Access
from procedures.observe import Facts, facts
from procedures.oned import renew
from procedures.specs import ZoneSpec


def roll_out(access: Access, zone: ZoneSpec, hosts: Mapping[str, Host]) -> gate.Whole:
    """Restart the servers that do not run the configuration that they have; the zone afterwards.

    The zone is whole before, between and after the restarts. A server that does not start with
    its new configuration has its old one back, and is the last that was touched. Raises HostError.
    """
    # It may be the VIP that changes: its place is looked at in the end.
    meanwhile = zone.model_copy(update={"vip": None})
    whole = gate.verify(access, meanwhile, hosts)
    # Who leads may change meanwhile: the next one is chosen anew each time, each once.
    done: set[str] = set()
    while names := [n for n in pending(whole.facts, whole.leader) if n not in done]:
        name = names[0]
        done.add(name)
        renew(access, whole.facts[name])
        whole = gate.verify(access, meanwhile, hosts)
    gate.verify_vip(access, zone, hosts, whole)
    return whole


def pending(seen: Mapping[str, Facts], leader: str) -> list[str]:
    """The servers to restart, in their order: followers, then the leader.

    A follower is behind, too, when the leader's list of servers changed after its start: it reads
    that list only when it starts, and would not find a newer server as its leader.
    """
    changed = seen[leader].zone_changed
    stale = {
        name
        for name, one in seen.items()
        if one.is_behind or (name != leader and one.since < changed)
    }
    return sorted(stale, key=lambda name: (name == leader, name))


def roll_out_solo(access: Access, zone: ZoneSpec, host: Host) -> None:
    """The same for a front-end outside any zone."""
    seen = facts(access, host, zone.database)
    if seen.is_behind:
        renew(access, seen)
