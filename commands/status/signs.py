"""The table of abnormal states: sign, explanation, cure. Pure.

Each row of ``SIGNS`` looks for one state in a situation. Its cure is what this program does by
itself, or an exact command that it would run. A test makes each state, and docs/status.md lists the
rows: see pages.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from commands.status.situation import Situation
from hosts.connection import LEAST_ROOM
from hosts.errors import NO_ROOM
from opennebula.zone import State, behind
from procedures.facts.facts import Facts
from procedures.facts.snapshot import Snapshot
from procedures.install.files import backup
from procedures.services import LOOPS
from procedures.zone_leader import states

LAG = 50
"""Records by which a follower may end before the leader: servers are not asked at one instant, and
without writes a follower does not notice that it lacks the last ones."""
WARM_UP = 20.0
"""Seconds from the start of an oned to its first answer, and to the first election."""
STOP = 20.0
"""Seconds that a stop takes when it does not hang."""
EXIT = 8.0
"""Seconds of these until all modules of oned have ended."""
LOW = 0.05
"""Share of a file system below which little is free."""
MONTH = timedelta(days=30)

COMMANDS = ("make ", "systemctl ")
"""How the lines of a cure begin that are commands."""
REPAIR = ("make refresh STACK={stack}", "make up STACK={stack}")
UP = ("make up STACK={stack}",)
LOGS = "make logs STACK={stack} OPTIONS='--since 1h'"


class Level(StrEnum):
    """How much a sign matters."""

    WARNING = "warning"
    """The zone works, but something is wrong."""
    CRITICAL = "critical"
    """Clients cannot use the zone, or its data are at risk."""


@dataclass(frozen=True)
class Found:
    """One place where a sign was seen."""

    host: str
    """The front-end; empty for the whole zone."""
    seen: str
    cure: tuple[str, ...] = ()
    """Where the cure depends on what was seen."""


@dataclass(frozen=True)
class Sign:
    """One abnormal state."""

    name: str
    level: Level
    means: str
    """The state in a few words, for the table in the docs."""
    cause: str
    cure: tuple[str, ...]
    """Commands, one per line, and sentences; ``{host}`` and ``{stack}`` are filled in."""
    find: Callable[[Situation], Iterator[Found]] = field(repr=False)


def _no_quorum(now: Situation) -> Iterator[Found]:
    if not now.zone.highly_available or not now.view.pool:
        return
    up = (
        now.following
        if now.leader
        else {name for name in now.view.statuses if now.view.entry(name) is not None}
    )
    if len(up) < now.quorum:
        names = ", ".join(sorted(up)) or "no server"
        verb = "follow the leader" if now.leader else "answer"
        yield Found("", f"{len(up)} of {now.servers} servers {verb} ({names}), quorum {now.quorum}")


def _no_leader(now: Situation) -> Iterator[Found]:
    if now.leader is not None or not now.facts:
        return
    if not now.zone.highly_available:
        yield Found("", "oned does not answer", UP if not _installed(now) else ())
    elif not list(_no_zone(now)) and not list(_no_quorum(now)):
        yield Found("", states(now.view) if now.view.statuses else "no oned answers")


def _no_zone(now: Situation) -> Iterator[Found]:
    holds_data = any(facts.has_content for facts in now.facts.values())
    if now.facts and now.leader is None and now.zone.highly_available and not holds_data:
        yield Found("", "no front-end holds a zone's database")


def _unobserved(now: Situation) -> Iterator[Found]:
    if not now.facts:
        yield Found("", f"none of {', '.join(sorted(now.hosts))} could be observed")


def _installed(now: Situation) -> bool:
    return any(facts.package for facts in now.facts.values())


def _two_leaders(now: Situation) -> Iterator[Found]:
    leaders = {
        name: status for name, status in now.view.statuses.items() if status.state is State.LEADER
    }
    if len(leaders) < 2:
        return
    terms = ", ".join(f"{name} in term {each.term}" for name, each in sorted(leaders.items()))
    for name in sorted(leaders):
        if name != now.leader:
            yield Found(name, f"several servers say that they lead: {terms}")


def _wrong_server_id(now: Situation) -> Iterator[Found]:
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


def _not_in_zone(now: Situation) -> Iterator[Found]:
    if not now.zone.highly_available or now.leader is None:
        return
    for name in now.facts:
        if now.view.entry(name) is None:
            listed = ", ".join(entry.name for entry in now.view.pool)
            yield Found(name, f"the zone's servers are {listed}")


def _not_set_up(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        if now.view.entry(name) is None or facts.upgrading:
            continue
        if not facts.package:
            yield Found(name, "OpenNebula is not installed")
        elif not facts.has_content:
            yield Found(name, "it holds no database of the zone")


def _unknown_server(now: Situation) -> Iterator[Found]:
    for entry in now.view.pool:
        if entry.name not in now.hosts:
            yield Found(entry.name, f"server {entry.id} of the zone at {entry.endpoint}")


def _vip_missing(now: Situation) -> Iterator[Found]:
    leader = now.leader_facts
    if leader is None or leader.hook_runs or not now.zone.highly_available:
        return
    for vip in now.zone.vips:
        if now.leader not in now.vip_holders(vip.address):
            yield Found(leader.host.name, f"{vip.address} is not on the leader")


def _vip_leftover(now: Situation) -> Iterator[Found]:
    for vip in now.zone.vips:
        for name in now.vip_holders(vip.address):
            if name != now.leader and now.leader is not None and not now.facts[name].hook_runs:
                yield Found(name, f"{vip.address} is on {name}, the leader is {now.leader}")


def _unreachable(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.fault and snapshot.fault.step == "connect":
            yield Found(name, f"expected {snapshot.fault.expected}, saw {snapshot.fault.seen}")


def _unreadable(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.fault and snapshot.fault.step != "connect" and not _has_no_room(snapshot):
            fault = snapshot.fault
            yield Found(
                name,
                f"{fault.step}: expected {fault.expected}, saw {fault.seen}",
                (_sentence(fault.remedy),),
            )


def _upgrade(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        if facts.upgrading or facts.migrating:
            yield Found(name, "a change of the database's version is not complete")
        if facts.converting:
            yield Found(name, "the conversion from SQLite is not complete")


def _database(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        if facts.silent and facts.package:
            yield Found(name, facts.silent.splitlines()[-1])


def _restarts(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        unit = facts.units.get("opennebula")
        if unit is None:
            continue
        loops = unit.restarts >= LOOPS and (unit.active != "active" or unit.seconds < 60)
        if unit.active == "failed" or loops:
            words = now.hosts[name].said.get("opennebula") or "; ".join(now.hosts[name].errors)
            again = f"restarted {unit.restarts} times by systemd, now {unit.active}"
            yield Found(name, f"{again}: {words}" if words else again)


def _stop_hangs(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        seen = now.hosts[name]
        if facts.stopping and seen.changed > (EXIT if seen.finished else STOP):
            ended = ", all of its modules have ended" if seen.finished else ""
            yield Found(name, f"oned has been stopping for {seen.changed:.0f} s{ended}")


def _stopped(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        unit = facts.units.get("opennebula")
        is_down = not facts.active and not facts.stopping and bool(facts.package)
        if is_down and facts.has_content and (unit is None or unit.active == "inactive"):
            enabled = unit is None or unit.starts_at_boot
            yield Found(name, "oned is stopped" + ("" if enabled else " and disabled"))


def _silent(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        answers = now.hosts[name].answers
        unit = facts.units.get("opennebula")
        starting = unit is not None and unit.seconds < WARM_UP
        if facts.active and answers.silence and not answers.refuses_login and not starting:
            yield Found(name, f"oned runs and does not answer: {answers.silence}")


def _login(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.answers.refuses_login:
            yield Found(name, snapshot.answers.silence)


def _proxy(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.proxies:
            yield Found(name, f"{', '.join(snapshot.proxies)} in the environment of oned")


def _not_following(now: Situation) -> Iterator[Found]:
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


def _behind(now: Situation) -> Iterator[tuple[str, int, bool]]:
    """Yield each follower that lags, by how much, and whether the leader dropped these records."""
    head, leader = now.leader_status, now.leader_facts
    if head is None or not now.zone.highly_available:
        return
    for name, index in behind(now.view).items():
        if name in now.following:
            dropped = leader is not None and index + 1 < leader.log_begins
            yield name, head.index - index, dropped


def _log_dropped(now: Situation) -> Iterator[Found]:
    leader = now.leader_facts
    for name, lag, dropped in _behind(now):
        if dropped and leader is not None:
            yield Found(
                name,
                f"it lacks the last {lag} records; the leader's log begins at {leader.log_begins}",
            )


def _lagging(now: Situation) -> Iterator[Found]:
    for name, lag, dropped in _behind(now):
        if not dropped and lag > LAG:
            yield Found(name, f"it lacks the last {lag} records")


def _stale_pool(now: Situation) -> Iterator[Found]:
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


def _identity(now: Situation) -> Iterator[Found]:
    head = now.leader_facts
    if head is None:
        return
    for name, facts in now.facts.items():
        if facts.has_content and not facts.silent and facts.identity != head.identity:
            yield Found(name, "its database is not a copy of the leader's")


def _data(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.differing:
            yield Found(name, f"different tables: {', '.join(snapshot.differing)}")


def _keys(now: Situation) -> Iterator[Found]:
    for name in now.facts:
        if name != now.leader and (found := now.mismatches(name)):
            yield Found(name, "; ".join(found))


def _services(now: Situation) -> Iterator[Found]:
    for fault in now.service_faults:
        if fault.is_stray or not now.leader:
            continue
        words = now.hosts[fault.host].said.get(fault.unit, "")
        yield Found(fault.host, f"{fault}: {words}" if words else str(fault))


def _strays(now: Situation) -> Iterator[Found]:
    for fault in now.service_faults:
        if fault.is_stray:
            yield Found(fault.host, str(fault))


def _has_no_room(seen: Snapshot) -> bool:
    """Return whether the observation itself failed for lack of space."""
    return seen.fault is not None and seen.fault.expected.startswith(NO_ROOM)


def _full(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.fault is not None and _has_no_room(snapshot):
            yield Found(name, f"no {snapshot.fault.expected}")
        for disk in snapshot.disks:
            if disk.free < LEAST_ROOM:
                yield Found(name, f"{disk.mount} has {disk.free >> 20} MiB left")


def _low(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        for disk in snapshot.disks:
            if LEAST_ROOM <= disk.free < LOW * disk.size:
                yield Found(name, f"{disk.mount} has {disk.free >> 20} MiB left")


def _certificate(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if now.web is None or snapshot.facts is None:
            continue
        own = (
            f"Put a new certificate in {now.web.certchain} and its key in {now.web.key} on every"
            " front-end, then:",
        )
        cure = (*(() if now.web.generate else own), *REPAIR)
        if snapshot.certificate_ends is None:
            yield Found(name, f"no certificate in {now.web.certchain}", cure)
        elif snapshot.certificate_ends < now.at + MONTH:
            verb = "expired" if snapshot.certificate_ends < now.at else "expires"
            yield Found(name, f"it {verb} on {_day(snapshot.certificate_ends)}", cure)


def _web_server(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        serves = snapshot.web_server in ("active", "reloading")
        if now.web is not None and snapshot.facts and not serves:
            yield Found(name, f"the web server is {snapshot.web_server or 'not installed'}")


def _timed_dump(now: Situation) -> Iterator[Found]:
    if not now.dumps_on_timer:
        return
    newest = now.timed_dump
    last = newest[1].path.rpartition("/")[2] if newest else "none"
    for name, facts in now.facts.items():
        unit = facts.units.get(backup.UNIT)
        if unit and unit.active == "failed":
            words = now.hosts[name].said.get(backup.UNIT, "")
            yield Found(name, f"{words or 'its service failed'} (newest timed dump: {last})")


def _versions(now: Situation) -> Iterator[Found]:
    there = {name: facts.package for name, facts in now.facts.items() if facts.package}
    if len(set(there.values())) > 1:
        listed = ", ".join(f"{name} has {version}" for name, version in sorted(there.items()))
        yield Found("", listed)


def _restart(now: Situation) -> Iterator[Found]:
    for name in now.waiting:
        yield Found(name, _why(now.facts[name], now.hosts[name]))


def _why(seen: Facts, _: Snapshot) -> str:
    if seen.next_conf:
        return "/etc/one/oned.conf.next waits for the rollout"
    if seen.staged:
        return f"staged packages of OpenNebula {seen.staged} wait for the rollout"
    return "its configuration is newer than its oned"


def _drift(now: Situation) -> Iterator[Found]:
    for name, facts in now.facts.items():
        # On a host without OpenNebula, or during a change, everything differs.
        if not facts.package or facts.upgrading:
            continue
        if found := now.drift(name):
            yield Found(name, _listed(found))
    ours = [
        text for text in now.zone_drift if " left over on " not in text and " missing " not in text
    ]
    if ours:
        yield Found("", _listed(tuple(ours)))


def _listed(found: tuple[str, ...]) -> str:
    number = f"{len(found)} difference{'s' if len(found) > 1 else ''}"
    return f"{number}: {'; '.join(found)}"


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


SIGNS: tuple[Sign, ...] = (
    Sign(
        "no_quorum",
        Level.CRITICAL,
        "fewer servers than the quorum",
        "Most servers are down or cut off. The zone takes no writes. A write that a client was"
        " refused, or got no answer to, may be committed later: read before you repeat it.",
        (
            "Start the hosts that are down, and repair the network between them. Then:",
            *REPAIR,
        ),
        _no_quorum,
    ),
    Sign(
        "no_leader",
        Level.CRITICAL,
        "no leader",
        "An election is under way: it takes about 7 s, 20 s after a start, and longer if votes are"
        " split. If it does not end, the servers do not reach each other at port 2633.",
        (
            "Wait half a minute and look again. If there is still no leader, the reason is in"
            " the servers' logs:",
            LOGS,
            "Open port 2633 between the front-ends, then:",
            *REPAIR,
        ),
        _no_leader,
    ),
    Sign(
        "unobserved",
        Level.CRITICAL,
        "no host that can be observed",
        "This machine gets no facts from any front-end, so the state of the zone is unknown. The"
        " zone itself may be healthy.",
        ("Correct the fault that is shown for each host below, and look again.",),
        _unobserved,
    ),
    Sign(
        "no_zone",
        Level.CRITICAL,
        "no zone yet",
        "The hosts of the stack answer, and none of them holds a zone's database: no up has"
        " run, or the first one was not completed.",
        UP,
        _no_zone,
    ),
    Sign(
        "two_leaders",
        Level.CRITICAL,
        "several servers say that they lead",
        "The one with the lower term was frozen, or is cut off from the others. It commits no"
        " writes, and steps down as soon as it hears from them. Two leaders of the same term mean"
        " that one runs with a wrong SERVER_ID.",
        (
            "Repair the network between {host} and the other front-ends (port 2633), and look again"
            " after 10 s. If {host} still leads, restart it there:",
            "systemctl restart opennebula",
        ),
        _two_leaders,
    ),
    Sign(
        "wrong_server_id",
        Level.CRITICAL,
        "a SERVER_ID that is not the server's",
        "A server with the ID of another one, or of no server, can vote for itself: a split brain."
        " oned does not check its ID. What it wrote with that ID cannot be trusted.",
        ("Do not restart it. It rejoins the zone with a copy of the leader's data:", *REPAIR),
        _wrong_server_id,
    ),
    Sign(
        "vip_missing",
        Level.CRITICAL,
        "the leader does not hold the VIP",
        "Its Raft hook failed, or the address was removed by hand. Clients do not reach the zone.",
        REPAIR,
        _vip_missing,
    ),
    Sign(
        "vip_leftover",
        Level.WARNING,
        "the VIP on a host that does not lead",
        "A crash of a host or of its oned, a frozen host, or a change by hand leaves the address"
        " behind. Clients may reach a follower, or no server.",
        REPAIR,
        _vip_leftover,
    ),
    Sign(
        "unreachable",
        Level.WARNING,
        "a host that cannot be reached",
        "The host is off or frozen, or the network between it and your machine is cut.",
        (
            "Start the host or repair the network: its server follows the leader again by itself."
            " If it is permanently lost, list it under lost and a new host under frontends, then:",
            *UP,
        ),
        _unreachable,
    ),
    Sign(
        "unreadable",
        Level.WARNING,
        "a host that cannot be observed",
        "The login, sudo, or a file on the host is not as this program needs it.",
        (),
        _unreadable,
    ),
    Sign(
        "upgrade_interrupted",
        Level.WARNING,
        "an upgrade or a conversion that was interrupted",
        "A run was killed during a change of the database. No oned of the zone starts until it is"
        " complete.",
        UP,
        _upgrade,
    ),
    Sign(
        "database_down",
        Level.WARNING,
        "MariaDB does not answer",
        "MariaDB is stopped, or cannot start. oned cannot work without it.",
        (
            "If it was stopped:",
            *REPAIR,
            "If it does not start, look at its journal on {host}: journalctl -u mariadb -n 20",
        ),
        _database,
    ),
    Sign(
        "restart_loop",
        Level.WARNING,
        "oned exits again and again",
        "oned does not start with its configuration, its database or its host's name. systemd"
        " starts it again, and stops trying after 3 starts within 60 s.",
        (
            "Correct the reported fault. What this program set on the host is restored by:",
            *REPAIR,
        ),
        _restarts,
    ),
    Sign(
        "stop_hangs",
        Level.WARNING,
        "a stop that hangs",
        "A thread of oned waits for another one that never ends, mostly after a stop within"
        " seconds of the start. systemd kills it after 90 s; no data are lost.",
        ("Wait until then, or kill and restart it now:", *REPAIR),
        _stop_hangs,
    ),
    Sign(
        "oned_stopped",
        Level.WARNING,
        "oned is stopped",
        "A user or a program stopped it.",
        REPAIR,
        _stopped,
    ),
    Sign(
        "oned_silent",
        Level.WARNING,
        "oned runs and does not answer",
        "Its process is frozen or waits for its disk. The others elect another leader if it was the"
        " leader; it may still hold the VIP.",
        (
            "If it does not answer after 30 s, restart it on {host}. It comes back as a follower:",
            "systemctl restart opennebula",
        ),
        _silent,
    ),
    Sign(
        "login_refused",
        Level.WARNING,
        "oned refuses the stack's password",
        "oneadmin's password was changed outside the stack, or this server holds other data.",
        (
            "Set opennebula-ha:one_pass to the zone's password (/var/lib/one/.one/one_auth on the"
            " leader), then:",
            *REPAIR,
        ),
        _login,
    ),
    Sign(
        "proxy",
        Level.WARNING,
        "a proxy in oned's environment",
        "oned sends its votes to that proxy, so that no leader is elected.",
        (
            "Remove it from systemd's environment on {host}, then restart oned there:",
            "systemctl unset-environment http_proxy HTTP_PROXY all_proxy ALL_PROXY",
            "systemctl restart opennebula",
        ),
        _proxy,
    ),
    Sign(
        "not_following",
        Level.WARNING,
        "a server that does not follow the leader",
        "It hears nothing from the leader: the network between them is cut, or it has just"
        " started. A candidate makes the leader step down when it is heard again.",
        ("Repair the network between {host} and the others (port 2633). If it stays so:", *REPAIR),
        _not_following,
    ),
    Sign(
        "log_dropped",
        Level.WARNING,
        "a follower behind the leader's retained log",
        "It was away for longer than the leader keeps its log (LOG_RETENTION). It cannot catch up.",
        ("It gets a fresh copy of the leader's data:", *REPAIR),
        _log_dropped,
    ),
    Sign(
        "lagging",
        Level.WARNING,
        "a follower that lags",
        "It was down, or is slow. It catches up with 170 to 250 records a second, and begins when"
        " something is written.",
        ("Look again in a moment. If it stays so:", *REPAIR),
        _lagging,
    ),
    Sign(
        "stale_pool",
        Level.WARNING,
        "a stale list of servers",
        "A server reads the list of servers only when it starts. With an old list it does not find"
        " a leader that joined later.",
        (
            *REPAIR,
            "If it stays so, restart that follower on {host}:",
            "systemctl restart opennebula",
        ),
        _stale_pool,
    ),
    Sign(
        "not_in_zone",
        Level.WARNING,
        "a front-end that is not a server of the zone",
        "It was added to the stack or removed from the zone, and no up has run since.",
        REPAIR,
        _not_in_zone,
    ),
    Sign(
        "not_set_up",
        Level.WARNING,
        "a server of the zone without OpenNebula or its data",
        "Its host was reinstalled, its packages were removed, or its database was dropped. It"
        " counts for the quorum.",
        ("It is set up again. If its data are missing, it gets a copy of the leader's:", *REPAIR),
        _not_set_up,
    ),
    Sign(
        "unknown_server",
        Level.WARNING,
        "a server of the zone that is not in the stack",
        "It was removed from the stack and no up has run since, or it was added by hand. It counts"
        " for the quorum.",
        (
            "List {host} under frontends to keep it. If it was removed from the stack:",
            *REPAIR,
            "If its host is permanently lost, list {host} under lost first.",
        ),
        _unknown_server,
    ),
    Sign(
        "other_database",
        Level.WARNING,
        "another OpenNebula's database",
        "This server was bootstrapped by itself, or restored from another zone. With equal indexes"
        " it looks like a follower, and has other users and objects.",
        (
            "It is not replaced automatically. If its data is not needed, stop oned on {host}, drop"
            " its database and move /var/lib/one/.one to another place. Then it rejoins:",
            *REPAIR,
        ),
        _identity,
    ),
    Sign(
        "data_differ",
        Level.WARNING,
        "data that differ from the leader's",
        "Records were lost, or the database was changed outside OpenNebula. Equal indexes do not"
        " prove equal data. If this server leads, users see its data.",
        ("It rejoins with a copy of the leader's data; its own is dumped first:", *REPAIR),
        _data,
    ),
    Sign(
        "keys_differ",
        Level.WARNING,
        "keys or remotes that differ from the leader's",
        "They were changed on one host. After a failover, services and drivers fail with them.",
        ("It rejoins with the leader's:", *REPAIR),
        _keys,
    ),
    Sign(
        "service_down",
        Level.WARNING,
        "a service that does not run",
        "It was stopped, or exits. OneFlow, OneGate and OneForm run on the leader,"
        " FireEdge on every front-end.",
        ("If it exits again, correct the fault that journalctl on {host} shows. Then:", *REPAIR),
        _services,
    ),
    Sign(
        "service_stray",
        Level.WARNING,
        "a service that runs on a follower",
        "It was started by hand, or a Raft hook did not stop it.",
        REPAIR,
        _strays,
    ),
    Sign(
        "disk_full",
        Level.WARNING,
        "a full disk",
        "MariaDB and oned cannot write there. On the leader, every write of the zone hangs.",
        (
            "Free space on {host}: journalctl --vacuum-size=100M, and old files in"
            " /var/backups/opennebula after they were copied elsewhere. Then:",
            *REPAIR,
        ),
        _full,
    ),
    Sign(
        "disk_low",
        Level.WARNING,
        "little free disk",
        "Less than 5 % is free. Dumps need room in /var/backups/opennebula: see keep_dumps.",
        ("Free space on {host}, or enlarge the file system.",),
        _low,
    ),
    Sign(
        "dump_failed",
        Level.WARNING,
        "a timed dump that failed",
        "The dump or its copy is not complete. The next success ends this sign.",
        (
            "Correct what journalctl -u opennebula-ha-backup says on {host}. Then, there:",
            "systemctl start opennebula-ha-backup",
        ),
        _timed_dump,
    ),
    Sign(
        "certificate",
        Level.WARNING,
        "a certificate that expires soon",
        "Browsers reject the web server's certificate after it expires.",
        (),
        _certificate,
    ),
    Sign(
        "web_server_down",
        Level.WARNING,
        "the web server does not run",
        "It was stopped, or does not start with its sites.",
        REPAIR,
        _web_server,
    ),
    Sign(
        "versions",
        Level.WARNING,
        "different versions of OpenNebula",
        "An upgrade of the stack is not complete, or packages were installed by hand.",
        REPAIR,
        _versions,
    ),
    Sign(
        "pending_restart",
        Level.WARNING,
        "a server that waits for a restart",
        "Its configuration or its packages changed after oned started.",
        ("A rollout restarts it, one server at a time:", *REPAIR),
        _restart,
    ),
    Sign(
        "drift",
        Level.WARNING,
        "differences from the stack",
        "They were made outside the stack, or no up has run since the stack changed.",
        REPAIR,
        _drift,
    ),
)
