"""Signs of a server that does not replicate as it must, or holds other data. Pure."""

from collections.abc import Iterator

from commands.status.signs.sign import Found
from commands.status.situation import Situation
from opennebula.zone import State, behind

LAG = 50
"""Records by which a follower may end before the leader: servers are not asked at one instant, and
without writes a follower does not notice that it lacks the last ones."""


def wrong_server_id(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        entry, raft = now.view.entry(name), snapshot.answers.raft
        if entry is None or not now.zone.highly_available:
            continue
        if raft and raft.server_id != entry.id:
            yield Found(
                name, f"oned runs with SERVER_ID {raft.server_id}, the zone has it as {entry.id}"
            )
        elif snapshot.facts and snapshot.facts.has_content and snapshot.facts.server_id != entry.id:
            yield Found(
                name,
                f"SERVER_ID {snapshot.facts.server_id} in /etc/one/oned.conf, the zone has it as"
                f" {entry.id}",
            )


def not_in_zone(now: Situation) -> Iterator[Found]:
    if not now.zone.highly_available or now.leader is None:
        return
    for name in now.facts:
        if now.view.entry(name) is None:
            listed = ", ".join(entry.name for entry in now.view.pool)
            yield Found(name, f"the zone's servers are {listed}")


def not_set_up(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        if now.view.entry(name) is None or facts.upgrading:
            continue
        if not facts.package:
            yield Found(name, "OpenNebula is not installed")
        elif not facts.has_content:
            yield Found(name, "it holds no database of the zone")


def not_following(now: Situation) -> Iterator[Found]:
    head = now.leader_status
    if head is None or not now.zone.highly_available:
        return
    for name, status in now.view.statuses.items():
        if name == now.leader or status.state is State.LEADER or now.view.entry(name) is None:
            continue
        if status.state is not State.FOLLOWER or status.term != head.term:
            yield Found(
                name,
                f"{status.state.name.lower()} in term {status.term}, the leader is in term"
                f" {head.term}",
            )


def log_dropped(now: Situation) -> Iterator[Found]:
    leader = now.leader_facts
    for name, lag, dropped in _behind(now):
        if dropped and leader is not None:
            yield Found(
                name,
                f"it lacks the last {lag} records; the leader's log begins at {leader.log_begins}",
            )


def lagging(now: Situation) -> Iterator[Found]:
    for name, lag, dropped in _behind(now):
        if not dropped and lag > LAG:
            yield Found(name, f"it lacks the last {lag} records")


def _behind(now: Situation) -> Iterator[tuple[str, int, bool]]:
    """Yield each follower that lags, by how much, and whether the leader dropped these records."""
    head, leader = now.leader_status, now.leader_facts
    if head is None or not now.zone.highly_available:
        return
    for name, index in behind(now.view).items():
        if name in now.following:
            dropped = leader is not None and index + 1 < leader.log_begins
            yield name, head.index - index, dropped


def stale_pool(now: Situation) -> Iterator[Found]:
    head = now.leader_status
    if head is None or not now.zone.highly_available:
        return
    for name, snapshot in now.hosts.items():
        if name not in now.following or name == now.leader:
            continue
        if snapshot.answers.pool != now.view.pool:
            listed = ", ".join(entry.name for entry in snapshot.answers.pool) or "no server"
            everybody = ", ".join(entry.name for entry in now.view.pool)
            yield Found(name, f"it lists {listed}; the leader lists {everybody}")
        elif snapshot.answers.refuses_calls:
            yield Found(name, f"it does not reach the leader: {snapshot.answers.refuses_calls}")


def other_database(now: Situation) -> Iterator[Found]:
    head = now.leader_facts
    if head is None:
        return
    for name, facts in now.facts.items():
        if facts.has_content and not facts.silent and facts.identity != head.identity:
            yield Found(name, "its database is not a copy of the leader's")


def data_differ(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.differing:
            yield Found(name, f"different tables: {', '.join(snapshot.differing)}")


def keys_differ(now: Situation) -> Iterator[Found]:
    for name in now.facts:
        if name != now.leader and (found := now.mismatches(name)):
            yield Found(name, "; ".join(found))
