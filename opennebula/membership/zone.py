"""Plan the zone of all front-ends from their observed states. Pure."""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from opennebula.membership import steps
from opennebula.membership.observed import FrontEndView, Refusal
from opennebula.zone import STANDALONE_ID, ServerEntry, endpoint, host_in, is_address, quorum

FrontEnds = Sequence[FrontEndView]
Plan = list[steps.ZoneStep] | Refusal


def plan_zone(
    front_ends: FrontEnds,
    *,
    highly_available: bool,
    leaving: Sequence[str] = (),
    restoring: bool = False,
    existed: bool = False,
) -> Plan:
    """Return the steps from the observed states to a zone of all front-ends, or a refusal.

    ``front_ends``: all front-ends of the stack, in any order, and those ``leaving`` that can be
    reached. Servers that are ``leaving`` may be in the zone. ``restoring``: if no host holds a
    database, there is a dump. ``existed``: the stack had a zone, which must not be bootstrapped
    again without its data.
    """
    known = {*leaving, *(host.name for host in front_ends)}
    hosts = sorted(front_ends, key=lambda host: host.name)
    standalone = [host for host in hosts if host.is_standalone]
    members = [host for host in hosts if host.is_member]
    elsewhere = len(standalone) == 1 and standalone[0].name in leaving
    if not highly_available and (members or elsewhere or (standalone and standalone[0].pool)):
        return _retire([*members, *standalone], leaving)
    if members and any(host.leads for host in members):
        return _adopt(hosts, members, known, leaving)
    if len(standalone) > 1:
        return Refusal(
            expected="at most one front-end with a database of its own",
            seen=f"{_names(standalone)} each hold one",
            remedy="decide which one is the zone's; on the others stop opennebula, drop the"
            " database and move /var/lib/one/.one to another place, or remove them from the list",
        )
    if not standalone and not members:
        return _begin(
            hosts, leaving, highly_available=highly_available, restoring=restoring, existed=existed
        )
    if standalone:
        return _convert(hosts, standalone[0], members, known, highly_available=highly_available)
    return _resume(members, known)


def _begin(
    hosts: FrontEnds,
    leaving: Sequence[str],
    *,
    highly_available: bool,
    restoring: bool,
    existed: bool,
) -> Plan:
    unseen = ", ".join(sorted({*leaving} - {host.name for host in hosts}))
    if unseen:
        return Refusal(
            expected=f"{unseen} within reach: the zone's database may be there",
            seen="no answer, and no database on the others",
            remedy=f"bring it back; or, if it is permanently lost, list {unseen} under"
            " opennebula-ha:lost and restore the zone from a dump (make restore)",
            host=unseen,
        )
    servers = [host for host in hosts if host.server_id != STANDALONE_ID]
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
    first = hosts[0].name
    plan: list[steps.ZoneStep] = [steps.Restore(first) if restoring else steps.Bootstrap(first)]
    return plan + _bootstrap(hosts, first, ()) if highly_available else plan


def _bootstrap(hosts: FrontEnds, first: str, pool: Sequence[ServerEntry]) -> list[steps.ZoneStep]:
    names = [first, *(host.name for host in hosts if host.name != first)]
    listed = {entry.name for entry in pool}
    missing = tuple(name for name in names if name not in listed)
    return [
        *([steps.Register(first, missing)] if missing else []),
        steps.Seed(first, tuple(names[1:])),
        steps.AssignServerId(first),
        steps.StartTogether(tuple(sorted(names))),
    ]


def _convert(
    hosts: FrontEnds,
    first: FrontEndView,
    members: FrontEnds,
    known: AbstractSet[str],
    *,
    highly_available: bool,
) -> Plan:
    running = [host for host in members if host.running]
    if running:
        return Refusal(
            expected=f"{_names(running)} stopped while {first.name} still runs outside the zone",
            seen="oned running on both",
            remedy=f"find out which of them serves; then stop opennebula on {first.name} or set"
            " its SERVER_ID",
            host=first.name,
        )
    strange = [host for host in members if host.identity != first.identity]
    if strange:
        return Refusal(
            expected=f"databases that are copies of the one on {first.name}",
            seen=f"{_names(strange)} hold another zone's",
            remedy="remove them from the list, or drop their databases and move /var/lib/one/.one"
            " to another place there",
            host=strange[0].name,
        )
    newer = [host for host in members if host.log_position > first.log_position]
    if newer:
        return Refusal(
            expected=f"{first.name} outside any zone to have the newest data",
            seen=f"{_names(newer)} changed in a zone without it",
            remedy=f"set the SERVER_ID of {first.name} again if it is a server of that zone, or"
            " drop its database to have it rejoin",
            host=first.name,
        )
    if foreign := _not_listed(first.pool, known, [first, *members]):
        return foreign
    start: list[steps.ZoneStep] = [] if first.running else [steps.StartStandalone(first.name)]
    if not highly_available:
        return start
    plan = _bootstrap(hosts, first.name, first.pool)
    # Only the registration needs a running oned; the copy stops it again.
    return start + plan if isinstance(plan[0], steps.Register) else plan


