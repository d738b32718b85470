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
and only then is it started: until then its oned is disabled. Several that join in one run get the
database together, before the first of them has its entry; the log brings what is written meanwhile.
That is known to that run alone: the next one cannot tell such a copy from one that has fallen
behind in another way, and gives it anew.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from opennebula.zone import (
    SOLO_ID,
    RaftStatus,
    ServerEntry,
    State,
    ZoneView,
    endpoint,
    host_in,
    is_address,
    quorum,
)


@dataclass(frozen=True)
class FrontEndView:
    """One front-end as observed: its oned, its database and what the database says."""

    name: str
    running: bool = False
    server_id: int = SOLO_ID
    has_content: bool = False
    identity: str = ""
    """Equal for two databases that are copies of one (when and as what it was bootstrapped)."""
    pool: tuple[ServerEntry, ...] = ()
    log_index: int = -1
    log_term: int = -1
    log_begins: int = -1
    """Index of the first record that it still has."""
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
    def is_listed(self) -> bool:
        """Its own database lists it as the server that it is."""
        return any((entry.name, entry.id) == (self.name, self.server_id) for entry in self.pool)

    @property
    def log_position(self) -> tuple[int, int]:
        """Of its last record: the higher, the newer."""
        return self.log_term, self.log_index

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
class Restore:
    """Put a kept dump in the place of the first server's empty database and start it alone."""

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
class RefreshServerList:
    """Give these servers, which sleep, the zone's newest list of servers."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class StartTogether:
    """Start these zone servers at once and wait for a leader."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Adopt:
    """A zone is there and works: take it as it is."""

    leader: str


@dataclass(frozen=True)
class SeedAhead:
    """Give the leader's database and keys to those that are about to join, all at once."""

    leader: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Retire:
    """Take the last server of a zone back to running solo."""

    host: str


ZoneStep = (
    Bootstrap
    | Restore
    | StartSolo
    | Register
    | Seed
    | Enlist
    | RefreshServerList
    | StartTogether
    | Adopt
    | SeedAhead
    | Retire
)


@dataclass(frozen=True)
class JoinPlan:
    """How one front-end becomes, or is seen to be, a server of a zone that works."""

    seed: bool = False
    register: bool = False
    start: bool = False
    reasons: tuple[str, ...] = ()


def plan_zone(
    front_ends: Sequence[FrontEndView],
    *,
    highly_available: bool,
    leaving: Sequence[str] = (),
    restoring: bool = False,
    existed: bool = False,
) -> list[ZoneStep] | Refusal:
    """The steps from what is there to a zone of all these front-ends, or why not.

    ``front_ends`` are all of the stack, every one observed; their order does not matter. Those
    that are ``leaving`` are no strangers in the zone; they are among ``front_ends`` only where
    they can still be reached. ``restoring``: where nobody holds a database, there is a dump.
    ``existed``: the stack knows of a zone; it is not begun a second time without its data.
    """
    known = {*leaving, *(host.name for host in front_ends)}
    hosts = sorted(front_ends, key=lambda host: host.name)
    solo = [host for host in hosts if host.is_solo]
    members = [host for host in hosts if host.is_member]
    elsewhere = len(solo) == 1 and solo[0].name in leaving
    if not highly_available and (members or elsewhere or (solo and solo[0].pool)):
        return _retire([*members, *solo], leaving)
    if members and any(host.leads for host in members):
        return _adopt(hosts, members, known, leaving)
    if len(solo) > 1:
        return Refusal(
            expected="at most one front-end with a database of its own",
            seen=f"{_names(solo)} each hold one",
            remedy="decide which one is the zone's; on the others stop opennebula, drop the"
            " database and move /var/lib/one/.one to another place, or take them off the list",
        )
    if not solo and not members:
        return _begin(
            hosts,
            leaving,
            highly_available=highly_available,
            restoring=restoring,
            existed=existed,
        )
    if solo:
        return _convert(hosts, solo[0], members, known, highly_available=highly_available)
    return _resume(members, known)


