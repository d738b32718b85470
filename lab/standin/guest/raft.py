"""Raft as in oned: elections, commits, and how followers get the log.

Faults of the original are part of the model, because the tested program must handle them. They are
marked "as in OpenNebula".
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from .conf import read_document
from .hooks import Hook
from .journal import Journal
from .logdb import LogDB, Record

if TYPE_CHECKING:
    from .peers import XmlRpcPeers

STATE_ATTRIBUTE = "RAFT_STATE"
_TICK_S = 0.05
_TERMS = 2**32
"""Terms are unsigned 32-bit numbers, and overflow."""

Endpoints = dict[int, str]


class State(IntEnum):
    """The state of a server."""

    SOLO = 0
    CANDIDATE = 1
    FOLLOWER = 2
    LEADER = 3


@dataclass(frozen=True)
class Answer:
    """A peer's answer to a vote request or a record."""

    success: bool
    term: int
    message: str = ""


class PeerError(Exception):
    """A peer did not answer."""


@dataclass(frozen=True)
class Timing:
    """Timeouts in seconds, already at the pace of this machine."""

    warm_up: float
    election: float
    broadcast: float
    purge: float
    candidate_stop: float


@dataclass
class _Pending:
    """A write that waits for its quorum."""

    to_commit: int
    done: threading.Event
    refusal: str = ""


class _Sender:
    """A thread that sends to one follower on request."""

    _FIRST_RETRY_S = 0.1
    _LONGEST_RETRY_S = 2.5

    def __init__(self, name: str, send: Callable[[], bool]) -> None:
        self._send = send
        self._condition = threading.Condition()
        self._asked = False
        self._ended = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def ask(self) -> None:
        """Request to send."""
        with self._condition:
            self._asked = True
            self._condition.notify()

    def end(self) -> None:
        """Stop sending."""
        with self._condition:
            self._ended = True
            self._condition.notify()

    def _run(self) -> None:
        retry, wait = False, self._FIRST_RETRY_S
        while True:
            with self._condition:
                while not self._asked and not self._ended:
                    if not self._condition.wait(wait) and retry:
                        break
                if self._ended:
                    return
                self._asked = False
            if self._send():
                retry, wait = False, self._FIRST_RETRY_S
            else:
                retry = True
                wait = 2 * wait if wait < self._LONGEST_RETRY_S else wait


