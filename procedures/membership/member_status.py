"""The state of one front-end as a server of the zone, and what is wrong with it."""

import time
from dataclasses import dataclass, replace

from opennebula.zone import ServerEntry, State, ZoneView, behind, following
from procedures import zone_leader
from procedures.context import Access, Hosts
from procedures.facts.cache import FactsCache
from procedures.facts.observe import all_facts, elected_view
from procedures.replica_drift import SECOND_LOOK, lasting, mismatches, tables
from procedures.specs import MemberSpec
from procedures.wait import repeat


@dataclass(frozen=True)
class MemberStatus:
    """A front-end's SERVER_ID, and its faults as a server of the zone."""

    server_id: int
    """-1 if it is not in the zone's pool."""
    faults: tuple[str, ...] = ()
    resync: tuple[str, ...] = ()
    """The faults that only a fresh copy of the leader's data and keys repairs."""
    follows: bool = False
    """It is the leader, or follows it."""


def member_status(
    access: Access, spec: MemberSpec, survey: FactsCache, *, writes: bool = True
) -> MemberStatus:
    """Return a front-end's status, from its Raft status and a comparison with the leader's data.

    ``writes``: if its log ends before the leader's, a harmless write shows whether it follows.
    """
    hosts, name = survey.hosts, spec.host.name
    found = membership(access, spec, hosts, writes=writes)
    known = survey.known_facts()
    view = survey.view()
    leader, entry = view.leader(), view.entry(name)
    if entry is None or name not in known or leader not in known:
        return found
    own, head, faults = known[name], known[leader], list(found.faults)
    if not own.active:
        faults = ["its oned is being stopped" if own.stopping else "its oned is stopped"]
    status = view.statuses.get(name)
    resync = mismatches(own, head, entry, runs_as=status.server_id if status else None)
    if own.identity != head.identity:
        faults.append("its database is empty, or another OpenNebula's")
    elif tables(own, head):
        time.sleep(SECOND_LOOK)
        pair = {name: spec.host, leader: hosts[leader]}
        later = all_facts(access, pair, survey.database, checksums=True)
        if differing := lasting((own, head), (later[name], later[leader])):
            resync.append(f"its data differ from the leader's: {', '.join(differing)}")
    return replace(found, faults=tuple(dict.fromkeys([*faults, *resync])), resync=tuple(resync))


def membership(
    access: Access, spec: MemberSpec, hosts: Hosts, *, writes: bool = True
) -> MemberStatus:
    """Return a front-end's status from the Raft statuses alone."""
    view = elected_view(access, hosts)
    if writes and view.leader() is not None and _lag(view, spec.host.name):
        # Without writes a healthy follower may lag, too, until it gets the next record.
        return _caught_up(access, spec.host.name, hosts)
    return by_status(view, spec.host.name)


def _caught_up(access: Access, name: str, hosts: Hosts) -> MemberStatus:
    """Return a server's status when it has caught up, or after ``CATCH_UP`` seconds."""
    records = zone_leader.LeaderRecords(access, hosts)
    view, record = ZoneView((), {}), None

    def look() -> bool | None:
        nonlocal view, record
        view, record = records.try_look()
        known = record is not None and name in view.statuses
        return True if known and not _lag(view, name, record) else None

    repeat(look, zone_leader.CATCH_UP)
    return by_status(view, name, record)


def by_status(view: ZoneView, name: str, record: int | None = None) -> MemberStatus:
    """Return a server's status from the Raft statuses.

    ``record``: index of the record that it must have, instead of the leader's last one.
    """
    entry = view.entry(name)
    if not view.leader():
        # Unknown: a server that may follow counts for the quorum.
        return MemberStatus(-1, ("there is no leader",), follows=name in view.statuses)
    if entry is None:
        return MemberStatus(-1, ("it is not in the zone",))
    lag = _lag(view, name, record)
    found = (*_own_faults(view, entry), *filter(None, [lag]))
    return MemberStatus(entry.id, found, follows=name in following(view) and not lag)


def _lag(view: ZoneView, name: str, record: int | None = None) -> str:
    """Return by how much a server lags, in words: see ``behind``. Empty if it does not."""
    index = behind(view, record).get(name)
    if index is None:
        return ""
    return f"its log ends at {index}, the leader's at {view.statuses[view.leader() or ''].index}"


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