def _begin(
    hosts: Sequence[FrontEndView],
    leaving: Sequence[str],
    *,
    highly_available: bool,
    restoring: bool,
    existed: bool,
) -> list[ZoneStep] | Refusal:
    unseen = ", ".join(sorted({*leaving} - {host.name for host in hosts}))
    if unseen:
        return Refusal(
            expected=f"{unseen} within reach: the zone's database may be there",
            seen="no answer, and no database on the others",
            remedy=f"bring it back; or, where it is gone for good, name {unseen} under"
            " opennebula-ha:lost and restore the zone from a dump (make restore)",
            host=unseen,
        )
    servers = [host for host in hosts if host.server_id != SOLO_ID]
    if servers and not restoring:
        return Refusal(
            expected="a database on the zone's servers",
            seen=f"none anywhere, with a SERVER_ID on {_names(servers)}",
            remedy="start MariaDB where it is down, and correct opennebula-ha:db_name if it"
            " changed; if the data are lost, restore them from a dump (make restore), or set"
            " SERVER_ID to -1 in /etc/one/oned.conf to begin without any",
            host=servers[0].name,
        )
    if existed and not restoring:
        return Refusal(
            expected="the data of the zone that this stack has",
            seen=f"no database on {_names(hosts)}",
            remedy="bring back the host that holds it; where the data are lost, restore them from a"
            " dump (make restore), or destroy the stack first to begin without any",
        )
    founder = hosts[0].name
    steps: list[ZoneStep] = [Restore(founder) if restoring else Bootstrap(founder)]
    return steps + _found(hosts, founder, ()) if highly_available else steps


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
    known: AbstractSet[str],
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
            remedy="take them off the list, or drop their databases and move /var/lib/one/.one to"
            " another place there",
            host=strange[0].name,
        )
    newer = [host for host in members if host.log_position > founder.log_position]
    if newer:
        return Refusal(
            expected=f"{founder.name} outside any zone to have the newest data",
            seen=f"{_names(newer)} changed in a zone without it",
            remedy=f"set the SERVER_ID of {founder.name} again if it is a server of that zone, or"
            " drop its database to have it rejoin",
            host=founder.name,
        )
    foreign = _not_listed(founder.pool, known, [founder, *members])
    if foreign:
        return foreign
    start: list[ZoneStep] = [] if founder.running else [StartSolo(founder.name)]
    if not highly_available:
        return start
    steps = _found(hosts, founder.name, founder.pool)
    # Only the registration needs a running oned; the seeding stops it again.
    return start + steps if isinstance(steps[0], Register) else steps


def _retire(holding: Sequence[FrontEndView], leaving: Sequence[str]) -> list[ZoneStep] | Refusal:
    servers = {entry.name for host in holding for entry in host.pool}
    if len(holding) > 1 or servers - {holding[0].name}:
        return Refusal(
            expected="a zone of one server, which can become standalone",
            seen=f"a zone of {', '.join(sorted(servers))}",
            remedy="shrink it to one with force_ha: true first, then set force_ha: false",
        )
    name = holding[0].name
    if name in leaving:
        return Refusal(
            expected="the database on the front-end that stays",
            seen=f"it is on {name}, which leaves",
            remedy=f"go over three front-ends, {name} among them, and shrink to another one",
            host=name,
        )
    return [Retire(name)]


def _resume(members: Sequence[FrontEndView], known: AbstractSet[str]) -> list[ZoneStep] | Refusal:
    identities = {host.identity for host in members}
    if len(identities) > 1:
        return Refusal(
            expected="front-ends of one zone",
            seen=f"{_names(members)} hold databases of different zones",
            remedy="take those of the other zone off the list",
        )
    listed = [host for host in members if host.is_listed]
    newest = max(listed or members, key=lambda host: (host.log_position, host.name))
    foreign = _not_listed(newest.pool, known, members)
    if foreign:
        return foreign
    by_name = {entry.name: entry.id for entry in newest.pool}
    for host in members:
        # A copy that waits for its entry is left to its join, as long as it sleeps.
        waits = host.name not in by_name and not host.running
        if not waits and (misplaced := _misplaced(host, by_name)):
            return misplaced
    ready = [host for host in members if by_name.get(host.name) == host.server_id]
    needed = quorum(len(newest.pool))
    if len(ready) < needed:
        missing = ", ".join(sorted(by_name.keys() - {host.name for host in ready}))
        return Refusal(
            expected=f"{needed} of {len(newest.pool)} zone servers with their database",
            seen=f"only {_names(ready) or 'copies that wait for their entry'}",
            remedy=f"bring {missing} back; what is gone for good, name under opennebula-ha:lost",
            host=missing,
        )
    # One whose own list is older than its entry gets the new list before its start: in its join,
    # or here where it is needed. By its own list it could elect itself alone.
    sure = [host for host in ready if host.is_listed]
    if len(sure) >= needed:
        return [StartTogether(tuple(host.name for host in sure))]
    stopped = tuple(host.name for host in ready if not host.is_listed and not host.running)
    together = StartTogether(tuple(host.name for host in ready))
    return [RefreshServerList(stopped), together] if stopped else [together]


