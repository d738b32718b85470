"""Observe a zone at one moment: one command and one connection per host, in parallel.

In addition to the facts, each oned is called through the same connection: for its Raft state, for
its pool, and with a call that a follower passes on to the leader. Nothing is written, not even the
harmless record with which a health check makes followers catch up.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hosts.errors import HostError, reading_answer
from hosts.models import Host
from opennebula.api import ApiError, NotAuthenticatedError
from opennebula.zone import RaftStatus, ServerEntry, ZoneView
from procedures.context import Access
from procedures.facts.fact import finite, lines, parsed, reported
from procedures.facts.facts import Facts
from procedures.facts.observe import facts_where_possible, question, raft_status
from procedures.facts.report import read
from procedures.parallel import on_each, side_by_side
from procedures.replica_drift import SECOND_LOOK, lasting, tables
from procedures.specs import Database, WebSpec

FOLDERS = ("/", "/tmp", "/var/lib/mysql", "/var/lib/one", "/var/log/one", "/var/backups")  # noqa: S108
"""Where a front-end writes. No shared datastores: a share whose server is down does not answer."""
ANSWER = 5.0
"""Seconds for each call to an oned."""
LOOK = 40.0
"""Seconds for a host's answer. It waits for a start of oned that is in progress."""
PATIENCE = 5.0
"""Seconds after which the user is informed what the observation waits for."""


@dataclass(frozen=True)
class Disk:
    """A file system: its mount point, its size and its free space in bytes."""

    mount: str
    size: int
    free: int


def _disks(text: str) -> tuple[Disk, ...]:
    """Parse ``df -Pk``: device, size, used, available, capacity, mount point."""
    found: dict[str, Disk] = {}
    for line in text.splitlines():
        words: list[Any] = line.split(None, 5)
        if len(words) == 6 and words[1].isdigit() and words[3].isdigit():
            found[words[5]] = Disk(words[5], int(words[1]) << 10, int(words[3]) << 10)
    return tuple(found[mount] for mount in sorted(found))


