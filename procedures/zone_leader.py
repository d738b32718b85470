"""Wait for the zone's leader, and call its API, also during elections."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from hosts.errors import HostError
from hosts.models import Host
from opennebula.api import Api, ApiError, NotAuthenticatedError
from opennebula.zone import ZoneView, behind, following
from procedures.context import Access, Hosts
from procedures.facts.observe import api_host, zone_view
from procedures.wait import NotYet, repeat, until

ELECTION = 90.0
"""Seconds for a leader: 15 s of warm-up, 5 s of election, and a few split votes."""
WRITE = 30.0
"""Seconds for one write, including an election."""
ANSWER = 10.0
"""Seconds for one call at the leader: if it hangs, another server is soon elected."""
CATCH_UP = 20.0
"""Seconds for a server that lags to take a further record of the leader: otherwise it is stuck."""
LONG_WAY = 600.0
"""Seconds for a server that lags, but makes progress, to reach the last record."""
LOOK = "look at /var/log/one/oned.log on the leader, then run again"

T = TypeVar("T")


def wait_for_leader(access: Access, hosts: Hosts) -> ZoneView:
    """Return the zone when it has exactly one leader. Raises HostError after ELECTION seconds."""

    def look() -> ZoneView:
        view = zone_view(access, hosts)
        if not view.leader() or not view.pool:
            raise NotYet(states(view))
        return view

    access.report(f"wait for a leader, at most {ELECTION:.0f} s")
    return until(
        look,
        host=", ".join(sorted(hosts)),
        step="wait for a leader",
        expected="exactly one leader",
        seconds=ELECTION,
        remedy="look at /var/log/one/oned.log on these hosts: the lines with [RCM] say why"
        " no leader is elected",
    )


def find(access: Access, hosts: Hosts, *, highly_available: bool = True) -> Host:
    """Return the host to send a write to: the leader's, or the only host of a standalone oned.

    Raises HostError after ELECTION seconds without a leader.
    """
    if not highly_available:
        return next(iter(hosts.values()))
    return api_host(wait_for_leader(access, hosts), hosts)


def require_ours(leader: str | None, hosts: Hosts, step: str) -> str:
    """Return the leader. Raises HostError if it is not one of the stack's front-ends."""
    if leader and leader in hosts:
        return leader
    raise HostError(
        leader or "",
        step,
        expected="one of the front-ends in the stack's config to lead",
        seen=f"{leader}, which is not in it",
        remedy=f"restart opennebula on {leader}, so that another one leads; then run again",
    )


def ask(
    access: Access,
    hosts: Hosts,
    call: Callable[[Api], T],
    *,
    step: str,
    expected: str,
    remedy: str = LOOK,
    first: Host | None = None,
    highly_available: bool = True,
) -> T:
    """Return the result of a call at the host that ``find`` finds. Raises HostError.

    ``first``: the host for the first attempt, if the caller knows it. During an election the call
    fails and is repeated: a call that failed may have been executed.
    """
    failures: list[HostError] = []

    def attempt() -> tuple[T] | None:
        known = None if failures else first
        host = known or find(access, hosts, highly_available=highly_available)
        try:
            return (call(access.api(host, timeout=ANSWER)),)
        except HostError as error:
            failures.append(error)
        except ApiError as error:
            failure = HostError(host.name, step, expected=expected, seen=str(error), remedy=remedy)
            if isinstance(error, NotAuthenticatedError):
                raise failure from None
            failures.append(failure)
        return None

    result = repeat(attempt, WRITE)
    if result is None:
        raise failures[-1]
    return result[0]


def write(access: Access, hosts: Hosts, view: ZoneView | None = None) -> None:
    """Make a harmless write, so that lagging followers catch up.

    ``view``: the present zone, if the caller has observed it.
    """
    ask(
        access,
        hosts,
        lambda api: api.touch(datetime.now(UTC).isoformat(timespec="seconds")),
        step="write through the leader",
        expected="a write that a majority acknowledges",
        remedy="bring the other zone servers up; the write may yet be committed when they are",
        first=api_host(view, hosts) if view else None,
    )


@dataclass
class LeaderRecords:
    """The last record of each leader after a harmless write.

    A new leader assumes that its followers have all of its records. A lagging follower gets the
    missing ones only with that leader's next write.
    """

    access: Access
    hosts: Hosts
    _of: dict[tuple[str, int], int] = field(default_factory=dict, init=False)

    def look(self, view: ZoneView | None = None) -> tuple[ZoneView, int | None]:
        """Return the zone, and the record that every server must get. Raises HostError.

        ``view``: the present zone, if the caller has observed it.
        """
        view = view or zone_view(self.access, self.hosts)
        head = leadership(view)
        if head is not None and head not in self._of:
            write(self.access, self.hosts, view)
            view = zone_view(self.access, self.hosts)
            if head == leadership(view):
                self._of[head] = view.statuses[head[0]].index
        return view, self._of.get(head) if head else None

    def try_look(self) -> tuple[ZoneView, int | None]:
        """Like ``look``, but also returns if too few servers accept the write: one that lags may be
        why."""
        try:
            return self.look()
        except HostError:
            view = zone_view(self.access, self.hosts)
            leader = view.leader()
            return view, view.statuses[leader].index if leader else None


def stuck(access: Access, hosts: Hosts, *, step: str, but: str = "") -> dict[str, int]:
    """Return the followers that answer but take no record of the leader, with their last record.

    The leader may have purged what such a server needs next. It does not count for a majority,
    whatever its state says. A server that catches up is waited for. Raises HostError for one that
    is not in ``hosts``, since it cannot be repaired.
    """
    records = LeaderRecords(access, hosts)
    view, lagging = ZoneView((), {}), dict[str, int]()
    moved = time.monotonic()

    def look() -> bool | None:
        nonlocal view, lagging, moved
        view, record = records.try_look()
        if record is None:
            return None
        takers = following(view) - {but}
        now = {name: at for name, at in behind(view, record).items() if name in takers}
        if now != lagging:
            lagging, moved = now, time.monotonic()
        return True if not now or time.monotonic() - moved > CATCH_UP else None

    repeat(look, LONG_WAY)
    for entry in view.pool:
        if entry.name in lagging and entry.name not in hosts:
            raise HostError(
                entry.name,
                step,
                expected="servers that take what the leader writes, before the zone is changed",
                seen=f"its log ends at {lagging[entry.name]}, and it is not in the stack any more",
                remedy=f"stop opennebula on {entry.name}; then, on {view.leader()}, 'onezone"
                f" server-del 0 {entry.id}'; then run again",
            )
    return lagging


def leadership(view: ZoneView) -> tuple[str, int] | None:
    """Return the leader and its term."""
    leader = view.leader()
    return (leader, view.statuses[leader].term) if leader else None


def states(view: ZoneView) -> str:
    """Describe the state of each server that answers."""
    if not view.statuses:
        return "no oned that answers"
    return ", ".join(
        f"{name} {status.state.name.lower()} in term {status.term}"
        for name, status in sorted(view.statuses.items())
    )
