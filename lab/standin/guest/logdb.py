"""The replicated log: every write of a server in a zone is first a record of it."""

import base64
import threading
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .journal import Journal
from .storage import DuplicateError, StatementError, Storage, StorageError

if TYPE_CHECKING:
    from .raft import RaftManager

NOT_FEDERATED = 2**64 - 1
"""fed_index of a record that other zones do not need."""


class WriteRefused(Exception):
    """This server may not change the database now, or the zone has not accepted the change."""


@dataclass(frozen=True)
class Record:
    """A record of the log, and the index and term of its predecessor, which a follower checks."""

    index: int
    term: int
    sql: str
    previous_index: int
    previous_term: int


@dataclass(frozen=True)
class LogPolicy:
    """How many records are kept (RAFT in oned.conf)."""

    retention: int = 250_000
    limit_purge: int = 100_000


class LogDB:
    """The log, and the tables that its records change.

    Its lock is taken before Raft's lock, never while Raft's is held.
    """

    def __init__(
        self, storage: Storage, journal: Journal, *, solo: bool, policy: LogPolicy
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._solo = solo
        self._policy = policy
        self._lock = threading.RLock()
        self._next_index = 0
        self._last_index = -1
        self._last_term = 0
        self._last_applied = -1
        self.raft: RaftManager | None = None
        if self.record(0) is None:
            self.insert(0, 0, str(int(time.time())), applied=True)
        self.reload()

    @property
    def storage(self) -> Storage:
        """The database, for reads and literals."""
        return self._storage

    def reload(self) -> tuple[int, int]:
        """Read from the database: last applied index, last index."""
        with self._lock:
            last = self._storage.read("SELECT MAX(log_index) FROM logdb")[0][0]
            applied = self._storage.read("SELECT MAX(log_index) FROM logdb WHERE applied = '1'")
            self._last_index = -1 if last is None else int(last)
            self._next_index = self._last_index + 1
            self._last_applied = int(applied[0][0] or 0)
            tail = self.record(self._last_index)
            if tail is not None:
                self._last_term = tail.term
            return self._last_applied, self._last_index

    def last(self) -> tuple[int, int]:
        """Return index and term of the last record."""
        with self._lock:
            return self._last_index, self._last_term

    def record(self, index: int) -> Record | None:
        """Return a record, if it and its predecessor are in the log."""
        previous = max(index - 1, 0)
        rows = self._storage.read(
            "SELECT c.log_index, c.term, c.sqlcmd, p.log_index, p.term FROM logdb c, logdb p"
            f" WHERE c.log_index = {index} AND p.log_index = {previous}"
        )
        if not rows:
            return None
        number, term, packed, previous_index, previous_term = rows[0]
        return Record(
            int(number), int(term), _unpack(packed), int(previous_index), int(previous_term)
        )

    def write(self, sql: str) -> None:
        """Change the database: at once outside a zone, otherwise through the zone's log."""
        if self._solo:
            self._storage.write(sql)
            return
        raft = self.raft
        if raft is None or not raft.is_leader:
            self._journal.error("DBM", "Tried to modify DB being a follower")
            raise WriteRefused("Tried to modify DB being a follower")
        with self._lock:
            index, term = self._next_index, raft.term
            self.insert(index, term, sql)
            raft.expect(index)
        self.replicate(index)

    def replicate(self, index: int) -> None:
        """Wait until the zone has the record, then apply everything up to it."""
        if self.raft is None:
            raise WriteRefused("oned is not ready to replicate")
        refusal = self.raft.replicate(index)
        if not self.raft.is_leader:
            self._journal.error("DBM", "Not applying log record, oned is now a follower")
            raise WriteRefused("oned is now a follower")
        if refusal:
            self._journal.error("DBM", f"Cannot replicate log record on followers: {refusal}")
            raise WriteRefused(refusal)
        if not self.apply(index):
            raise WriteRefused(f"log record {index} could not be applied")

    def insert(
        self, index: int, term: int, sql: str, *, applied: bool = False, replace: bool = False
    ) -> None:
        """Add a record to the log."""
        verb = "REPLACE" if replace else "INSERT"
        stamp = int(time.time()) if applied else 0
        statement = (
            f"{verb} INTO logdb (log_index, term, sqlcmd, timestamp, fed_index, applied) VALUES"
            f" ({index},{term},{self._storage.quote(_pack(sql))},{stamp},{NOT_FEDERATED},"
            f"'{int(applied)}')"
        )
        with self._lock:
            try:
                self._storage.write(statement)
            except StatementError:
                if self.record(index) is None:
                    raise
                self._journal.error("DBM", "Duplicated log record")
            if index > self._last_index:
                self._last_index, self._last_term = index, term
                self._next_index = index + 1

    def delete_from(self, index: int) -> None:
        """Delete the records from an index on, which the leader does not have."""
        with self._lock:
            self._storage.write(f"DELETE FROM logdb WHERE log_index >= {index}")
            self._last_index, self._next_index = index - 1, index
            tail = self.record(self._last_index)
            if tail is not None:
                self._last_term = tail.term

    def apply(self, commit: int) -> bool:
        """Apply all records up to an index; return False if one is missing or fails."""
        with self._lock:
            while self._last_applied < commit:
                record = self.record(self._last_applied + 1)
                if record is None or not self._apply(record):
                    return False
            return True

    def _apply(self, record: Record) -> bool:
        refused = False
        try:
            self._storage.write(record.sql)
        except StatementError as error:
            # As in OpenNebula, a record that the tables reject counts as applied: a database that
            # is no copy of the leader's is not noticed. A duplicate key is not even a failure.
            refused = not isinstance(error, DuplicateError)
            self._journal.error("DBM", f"SQL command was: {record.sql}, error: {error}")
        except StorageError:
            return False
        self._storage.write(
            f"UPDATE logdb SET timestamp = {int(time.time())}, applied = '1'"
            f" WHERE log_index = {record.index} AND timestamp = 0"
        )
        self._last_applied = record.index
        return not refused

    def purge(self) -> None:
        """Delete applied records beyond the number to keep."""
        with self._lock:
            oldest = self._storage.read(
                "SELECT MIN(i.log_index) FROM (SELECT log_index FROM logdb WHERE applied = '1'"
                f" ORDER BY log_index DESC LIMIT {self._policy.retention}) AS i"
            )[0][0]
            if oldest is None:
                return
            purged = self._storage.write(
                self._storage.limited_delete(
                    f"DELETE FROM logdb WHERE applied = '1' AND log_index < {int(oldest)}",
                    self._policy.limit_purge,
                )
            )
        self._journal.info("DBM", f"Purging obsolete LogDB records: {purged} records purged.")

    def read_attribute(self, name: str) -> str:
        """Return a row of system_attributes, or nothing."""
        rows = self._storage.read(f"SELECT body FROM system_attributes WHERE name = '{name}'")
        return str(rows[0][0]) if rows else ""

    def update_attribute(self, name: str, body: str) -> None:
        """Change a row of system_attributes on this server alone."""
        self._storage.write(
            f"UPDATE system_attributes SET body = {self._storage.quote(body)} WHERE name = '{name}'"
        )


def _pack(sql: str) -> str:
    return base64.b64encode(zlib.compress(sql.encode())).decode()


def _unpack(packed: str | bytes) -> str:
    return zlib.decompress(base64.b64decode(packed)).decode()