def _ends(text: str) -> datetime | None:
    """Parse a time of openssl, such as ``Nov 29 10:24:20 2026 GMT``."""
    try:
        return datetime.strptime(text.strip(), "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    except ValueError:
        return None


def _said(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        unit, _, said = line.partition(" ")
        name = unit.removesuffix(".service")
        found[name] = f"{found[name]}; {said}" if name in found else said
    return found


@dataclass(frozen=True)
class Answers:
    """What an oned reports about itself and its zone."""

    raft: RaftStatus | None = None
    pool: tuple[ServerEntry, ...] = ()
    silence: str = ""
    """Why it did not answer."""
    refuses_login: bool = False
    """Whether it rejects the stack's password."""
    refuses_calls: str = ""
    """Why it failed to pass a call on to the leader; empty if it did not fail."""


@dataclass(frozen=True)
class Snapshot:
    """The observation of one front-end."""

    host: Host
    facts: Facts | None = None
    fault: HostError | None = None
    """Why there are no facts."""
    answers: Answers = field(default_factory=Answers)
    disks: tuple[Disk, ...] = reported(_disks, needed=True)
    certificate_ends: datetime | None = None
    web_server: str = reported(str, "web")
    """State of the web server's unit, if the stack has one."""
    changed: float = 0.0
    """Seconds since oned's unit changed its state."""
    finished: bool = reported(bool, needed=True)
    """Whether all modules of its oned have ended, but not its process."""
    said: Mapping[str, str] = reported(_said, needed=True)
    """By name: the last message of each unit that does not stay active."""
    errors: tuple[str, ...] = reported(lines, needed=True)
    """The last errors in oned.log."""
    proxies: tuple[str, ...] = reported(lambda text: tuple(text.split()), needed=True)
    """Variables in oned's environment that send its votes to a proxy."""
    differing: tuple[str, ...] = ()
    """Replicated tables that differ from the leader's, if they were compared."""


@dataclass(frozen=True)
class ZoneSnapshot:
    """The observations of all front-ends of the stack."""

    hosts: Mapping[str, Snapshot]
    others: Mapping[str, RaftStatus] = field(default_factory=dict)
    """Zone servers that are not in the stack, if no server of the stack leads."""
    compared: bool = False
    """Whether the data was compared."""

    @property
    def view(self) -> ZoneView:
        """The zone: the leader's pool, or the newest one if no server leads."""
        known = {
            name: snapshot.answers.raft
            for name, snapshot in self.hosts.items()
            if snapshot.answers.raft
        }
        view = ZoneView((), {**self.others, **known})
        head = self.hosts.get(view.leader() or "")
        if head and head.answers.pool:
            return replace(view, pool=head.answers.pool)
        listed = [
            (snapshot.facts.log_term, snapshot.facts.log_index, name, snapshot.facts.pool)
            for name, snapshot in self.hosts.items()
            if snapshot.facts and snapshot.facts.pool
        ]
        return replace(view, pool=max(listed)[-1] if listed else ())


def take_snapshot(
    access: Access,
    hosts: Mapping[str, Host],
    database: Database,
    *,
    web_server: WebSpec | None = None,
    compare: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> ZoneSnapshot:
    """Observe all front-ends. Raises nothing: a snapshot contains the reason if it has no facts.

    ``compare``: also compare every replicated table with the leader's, which reads each database
    completely. ``note`` is called with what takes long.
    """
    waiting = set(hosts)

    def observe(host: Host) -> Snapshot:
        try:
            return _observe(access, hosts, host, database, web_server=web_server)
        finally:
            waiting.discard(host.name)

    with _noting(note, lambda: f"waiting for {', '.join(sorted(waiting))}"):
        seen = ZoneSnapshot(on_each(hosts, observe), compared=compare)
    view = seen.view
    strangers = [entry.name for entry in view.pool if entry.name not in hosts]
    if strangers and view.leader() is None and view.statuses:
        way = hosts[min(view.statuses)]
        answers = {name: raft_status(access, way, ANSWER, of=name) for name in strangers}
        seen = replace(seen, others={name: raft for name, raft in answers.items() if raft})
    return _compared(access, hosts, database, seen, note) if compare else seen


@contextlib.contextmanager
def _noting(note: Callable[[str], None], what: Callable[[], str]) -> Iterator[None]:
    """Inform the user after ``PATIENCE`` seconds what the observation waits for."""
    timer = threading.Timer(PATIENCE, lambda: note(what()))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _observe(
    access: Access,
    hosts: Mapping[str, Host],
    host: Host,
    database: Database,
    *,
    web_server: WebSpec | None,
) -> Snapshot:
    def ask_host() -> Snapshot:
        try:
            output = access.run(
                host,
                "snapshot",
                "observe",
                variables={
                    **question(database, hosts),
                    "folders": " ".join(FOLDERS),
                    "certchain": web_server.certchain if web_server else "",
                    "web_server": web_server.server if web_server else "",
                },
                exclusive=False,
                timeout=LOOK,
            )
            found = read(host, hosts, output, access.front_ends)
            with reading_answer(host.name, "observe"):
                return read_snapshot(host, found, output.values)
        except HostError as error:
            return Snapshot(host, fault=error)

    # At the same time, through one connection.
    done = side_by_side(
        {"host": ask_host, "oned": lambda: Snapshot(host, answers=_ask_oned(access, host))}
    )
    return replace(done["host"], answers=done["oned"].answers)


def _ask_oned(access: Access, host: Host) -> Answers:
    try:
        api = access.api(host, timeout=ANSWER)
        raft, pool = api.raft_status(), api.servers()
    except NotAuthenticatedError as error:
        return Answers(silence=str(error), refuses_login=True)
    except (ApiError, HostError) as error:
        return Answers(silence=str(error))
    try:
        api.version()
    except (ApiError, HostError) as error:
        return Answers(raft, pool, refuses_calls=str(error))
    return Answers(raft, pool)


def _compared(
    access: Access,
    hosts: Mapping[str, Host],
    database: Database,
    seen: ZoneSnapshot,
    note: Callable[[str], None],
) -> ZoneSnapshot:
    """Compare the data of the servers that answered. One that hangs is not called again.

    Tables that differ are compared twice, since they may be changing at present.
    """
    leader = seen.view.leader() or ""
    head = seen.hosts[leader].facts if leader in seen.hosts else None
    if head is None:
        return seen
    names = [
        name
        for name, snapshot in seen.hosts.items()
        if snapshot.facts and not snapshot.facts.silent and snapshot.facts.identity == head.identity
    ]
    if len(names) < 2:
        return seen

    def look() -> dict[str, Facts]:
        compared = {name: hosts[name] for name in names}
        return facts_where_possible(access, compared, database, checksums=True, names=hosts)

    with _noting(note, lambda: f"comparing the data of {', '.join(names)}: each is read in whole"):
        first = look()
        head = first.get(leader)
        if head is None:
            return seen
        differ = any(tables(own, head) for own in first.values())
        if differ:
            time.sleep(SECOND_LOOK)
        second = look() if differ else first
    changed = dict(seen.hosts)
    for name, own in first.items():
        snapshot, own_later, head_later = seen.hosts[name], second.get(name), second.get(leader)
        if own_later and head_later and snapshot.facts:
            changed[name] = replace(
                snapshot,
                facts=replace(snapshot.facts, remotes=own.remotes),
                differing=tuple(lasting((own, head), (own_later, head_later))),
            )
    return replace(seen, hosts=changed)


def read_snapshot(host: Host, found: Facts, values: Mapping[str, str]) -> Snapshot:
    """Add the reports of snapshot.sh to the facts."""
    changed = int(values["changed"] or 0) / 1e6
    return Snapshot(
        host,
        found,
        **parsed(Snapshot, values),
        certificate_ends=_ends(values.get("certificate", "")),
        changed=max(finite(values["uptime"]) - changed, 0.0),
    )