class RaftManager:
    """The Raft manager of a server."""

    def __init__(
        self,
        server_id: int,
        logdb: LogDB,
        zone_servers: Callable[[], Endpoints],
        peers: "XmlRpcPeers",
        *,
        timing: Timing,
        journal: Journal,
        leader_hook: Hook | None = None,
        follower_hook: Hook | None = None,
    ) -> None:
        self._id = server_id
        self._logdb = logdb
        self._zone_servers = zone_servers
        self._peers = peers
        self._timing = timing
        self._journal = journal
        self._leader_hook = leader_hook
        self._follower_hook = follower_hook
        self.on_leader: Callable[[], None] = lambda: None
        """Called when this server has become the leader."""
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._reconciling = False
        self._commit = 0
        self._leader_id = -1
        self._next: dict[int, int] = {}
        self._match: dict[int, int] = {}
        self._pending: dict[int, _Pending | None] = {}
        self._senders: dict[int, _Sender] = {}
        self._heartbeats: dict[int, _Sender] = {}
        self._term, self._voted_for = self._load_state()
        # Read here, and again only as a candidate: a follower does not know servers that join
        # later, so it cannot forward calls to one that leads (as in OpenNebula).
        self._servers = zone_servers()
        self._num_servers = len(self._servers)
        self._state = State.SOLO if server_id == -1 else State.FOLLOWER
        self._last_heartbeat = time.monotonic() + timing.warm_up
        logdb.raft = self
        if self._state is State.SOLO:
            self._journal.info("ONE", "oned started in solo mode.")
        else:
            self._journal.info("RCM", "oned started in follower mode")
            if follower_hook:
                follower_hook.start()
        self._timer = threading.Thread(target=self._run_timer, name="raft-timer", daemon=True)
        self._purger = threading.Thread(target=self._run_purge, name="raft-purge", daemon=True)

    # ---- life cycle ----

    def start(self) -> None:
        """Start the timers."""
        self._timer.start()
        self._purger.start()

    def stop(self) -> None:
        """Stop; a candidate must first leave its election."""
        self._stop.set()
        self._timer.join(self._timing.candidate_stop)
        if self.is_leader:
            self.become_follower(0)

    # ---- state ----

    @property
    def state(self) -> State:
        """The state of this server."""
        with self._lock:
            return self._state

    @property
    def is_leader(self) -> bool:
        """Whether this server leads."""
        return self.state is State.LEADER

    @property
    def is_reconciling(self) -> bool:
        """Whether a new leader still replicates records of its predecessor."""
        with self._lock:
            return self._reconciling

    @property
    def term(self) -> int:
        """The current term."""
        with self._lock:
            return self._term

    def leader_endpoint(self) -> str:
        """The leader's XML-RPC endpoint, if this server knows it."""
        with self._lock:
            return self._servers.get(self._leader_id, "").partition(" ")[0]

    def to_xml(self) -> str:
        """Return the answer of one.zone.raftstatus."""
        index, log_term = self._logdb.last()
        with self._lock:
            if self._state is State.SOLO:
                index, log_term = -1, -1
            parts = {
                "SERVER_ID": self._id,
                "STATE": int(self._state),
                "TERM": self._term,
                "VOTEDFOR": self._voted_for,
                "COMMIT": self._commit,
                "LOG_INDEX": index,
                "LOG_TERM": log_term,
                "FEDLOG_INDEX": -1,
            }
        return f"<RAFT>{''.join(f'<{k}>{v}</{k}>' for k, v in parts.items())}</RAFT>"

    # ---- membership, on the leader ----

    def add_server(self, server_id: int, endpoint: str) -> None:
        """Add a server to the zone."""
        index, _ = self._logdb.last()
        with self._lock:
            if self._state is not State.LEADER:
                return
            self._num_servers += 1
            self._servers[server_id] = endpoint
            self._next[server_id] = index + 1
            self._match[server_id] = 0
            self._journal.info(
                "RCM", f"Starting replication and heartbeat threads for follower: {server_id}"
            )
            self._start_senders(server_id)

    def delete_server(self, server_id: int) -> None:
        """Remove a server from the zone; neither the server nor waiting writes notice."""
        with self._lock:
            if self._state is not State.LEADER:
                return
            self._num_servers -= 1
            for known in (self._servers, self._next, self._match):
                known.pop(server_id, None)
            self._journal.info(
                "RCM", f"Stopping replication and heartbeat threads for follower: {server_id}"
            )
            for senders in (self._senders, self._heartbeats):
                sender = senders.pop(server_id, None)
                if sender:
                    sender.end()

    def reset_index(self, server_id: int) -> None:
        """Assume that a follower has all records: its database was replaced."""
        index, _ = self._logdb.last()
        with self._lock:
            if server_id in self._next:
                self._next[server_id] = index + 1

    # ---- writes, on the leader ----

    def expect(self, index: int) -> None:
        """Note a new record, which will be replicated."""
        with self._lock:
            self._pending.setdefault(index, None)

    def replicate(self, index: int) -> str:
        """Wait until a majority has the record; return the reason if it will not, otherwise ""."""
        with self._lock:
            if self._state is not State.LEADER:
                self._pending.pop(index, None)
                return "oned is now follower"
            to_commit = self._num_servers // 2
            for follower, next_index in self._next.items():
                if index < next_index:
                    to_commit -= 1
                elif follower in self._senders:
                    self._senders[follower].ask()
            if to_commit <= 0:
                self._commit = index
                self._pending.pop(index, None)
                return ""
            pending = _Pending(to_commit, threading.Event())
            self._pending[index] = pending
        # Without a limit, as in OpenNebula: a write waits until there is a quorum.
        pending.done.wait()
        return pending.refusal

    # ---- calls from other servers ----

    def on_replicate(  # noqa: PLR0911 - one answer for each way a record can be refused
        self, leader: int, leader_commit: int, leader_term: int, record: Record | None
    ) -> Answer:
        """Handle a record or a heartbeat from a leader."""
        term = self.term
        if leader_term < term:
            message = f"Leader term ({leader_term}) is outdated ({term})"
            self._journal.info("ReM", message)
            return Answer(False, term, message)
        if leader_term > term:
            self._journal.info("ReM", f"New term ({leader_term}) discovered from leader {leader}")
            self.become_follower(leader_term)
        if self.state is State.CANDIDATE:
            self.become_follower(leader_term)
        with self._lock:
            self._leader_id = leader
            self._last_heartbeat = time.monotonic()
        if record is None:
            self._logdb.apply(self._follow_commit(leader_commit, self._logdb.last()[0]))
            return Answer(True, term)
        if not record.sql:
            return Answer(False, term, "Empty SQL command in log record")
        if record.index > 0:
            previous = self._logdb.record(record.previous_index)
            if previous is None:
                return Answer(False, term, "Error loading previous log record")
            if previous.term != record.previous_term:
                return Answer(False, term, "Previous log record missmatch")
        mine = self._logdb.record(record.index)
        if mine is not None:
            if mine.term == record.term:
                return Answer(True, term)
            self._logdb.delete_from(record.index)
        self._logdb.insert(record.index, record.term, record.sql, replace=True)
        self._logdb.apply(self._follow_commit(leader_commit, record.index))
        return Answer(True, term)

    def on_vote_request(self, term: int, candidate: int, last: tuple[int, int]) -> Answer:
        """Handle a vote request; membership is not checked, as in OpenNebula."""
        current = self.term
        my_index, my_term = self._logdb.last()
        if term < current:
            return Answer(False, current, "Candidate's term is outdated")
        if term > current:
            self._journal.info("ReM", f"New term ({term}) discovered from candidate {candidate}")
            self.become_follower(term)
        index, log_term = last
        if my_term > log_term or (my_term == log_term and my_index > index):
            return Answer(False, current, "Candidate's log is outdated")
        with self._lock:
            if self._voted_for not in (-1, candidate):
                return Answer(False, current, "Already voted for another candidate")
            self._voted_for = candidate
        self._save_state()
        return Answer(True, current)

    # ---- transitions ----

    def become_follower(self, term: int) -> None:
        """Become a follower; a higher term also resets the vote."""
        applied, _ = self._logdb.reload()
        with self._lock:
            if self._state is State.LEADER and self._follower_hook:
                self._follower_hook.start()
            self._end_senders()
            # A `solo` server also becomes one, until it is restarted (as in OpenNebula).
            self._state = State.FOLLOWER
            newer = term > self._term
            if newer:
                self._term, self._voted_for = term, -1
            self._commit = applied
            self._leader_id = -1
            self._journal.info("RCM", "oned is set to follower mode")
            self._next.clear()
            self._match.clear()
            for pending in self._pending.values():
                if pending:
                    pending.refusal = "oned is now follower"
                    pending.done.set()
            self._pending.clear()
        if newer:
            self._save_state()

    def _become_leader(self) -> None:
        applied, index = self._logdb.reload()
        with self._lock:
            if self._state is not State.CANDIDATE:
                return
            self._journal.info(
                "RCM",
                f"Becoming leader of the zone. Last log record: {index} last applied record:"
                f" {applied}",
            )
            self._pending.clear()
            if self._leader_hook:
                self._leader_hook.start()
            self._state = State.LEADER
            self._commit = applied
            self._leader_id = self._id
            self._reconciling = applied < index
            followers = [known for known in self._servers if known != self._id]
            self._next = dict.fromkeys(followers, index if self._reconciling else index + 1)
            self._match = dict.fromkeys(followers, 0)
            for follower in followers:
                self._start_senders(follower)
            self._beat()
            reconciling = self._reconciling
        self.on_leader()
        if reconciling:
            threading.Thread(target=self._reconcile, args=(index,), daemon=True).start()
        self._journal.info("RCM", "oned is now the leader of the zone")

    def _reconcile(self, index: int) -> None:
        self._journal.info("RCM", "Replicating log to followers")
        try:
            self._logdb.replicate(index)
        except Exception as error:
            self._journal.error("RCM", f"Cannot replicate log to followers: {error}")
        self._journal.info("RCM", "Leader log replicated")
        with self._lock:
            self._reconciling = False

    def _request_votes(self) -> None:
        """Stand for election repeatedly, until a server leads."""
        # The list in this server's database, read once at the start of the candidacy.
        servers = self._zone_servers()
        while True:
            with self._lock:
                if self._state is not State.CANDIDATE:
                    return
                self._servers, self._num_servers = dict(servers), len(servers)
                self._term = (self._term + 1) % _TERMS
                self._voted_for = self._id
                self._leader_id = -1
                term = self._term
            self._save_state()
            if self._collect_votes(servers, term):
                return
            with self._lock:
                if self._state is not State.CANDIDATE:
                    return
                self._voted_for = -1
            self._save_state()
            pause = random.random() * self._timing.election
            self._journal.info(
                "RCM", f"No leader found, starting new election in {pause * 1000:.0f}ms"
            )
            time.sleep(pause)

    def _collect_votes(self, servers: Endpoints, term: int) -> bool:
        """Ask every server for its vote; return True if the election is over for this server."""
        needed, granted = len(servers) // 2, 0
        last = self._logdb.last()
        for server, endpoint in sorted(servers.items()):
            if server == self._id:
                continue
            try:
                answer = self._peers.request_vote(endpoint, term, self._id, last)
            except PeerError as error:
                self._journal.info("RCM", f"Error requesting vote from follower {server}:{error}")
                continue
            if answer.success:
                granted += 1
                self._journal.info(
                    "RCM", f"Got vote from follower {server}. Total votes: {granted}"
                )
            else:
                self._journal.info(
                    "RCM", f"Vote not granted from follower {server}: {answer.message}"
                )
                if answer.term > term:
                    self._journal.info(
                        "RCM",
                        f"Follower {server} is in term {answer.term} current term is {term}."
                        " Turning into follower",
                    )
                    self.become_follower(answer.term)
                    return True
            if granted >= needed:
                self._journal.info("RCM", "Got majority of votes")
                break
        if granted < needed:
            return False
        self._become_leader()
        return True

    # ---- threads ----

    def _run_timer(self) -> None:
        while not self._stop.wait(_TICK_S):
            now = time.monotonic()
            with self._lock:
                silence = now - self._last_heartbeat
                if self._state is State.LEADER and silence >= self._timing.broadcast:
                    self._beat()
                stand = self._state is State.FOLLOWER and silence >= self._timing.election
                # A `solo` server that became a follower never stands for election.
                stand = stand and self._id >= 0
                if stand:
                    self._journal.error(
                        "RRM",
                        "Failed to get heartbeat from leader. Starting election proccess",
                    )
                    self._state = State.CANDIDATE
            if stand:
                self._request_votes()

    def _run_purge(self) -> None:
        while not self._stop.wait(self._timing.purge):
            try:
                self._logdb.purge()
            except Exception as error:
                self._journal.error("DBM", f"Cannot purge the log: {error}")

    def _beat(self) -> None:
        self._last_heartbeat = time.monotonic()
        for sender in self._heartbeats.values():
            sender.ask()

    def _start_senders(self, follower: int) -> None:
        if follower == self._id or follower in self._senders:
            return
        self._senders[follower] = _Sender(f"log-{follower}", lambda: self._send_record(follower))
        self._heartbeats[follower] = _Sender(f"beat-{follower}", lambda: self._send_beat(follower))

    def _end_senders(self) -> None:
        for senders in (self._senders, self._heartbeats):
            for sender in senders.values():
                sender.end()
            senders.clear()

    def _send_record(self, follower: int) -> bool:
        """Send the next record to a follower; return False for a retry."""
        term = self.term
        with self._lock:
            next_index = self._next.get(follower)
        if next_index is None:
            self._journal.error("RCM", f"Failed to get next replica index for follower: {follower}")
            return False
        record = self._logdb.record(next_index)
        if record is None:
            self._journal.error("RCM", f"Failed to load log record at index: {next_index}")
            return False
        try:
            answer = self._call(follower, record)
        except PeerError as error:
            self._journal.debug(
                "RCM",
                f"Failed to replicate log record at index: {next_index} on follower: {follower},"
                f" error: {error}",
            )
            return False
        if answer.success:
            self._replicated(follower)
        elif not self._is_outdated(follower, answer, term):
            self._step_back(follower)
        return True

    def _send_beat(self, follower: int) -> bool:
        term = self.term
        try:
            answer = self._call(follower, None)
        except PeerError:
            return True
        if not answer.success:
            self._is_outdated(follower, answer, term)
        return True

    def _is_outdated(self, follower: int, answer: Answer, term: int) -> bool:
        """Become a follower if the answer is of a higher term; return whether it is."""
        if answer.term <= term:
            return False
        self._journal.info(
            "RCM", f"Follower {follower} term ({answer.term}) is higher than current ({term})"
        )
        self.become_follower(answer.term)
        return True

    def _call(self, follower: int, record: Record | None) -> Answer:
        with self._lock:
            endpoint = self._servers.get(follower)
            term, commit = self._term, self._commit
        if endpoint is None:
            raise PeerError("Cannot find follower end point")
        return self._peers.replicate(endpoint, term, self._id, commit, record)

    def _replicated(self, follower: int) -> None:
        last, _ = self._logdb.last()
        with self._lock:
            if follower not in self._next:
                return
            index = self._next[follower]
            self._match[follower] = index
            self._next[follower] = index + 1
            pending = self._pending.get(index)
            if pending:
                pending.to_commit = max(pending.to_commit - 1, 0)
                if pending.to_commit == 0:
                    self._commit = index
                    del self._pending[index]
                    pending.done.set()
            # A new record is sent when its writer requests it.
            due = index + 1 not in self._pending or self._pending[index + 1] is not None
            if last > index and self._state is State.LEADER and due:
                self._ask(follower)

    def _step_back(self, follower: int) -> None:
        with self._lock:
            if follower in self._next:
                self._next[follower] = max(self._next[follower] - 1, 0)
            if self._state is State.LEADER:
                self._ask(follower)

    def _ask(self, follower: int) -> None:
        sender = self._senders.get(follower)
        if sender:
            sender.ask()

    def _follow_commit(self, leader_commit: int, index: int) -> int:
        with self._lock:
            if leader_commit > self._commit:
                self._commit = min(index, leader_commit)
            return self._commit

    # ---- persistent state ----

    def _load_state(self) -> tuple[int, int]:
        body = self._logdb.read_attribute(STATE_ATTRIBUTE)
        if not body:
            quoted = self._logdb.storage.quote(_state_xml(0, -1))
            self._logdb.write(
                f"INSERT INTO system_attributes (name, body) VALUES ('{STATE_ATTRIBUTE}', {quoted})"
            )
            return 0, -1
        root = read_document(body)
        return int(root.findtext("TERM", "0")), int(root.findtext("VOTEDFOR", "-1"))

    def _save_state(self) -> None:
        with self._lock:
            body = _state_xml(self._term, self._voted_for)
        self._logdb.update_attribute(STATE_ATTRIBUTE, body)


def _state_xml(term: int, voted_for: int) -> str:
    return (
        f"<TEMPLATE><TERM><![CDATA[{term}]]></TERM>"
        f"<VOTEDFOR><![CDATA[{voted_for}]]></VOTEDFOR></TEMPLATE>"
    )