def _retire(holding: FrontEnds, leaving: Sequence[str]) -> Plan:
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
    return [steps.Retire(name)]


def _resume(members: FrontEnds, known: AbstractSet[str]) -> Plan:
    identities = {host.identity for host in members}
    if len(identities) > 1:
        return Refusal(
            expected="front-ends of one zone",
            seen=f"{_names(members)} hold databases of different zones",
            remedy="remove those of the other zone from the list",
        )
    listed = [host for host in members if host.is_listed]
    newest = max(listed or members, key=lambda host: (host.log_position, host.name))
    if foreign := _not_listed(newest.pool, known, members):
        return foreign
    by_name = {entry.name: entry.id for entry in newest.pool}
    for host in members:
        # A stopped copy without an entry is left to its join.
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
            remedy=f"bring {missing} back; list permanently lost ones under opennebula-ha:lost",
            host=missing,
        )
    # A server whose own list lacks it could elect itself alone: it gets the new list before its
    # start, in its join, or here if it is needed for a quorum.
    listed_ready = [host for host in ready if host.is_listed]
    if len(listed_ready) >= needed:
        return [steps.StartTogether(tuple(host.name for host in listed_ready))]
    stopped = tuple(host.name for host in ready if not host.is_listed and not host.running)
    together = steps.StartTogether(tuple(host.name for host in ready))
    return [steps.RefreshServerList(stopped), together] if stopped else [together]


def _misplaced(host: FrontEndView, ids: Mapping[str, int]) -> Refusal | None:
    number = ids.get(host.name)
    if number == host.server_id:
        return None
    seen = f"SERVER_ID {host.server_id} in oned.conf"
    if number is None:
        return Refusal(
            expected="no SERVER_ID, since the pool does not list it",
            seen=seen,
            remedy="never start it so; drop its database to have it join again",
            host=host.name,
        )
    return Refusal(
        expected=f"SERVER_ID {number} as in the pool",
        seen=seen,
        remedy=f"never start it so; set SERVER_ID = {number} in /etc/one/oned.conf, then run again",
        host=host.name,
    )


def _adopt(
    hosts: FrontEnds,
    members: FrontEnds,
    known: AbstractSet[str],
    leaving: Sequence[str],
) -> Plan:
    leaders = [host for host in members if host.leads]
    leader = max(leaders, key=lambda host: host.status.term if host.status else -1)
    if foreign := _not_listed(leader.pool, known, members):
        return foreign
    others = [host.name for host in leaders if host.identity != leader.identity]
    if others:
        return Refusal(
            expected="one zone",
            seen=f"{leader.name} and {', '.join(others)} each lead a zone of their own",
            remedy="list the front-ends of one zone only",
        )
    by_name = {entry.name: entry.id for entry in leader.pool}
    if misplaced := _misplaced(leader, by_name):
        return misplaced
    # Stopped servers of a bootstrap that was interrupted: a join would wait for them.
    stopped = tuple(
        host.name
        for host in members
        if not host.running
        and host.name not in leaving
        and host.identity == leader.identity
        and host.is_listed
        and by_name.get(host.name) == host.server_id
    )
    plan: list[steps.ZoneStep] = [steps.Adopt(leader.name)]
    if stopped:
        plan.append(steps.StartTogether(stopped))
    blank = tuple(
        host.name
        for host in hosts
        if not host.has_content and host.name not in by_name and host.name not in leaving
    )
    # A single one gets its copy when it joins, as late as possible.
    if len(blank) > 1:
        plan.append(steps.SeedAhead(leader.name, blank))
    return plan


def _not_listed(
    pool: Sequence[ServerEntry], known: AbstractSet[str], members: FrontEnds
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


def _how_to_list(entry: ServerEntry, pool: Sequence[ServerEntry], members: FrontEnds) -> str:
    endpoint_host = host_in(entry.endpoint)
    if not endpoint_host:
        return (
            f"this program asks oned at {endpoint('NAME')} alone: register the server with such an"
            " endpoint, or remove it from the zone"
        )
    line = f"zone_server: {_in_yaml(entry.name)}"
    others = {other.name for other in pool if other is not entry}
    runs_it = [
        host.name for host in members if host.server_id == entry.id and host.name not in others
    ]
    if runs_it:
        return (
            f"if it is {runs_it[0]}, which has SERVER_ID {entry.id}, add the line '{line}' to"
            f" {runs_it[0]} in opennebula-ha:frontends; otherwise remove it from the zone"
        )
    name = next((text for text in (endpoint_host, entry.name) if _is_host_name(text)), "NAME")
    address = endpoint_host if is_address(endpoint_host) else "ADDRESS"
    further = "" if endpoint_host in (name, address) else f", {line}"
    return (
        f"add {entry.name} to opennebula-ha:frontends with the line"
        f" '{name}: {{address: {address}{further}}}', or remove it from the zone"
    )


def _is_host_name(text: str) -> bool:
    """Return whether a front-end may have that name in the stack."""
    return not is_address(text) and bool(re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", text))


def _in_yaml(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", text) else f'"{text}"'


def _names(hosts: FrontEnds) -> str:
    return ", ".join(sorted(host.name for host in hosts))