def _misplaced(host: FrontEndView, ids: Mapping[str, int]) -> Refusal | None:
    if ids.get(host.name) == host.server_id:
        return None
    return Refusal(
        expected=f"SERVER_ID {ids.get(host.name, 'of no server')} as in the pool",
        seen=f"SERVER_ID {host.server_id} in oned.conf",
        remedy="never start it so; correct /etc/one/oned.conf, or drop the database to"
        " have it rejoin",
        host=host.name,
    )


def _adopt(
    hosts: Sequence[FrontEndView],
    members: Sequence[FrontEndView],
    known: AbstractSet[str],
    leaving: Sequence[str],
) -> list[ZoneStep] | Refusal:
    leaders = [host for host in members if host.leads]
    leader = max(leaders, key=lambda host: host.status.term if host.status else -1)
    foreign = _not_listed(leader.pool, known, members)
    if foreign:
        return foreign
    others = [host.name for host in leaders if host.identity != leader.identity]
    if others:
        return Refusal(
            expected="one zone",
            seen=f"{leader.name} and {', '.join(others)} each lead a zone of their own",
            remedy="list the front-ends of one zone only",
        )
    by_name = {entry.name: entry.id for entry in leader.pool}
    misplaced = _misplaced(leader, by_name)
    if misplaced:
        return misplaced
    # A founding that was killed after a majority of its starts: a join waits for all others.
    stopped = tuple(
        host.name
        for host in members
        if not host.running
        and host.name not in leaving
        and host.identity == leader.identity
        and host.is_listed
        and by_name.get(host.name) == host.server_id
    )
    steps: list[ZoneStep] = [Adopt(leader.name)]
    if stopped:
        steps.append(StartTogether(stopped))
    blank = tuple(
        host.name
        for host in hosts
        if not host.has_content and host.name not in by_name and host.name not in leaving
    )
    # One alone gets its copy when it joins, as late as can be.
    if len(blank) > 1:
        steps.append(SeedAhead(leader.name, blank))
    return steps


def _not_listed(
    pool: Sequence[ServerEntry], known: AbstractSet[str], members: Sequence[FrontEndView]
) -> Refusal | None:
    for entry in pool:
        is_known = entry.registered or entry.endpoint == endpoint(entry.name)
        if entry.name not in known or not is_known:
            return Refusal(
                expected="a zone of the front-ends in the stack's config",
                seen=f"zone server {entry.id} {entry.name} at {entry.endpoint}",
                remedy=_how_to_list(entry, pool, members),
            )
    return None


def _how_to_list(
    entry: ServerEntry, pool: Sequence[ServerEntry], members: Sequence[FrontEndView]
) -> str:
    host = host_in(entry.endpoint)
    if not host:
        return (
            f"this program asks oned at {endpoint('NAME')} alone: register the server with such an"
            " endpoint, or take it out of the zone"
        )
    said = f"zone_server: {_in_yaml(entry.name)}"
    others = {other.name for other in pool if other is not entry}
    runs_it = [one.name for one in members if one.server_id == entry.id and one.name not in others]
    if runs_it:
        return (
            f"if it is {runs_it[0]}, which has SERVER_ID {entry.id}, add the line '{said}' to"
            f" {runs_it[0]} in opennebula-ha:frontends; otherwise take it out of the zone"
        )
    name = next((one for one in (host, entry.name) if _is_host_name(one)), "NAME")
    address = host if is_address(host) else "ADDRESS"
    further = "" if host in (name, address) else f", {said}"
    return (
        f"add {entry.name} to opennebula-ha:frontends with the line"
        f" '{name}: {{address: {address}{further}}}', or take it out of the zone"
    )


