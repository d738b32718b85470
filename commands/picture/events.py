"""Events of each front-end's oned, from the lines of its log. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from commands.status.report import Role
from opennebula.oned_log import LogLine

AT_START = timedelta(seconds=15)
"""In this time after its start a server drops a leftover VIP: that is no event."""


class Kind(StrEnum):
    """A kind of event, as its label says it."""

    STARTS = "starts"
    STOPS = "stops"
    STOPPED = "stopped"
    ELECTION = "election"
    LEADS = "leads"
    FOLLOWS = "follows"
    VIP_ON = "VIP announced"
    VIP_OFF = "VIP dropped"
    HOOK_FAILED = "hook failed"
    ERROR = "error"


_SIGNS: tuple[tuple[Kind, str], ...] = (
    (Kind.STARTS, r"oned started in "),
    (Kind.STOPS, r"Stopping oned"),
    (Kind.STOPPED, r"All modules finalized"),
    (Kind.ELECTION, r"(?i)start\w* (new )?election"),
    (Kind.LEADS, r"oned is now the leader of the zone"),
    (Kind.FOLLOWS, r"oned is set to follower mode|New term \(\d+\) discovered"),
    (Kind.HOOK_FAILED, r"Hook: RAFT_\w+ executed with rc: (?!0\b)|Error executing Hook: RAFT_"),
    (Kind.VIP_ON, r"(executing )?Hook: RAFT_LEADER_HOOK"),
    (Kind.VIP_OFF, r"(executing )?Hook: RAFT_FOLLOWER_HOOK"),
)
_PART_OF_ELECTION = "one.zone.voterequest"
"""Each vote that a server refuses is an error in its log."""
_ROLES = {
    Kind.STARTS: Role.FOLLOWER,
    Kind.STOPS: Role.STOPPING,
    Kind.STOPPED: Role.STOPPED,
    Kind.ELECTION: Role.CANDIDATE,
    Kind.LEADS: Role.LEADER,
    Kind.FOLLOWS: Role.FOLLOWER,
}


@dataclass(frozen=True)
class Event:
    """One mark on the line of a front-end."""

    at: datetime
    kind: Kind
    text: str
    term: str = ""
    """The term, if the line has it."""

    @property
    def role(self) -> Role | None:
        """The role of the front-end after it, if that changes."""
        if self.kind is Kind.STARTS and "solo" in self.text:
            return Role.STANDALONE
        return _ROLES.get(self.kind)


@dataclass(frozen=True)
class Phase:
    """A role for some time."""

    begin: datetime
    end: datetime
    role: Role | None
    """None if no log says it."""


def events(rows: Iterable[tuple[str, LogLine]]) -> dict[str, list[Event]]:
    """Return the events of each front-end by time, from the merged lines of their logs."""
    found: dict[str, list[Event]] = {}
    for name, line in rows:
        there = found.setdefault(name, [])
        if (event := _event(line)) and not _is_at_start(event, there):
            there.append(event)
    return found


def _event(line: LogLine) -> Event | None:
    for kind, sign in _SIGNS:
        if re.search(sign, line.text):
            term = re.search(r"New term \((\d+)\)", line.text)
            return Event(line.at, kind, line.text, term=term[1] if term else "")
    is_fault = line.level == "E" and _PART_OF_ELECTION not in line.text
    return Event(line.at, Kind.ERROR, line.text) if is_fault else None


def _is_at_start(event: Event, before: Sequence[Event]) -> bool:
    starts = [each.at for each in before[-1:] if each.kind is Kind.STARTS]
    return event.kind is Kind.VIP_OFF and any(event.at - at < AT_START for at in starts)


def phases(
    of: Mapping[str, Sequence[Event]], name: str, begin: datetime, end: datetime
) -> Iterator[Phase]:
    """Yield the roles of a front-end, without a gap.

    A leader that was cut off logs nothing: its role ends when another one leads.
    """
    own = [(event.at, event.role) for event in of[name] if event.role]
    others = [
        event.at
        for other, found in of.items()
        for event in found
        if other != name and event.kind is Kind.LEADS
    ]
    # Only a follower becomes a candidate.
    at, role = begin, Role.FOLLOWER if own and own[0][1] is Role.CANDIDATE else None
    for moment, new in [*own, (end, None)]:
        if new is role and moment < end:
            continue
        if role is Role.LEADER:
            lost = min((each for each in others if at < each < moment), default=None)
            if lost:
                yield Phase(at, lost, role)
                at, role = lost, None
        if moment > at:
            yield Phase(at, moment, role)
        at, role = max(moment, at), new
