"""Who is in the zone, who is not, and what it takes to get from one to the other. Pure.

Invariant: no oned ever serves a copy of the zone's database outside the zone, and no database
with content is replaced unless it is a copy of this zone's.

The rule of order that keeps it, and that lets an interrupted run be taken up again from what is
observed alone: when a zone is founded, the founder is the **last** to get its SERVER_ID, after
every other server holds the whole database and its own SERVER_ID, and before any of them starts.
So

- a database with content beside SERVER_ID -1 is a solo server: the founder, whether it has been
  one for a second or for years. Nobody has run as a zone yet, and seeding can be done again.
- content beside a SERVER_ID of 0 or more is a zone server; where no solo server is left, all of
  them are, and starting them is all that is missing.

When a server joins, it gets the database first, then its entry in the pool, then its SERVER_ID,
and only then is it started: until then its oned is disabled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from opennebula.zone import (
    SOLO_ID,
    RaftStatus,
    ServerEntry,
    State,
    ZoneView,
    endpoint,
    quorum,
)


@dataclass(frozen=True)
class FrontEndView:
    """One front-end as observed: its oned, its database and what the database says."""

    name: str
    installed: bool = True
    running: bool = False
    server_id: int = SOLO_ID
    has_content: bool = False
    identity: str = ""
    """Equal for two databases that are copies of one (when and as what it was bootstrapped)."""
    pool: tuple[ServerEntry, ...] = ()
    log_index: int = -1
    log_term: int = -1
    status: RaftStatus | None = None

    @property
    def is_solo(self) -> bool:
        """Holds a database that runs outside any zone."""
        return self.has_content and self.server_id == SOLO_ID

    @property
    def is_member(self) -> bool:
        """Holds a database and a place in a zone."""
        return self.has_content and self.server_id != SOLO_ID

    @property
    def leads(self) -> bool:
        """Its oned is leader."""
        return self.status is not None and self.status.state is State.LEADER


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done: what was expected, what was seen, what the operator can do."""

    expected: str
    seen: str
    remedy: str
    host: str = ""


@dataclass(frozen=True)
class Bootstrap:
    """Start the first server alone with an empty database."""

    host: str


@dataclass(frozen=True)
class StartSolo:
    """Start a server that is alone in its database."""

    host: str


@dataclass(frozen=True)
class Register:
    """Enter these front-ends in the pool of the solo server."""

    host: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Seed:
    """Stop the source, give its whole database and keys to the targets with their SERVER_ID."""

    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Enlist:
    """Give the founder its SERVER_ID: from here on it is a zone server."""

    host: str