def _is_host_name(text: str) -> bool:
    """Whether a front-end may have that name in the stack."""
    return not is_address(text) and bool(re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", text))


def _in_yaml(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", text) else f'"{text}"'


def plan_join(
    host: FrontEndView,
    leader: FrontEndView,
    pool: Sequence[ServerEntry],
    *,
    resync: Sequence[str] = (),
    seeded: bool = False,
) -> JoinPlan | Refusal:
    """What this front-end lacks to be a server of the zone that ``leader`` leads.

    ``resync`` says why a server that is one is to get the leader's data and keys once more;
    ``seeded``: this run has given it those of a moment ago.
    """
    entry = next((entry for entry in pool if entry.name == host.name), None)
    if host.has_content and host.identity != leader.identity:
        return Refusal(
            expected="an empty database, or a copy of this zone's",
            seen="a database of another OpenNebula",
            remedy="if nothing in it is needed, stop opennebula there, drop the database and move"
            " /var/lib/one/.one to another place",
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
        has_copy = seeded and host.has_content and not _fell_out(host, leader)
        return JoinPlan(seed=not has_copy, register=True, start=True)
    if host.has_content and resync:
        return JoinPlan(seed=True, start=True, reasons=tuple(resync))
    reasons = _why_anew(host, leader, entry)
    if reasons:
        return JoinPlan(seed=True, start=True, reasons=reasons)
    fits = host.status is not None and host.status.server_id == entry.id
    return JoinPlan(start=not (host.running and fits))


def _why_anew(host: FrontEndView, leader: FrontEndView, entry: ServerEntry) -> tuple[str, ...]:
    if not host.has_content:
        return ("its database is empty",)
    if host.server_id != entry.id:
        return ("it has no valid SERVER_ID",)
    if _fell_out(host, leader):
        return (f"its log ends at {host.log_index}, the leader's begins at {leader.log_begins}",)
    return ()


def _fell_out(host: FrontEndView, leader: FrontEndView) -> bool:
    # The leader gives a record out only with the one before it.
    return max(host.log_index, 1) < leader.log_begins


def check_shrink(view: ZoneView, leaving: Sequence[str], *, allow_degraded: bool) -> Refusal | None:
    """Whether those servers can leave one after the other; asked before anything is touched.

    Every server that stays must be up. With ``allow_degraded`` it is enough that those that are
    up remain a majority at each step: then one more failure meanwhile stops the zone.
    """
    pool = [entry.name for entry in view.pool]
    staying = [name for name in pool if name not in leaving]
    up = [
        name
        for name in staying
        if (status := view.statuses.get(name)) and status.state in (State.FOLLOWER, State.LEADER)
    ]
    down = [name for name in staying if name not in up]
    if not down:
        return None
    if not allow_degraded:
        return Refusal(
            expected="every front-end that stays up before others leave",
            seen=f"{', '.join(down)} down",
            remedy=f"bring {', '.join(down)} back, or name it under opennebula-ha:lost;"
            " opennebula-ha:allow_degraded: true does without it, and then one more failure"
            " stops the zone",
            host=down[0],
        )
    for size in range(len(pool), len(staying), -1):
        if len(up) < quorum(size):
            return Refusal(
                expected=f"{quorum(size)} of {size} servers up while one of them leaves",
                seen=f"{len(up)} ({', '.join(up) or 'none'})",
                remedy="bring the others back first: the zone would lose quorum",
                host=down[0],
            )
    return None


def check_leave(view: ZoneView, name: str, dead: Collection[str] = ()) -> Refusal | None:
    """Whether that server can leave with quorum kept all along; the reason where it cannot.

    Between its stop and its deletion the others must be a majority of the pool with it. Of these
    none may be ``dead``, its host without an answer: each leave of a living one would bring the
    zone nearer to its end. One that is merely stopped is about to leave, too, or to be started.
    """
    if dead:
        names = ", ".join(sorted(dead))
        return Refusal(
            expected=f"every other server's host up while {name} leaves",
            seen=f"no answer from {names}",
            remedy=f"bring {names} back, or name it under opennebula-ha:lost where it is gone for"
            " good; opennebula-ha:allow_degraded: true does without it",
            host=name,
        )
    others = [entry.name for entry in view.pool if entry.name != name]
    up = [
        other
        for other in others
        if (status := view.statuses.get(other)) and status.state in (State.FOLLOWER, State.LEADER)
    ]
    # Of two, one is enough: the leader takes the entry of the other out by itself.
    needed = quorum(len(view.pool)) if len(others) > 1 else 1
    if not others:
        return Refusal(
            expected="another server in the zone",
            seen=f"{name} alone",
            remedy="destroy the stack to take the whole zone down",
            host=name,
        )
    if len(up) < needed:
        return Refusal(
            expected=f"{needed} of {len(view.pool)} servers up without {name}",
            seen=f"{', '.join(up) or 'none'} up",
            remedy="bring the others back first: without them the zone would lose quorum",
            host=name,
        )
    return None


def _names(hosts: Sequence[FrontEndView]) -> str:
    return ", ".join(sorted(host.name for host in hosts))
