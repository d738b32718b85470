"""Apply changed configuration with a rolling restart: followers first, the leader last."""

from collections.abc import Collection, Mapping

from hosts.errors import HostError
from hosts.models import Host
from opennebula.zone import STANDALONE_ID, ServerEntry
from procedures import health, services, zone_leader
from procedures.context import Access, Hosts
from procedures.facts.facts import Facts
from procedures.facts.observe import facts, facts_where_possible
from procedures.oned_service import answering, renew, start
from procedures.specs import ZoneSpec
from procedures.upgrade import upgrade
from procedures.upgrade.versions import WantedVersion, is_due


def roll_out(
    access: Access,
    zone: ZoneSpec,
    hosts: Hosts,
    release: WantedVersion,
    *,
    staying: Collection[str],
    features: Collection[str],
    listed: Collection[ServerEntry] | None = None,
) -> health.HealthyZone:
    """Restart each server that runs with an older configuration than it has; return the zone.

    Staged packages of the stack's version are installed. The zone passes a health check before,
    between and after the restarts, unless its database changes its version. If a server does not
    start, its configuration or packages are rolled back, and no other server is restarted. In the
    end, each of ``staying`` was observed to run the ``features`` that it must run. ``listed``: see
    ``pending``. Raises HostError.
    """
    seen = facts_where_possible(access, hosts, zone.database, checksums=True)
    if upgrade.resume(access, zone, hosts, seen):
        seen = {}
    if upgrade.go_back(access, zone, hosts, release):
        seen = {}
    healthy = health.verify(access, zone, hosts, seen=seen, changes_vips=True)
    zone_leader.require_ours(healthy.leader, hosts, "roll out")
    if upgrade.change_database(access, zone, healthy.leader, healthy.facts, release):
        healthy = health.verify(access, zone, hosts, changes_vips=True)
    # The leader may change between restarts: choose the next server each time, and each once.
    done: set[tuple[str, bool]] = set()

    def due() -> list[tuple[str, bool]]:
        leader = zone_leader.require_ours(healthy.leader, hosts, "roll out")
        names = pending(healthy.facts, leader, release.version, listed=listed)
        turns = [(name, is_due(healthy.facts[name], release.version)) for name in names]
        return [turn for turn in turns if turn not in done]

    while turns := due():
        name, has_packages = turns[0]
        done.add(turns[0])
        turn, all_turns = len(done), len(done) + len(turns) - 1
        access.report(f"{name}: restart {turn} of {all_turns} of this rollout")
        if has_packages:
            upgrade.swap(access, hosts[name])
        else:
            renew(access, healthy.facts[name])
        # The last check observes all servers again.
        before = healthy if len(turns) > 1 else None
        healthy = health.verify(access, zone, hosts, before=before, renewed=name, changes_vips=True)
    for name, front_end in healthy.facts.items():
        # It was about to leave, which was interrupted before its stop; or a power cut came between
        # its first start and the removal of our mark on a blank host.
        if name in staying and (not front_end.starts_at_boot or front_end.traces.claimed):
            start(access, hosts[name], front_end.server_id)
    wanted = {
        name: services.promised(front_end, features, release.version)
        for name, front_end in healthy.facts.items()
        if name in staying
    }
    return health.last_check(access, zone, hosts, healthy, {**dict.fromkeys(staying, ()), **wanted})


def pending(
    seen: Mapping[str, Facts],
    leader: str,
    version: str,
    *,
    listed: Collection[ServerEntry] | None = None,
    adopted: bool = False,
) -> list[str]:
    """Return the servers to restart, in this order: followers, then the leader.

    A server must be restarted if it runs with an older configuration than it has, or if packages of
    that version are staged on it. A follower must be restarted, too, if a server was added to the
    zone after the follower's start: it reads the list of servers only when it starts, and would not
    find a newer server as its leader. A server that left is no reason: a candidate counts the
    servers in its database.

    The zone's row also changes for other reasons. So it does not count if all its servers are in
    ``listed``, the servers that every follower was observed to know, or if the zone was ``adopted``
    as it is. Servers that are not in ``seen`` are about to leave, and older than any of ``listed``.
    """
    added = {entry for entry in seen[leader].pool if entry.name in seen} - {*(listed or ())}
    knows = adopted or (listed is not None and not added)
    changed = 0 if knows else seen[leader].zone_changed
    stale = {
        name
        for name, front_end in seen.items()
        if is_due(front_end, version)
        or front_end.is_behind
        or (name != leader and front_end.since < changed)
    }
    return sorted(stale, key=lambda name: (name == leader, name))


def roll_out_standalone(
    access: Access, zone: ZoneSpec, host: Host, release: WantedVersion, features: Collection[str]
) -> Facts:
    """Do the same for a front-end outside any zone; return its facts. Raises HostError."""
    seen = _upgraded_standalone(access, zone, host, release)
    # A server of a zone, or one that is getting a copy of the database, is not started here.
    if not seen.active and seen.server_id != STANDALONE_ID:
        raise HostError(
            host.name,
            "verify the front-end",
            expected="an oned outside any zone that runs",
            seen=f"a stopped one with SERVER_ID {seen.server_id}",
            remedy="pulumi refresh, then pulumi up",
        )
    if not seen.active or not seen.starts_at_boot or seen.traces.claimed:
        start(access, host, None)
        seen = facts(access, host, zone.database)
    if seen.is_behind:
        renew(access, seen)
        seen = facts(access, host, zone.database)
    answering(access, host)
    wanted = {host.name: services.promised(seen, features, release.version)}
    known = {host.name: services.ServiceFacts.of(seen)}
    services.put_in_place(access, zone, {host.name: host}, host.name, wanted=wanted, seen=known)
    return seen


def _upgraded_standalone(
    access: Access, zone: ZoneSpec, host: Host, release: WantedVersion
) -> Facts:
    """Upgrade packages and database, or resume an upgrade; return the facts."""
    seen = facts(access, host, zone.database)
    if upgrade.resume(access, zone, {host.name: host}, {host.name: seen}):
        seen = facts(access, host, zone.database)
    if upgrade.change_database(access, zone, host.name, {host.name: seen}, release):
        return facts(access, host, zone.database)
    if is_due(seen, release.version):
        upgrade.swap(access, host)
        seen = facts(access, host, zone.database)
    return seen