@dataclass(frozen=True)
class StartTogether:
    """Start these zone servers at once and wait for a leader."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Adopt:
    """A zone is there and works: take it as it is."""

    leader: str


ZoneStep = Bootstrap | StartSolo | Register | Seed | Enlist | StartTogether | Adopt


@dataclass(frozen=True)
class JoinPlan:
    """How one front-end becomes, or is seen to be, a server of a zone that works."""

    seed: bool = False
    register: bool = False
    start: bool = False
    reasons: tuple[str, ...] = field(default=())

    @property
    def is_member(self) -> bool:
        """Nothing is left but to verify."""
        return not (self.seed or self.register or self.start)


def plan_zone(
    front_ends: Sequence[FrontEndView], *, highly_available: bool
) -> list[ZoneStep] | Refusal:
    """The steps from what is there to a zone of all these front-ends, or why not.

    ``front_ends`` are all of the stack, every one observed; their order does not matter.
    """
    hosts = sorted(front_ends, key=lambda host: host.name)
    solo = [host for host in hosts if host.is_solo]
    members = [host for host in hosts if host.is_member]
    if members and any(host.leads for host in members):
        return _adopt(hosts, members)
    if len(solo) > 1:
        return Refusal(
            expected="at most one front-end with a database of its own",
            seen=f"{_names(solo)} each hold one",
            remedy="decide which one is the zone's; on the others stop opennebula and drop the"
            " database, or take them off the list",
        )
    if not solo and not members:
        founder = hosts[0].name
        steps: list[ZoneStep] = [Bootstrap(founder)]
        return steps + _found(hosts, founder, ()) if highly_available else steps
    if solo:
        return _convert(hosts, solo[0], members, highly_available=highly_available)
    return _resume(hosts, members)


def _found(
    hosts: Sequence[FrontEndView], founder: str, pool: Sequence[ServerEntry]
) -> list[ZoneStep]:
    names = [founder, *(host.name for host in hosts if host.name != founder)]
    listed = {entry.name for entry in pool}
    steps: list[ZoneStep] = []
    missing = tuple(name for name in names if name not in listed)
    if missing:
        steps.append(Register(founder, missing))
    return [
        *steps,
        Seed(founder, tuple(names[1:])),
        Enlist(founder),
        StartTogether(tuple(sorted(names))),
    ]


def _convert(
    hosts: Sequence[FrontEndView],
    founder: FrontEndView,
    members: Sequence[FrontEndView],
    *,
    highly_available: bool,
) -> list[ZoneStep] | Refusal:
    awake = [host for host in members if host.running]
    if awake:
        return Refusal(
            expected=f"{_names(awake)} stopped while {founder.name} still runs outside the zone",
            seen="oned running on both",
            remedy=f"find out which of them serves; then stop opennebula on {founder.name} or set"
            " its SERVER_ID",
            host=founder.name,
        )
    strange = [host for host in members if host.identity != founder.identity]
    if strange:
        return Refusal(
            expected=f"databases that are copies of the one on {founder.name}",
            seen=f"{_names(strange)} hold another zone's",
            remedy="take them off the list, or drop their databases",
            host=strange[0].name,
        )
    foreign = _not_listed(founder.pool, hosts)
    if foreign:
        return foreign
    start: list[ZoneStep] = [] if founder.running else [StartSolo(founder.name)]
    if not highly_available:
        return start
    steps = _found(hosts, founder.name, founder.pool)
    # Only the registration needs a running oned; the seeding stops it again.
    return start + steps if isinstance(steps[0], Register) else steps


def _resume(
    hosts: Sequence[FrontEndView], members: Sequence[FrontEndView]
) -> list[ZoneStep] | Refusal:
    identities = {host.identity for host in members}
    if len(identities) > 1:
        return Refusal(
            expected="front-ends of one zone",
            seen=f"{_names(members)} hold databases of different zones",
            remedy="take those of the other zone off the list",
        )
    newest = max(members, key=lambda host: (host.log_term, host.log_index, host.name))
    foreign = _not_listed(newest.pool, hosts)
    if foreign:
        return foreign
    by_name = {entry.name: entry.id for entry in newest.pool}
    for host in members:
        if by_name.get(host.name) != host.server_id:
            return Refusal(
                expected=f"SERVER_ID {by_name.get(host.name, 'of no server')} as in the pool",
                seen=f"SERVER_ID {host.server_id} in oned.conf",
                remedy="never start it so; correct /etc/one/oned.conf, or drop the database to"
                " have it join anew",
                host=host.name,
            )
    needed = quorum(len(newest.pool))
    if len(members) < needed:
        return Refusal(
            expected=f"{needed} of {len(newest.pool)} zone servers with their database",
            seen=f"only {_names(members)}",
            remedy="bring the missing front-ends back, or restore the zone from a dump",
        )
    return [StartTogether(tuple(host.name for host in members))]


def _adopt(
    hosts: Sequence[FrontEndView], members: Sequence[FrontEndView]
) -> list[ZoneStep] | Refusal:
    leaders = [host for host in members if host.leads]
    leader = max(leaders, key=lambda host: host.status.term if host.status else -1)
    foreign = _not_listed(leader.pool, hosts)
    if foreign:
        return foreign
    others = [host.name for host in leaders if host.identity != leader.identity]
    if others:
        return Refusal(
            expected="one zone",
            seen=f"{leader.name} and {', '.join(others)} each lead a zone of their own",
            remedy="list the front-ends of one zone only",
        )
    return [Adopt(leader.name)]


def _not_listed(pool: Sequence[ServerEntry], hosts: Sequence[FrontEndView]) -> Refusal | None:
    listed = {host.name for host in hosts}
    for entry in pool:
        if entry.name not in listed or entry.endpoint != endpoint(entry.name):
            return Refusal(
                expected="a zone of the front-ends in the stack's config",
                seen=f"zone server {entry.id} {entry.name} at {entry.endpoint}",
                remedy=f"add {entry.name} to opennebula-ha:frontends with the endpoint"
                f" {endpoint(entry.name)}, or take it out of the zone",
            )
    return None


def plan_join(
    host: FrontEndView, leader: FrontEndView, pool: Sequence[ServerEntry]
) -> JoinPlan | Refusal:
    """What this front-end lacks to be a server of the zone that ``leader`` leads."""
    entry = next((entry for entry in pool if entry.name == host.name), None)
    if host.has_content and host.identity != leader.identity:
        return Refusal(
            expected="an empty database, or a copy of this zone's",
            seen="a database of another OpenNebula",
            remedy="if nothing in it is needed, stop opennebula there and drop the database",
            host=host.name,
        )
    if entry is None:
        if host.running and host.has_content:
            return Refusal(
                expected="opennebula stopped on a host that is not in the zone",
                seen="a running oned on a copy of the zone's database",
                remedy="systemctl disable --now opennebula there, then run up again",
                host=host.name,
            )
        return JoinPlan(seed=True, register=True, start=True)
    if host.is_member and host.server_id == entry.id:
        fits = host.status is not None and host.status.server_id == entry.id
        return JoinPlan(start=not (host.running and fits))
    reason = "its database is empty" if not host.has_content else "it has no valid SERVER_ID"
    return JoinPlan(seed=True, start=True, reasons=(reason,))


def check_leave(view: ZoneView, name: str) -> Refusal | None:
    """Whether that server can leave with quorum kept all along; the reason where it cannot.

    Between its stop and its deletion the others must be a majority of the pool with it.
    """
    others = [entry.name for entry in view.pool if entry.name != name]
    up = [
        other
        for other in others
        if (status := view.statuses.get(other)) and status.state in (State.FOLLOWER, State.LEADER)
    ]
    needed = quorum(len(view.pool))
    if not others:
        return Refusal(
            expected="another server in the zone",
            seen=f"{name} alone",
            remedy="destroy the stack to take the whole zone down",
            host=name,
        )
    if len(up) < needed and len(view.pool) > 2:
        return Refusal(
            expected=f"{needed} of {len(view.pool)} servers up without {name}",
            seen=f"{', '.join(up) or 'none'} up",
            remedy="bring the others back first: without them the zone would lose quorum",
            host=name,
        )
    return None


def _names(hosts: Sequence[FrontEndView]) -> str:
    return ", ".join(sorted(host.name for host in hosts))
