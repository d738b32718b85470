"""What a plan of the zone's membership starts from, and the answer if there is no plan. Pure."""

from dataclasses import dataclass

from opennebula.zone import STANDALONE_ID, RaftStatus, ServerEntry, State


@dataclass(frozen=True)
class FrontEndView:
    """One front-end as observed: its oned, its database and what the database says."""

    name: str
    running: bool = False
    server_id: int = STANDALONE_ID
    has_content: bool = False
    identity: str = ""
    """Equal for two databases that are copies of one (when and as what it was bootstrapped)."""
    pool: tuple[ServerEntry, ...] = ()
    log_index: int = -1
    log_term: int = -1
    log_begins: int = -1
    """Index of the first record that it still has."""
    status: RaftStatus | None = None
    stopped_by_us: bool = False
    """Stopped and disabled: a change that was interrupted, such as a leave, did both."""

    @property
    def is_standalone(self) -> bool:
        """Holds a database that runs outside any zone."""
        return self.has_content and self.server_id == STANDALONE_ID

    @property
    def is_member(self) -> bool:
        """Holds a database and a place in a zone."""
        return self.has_content and self.server_id != STANDALONE_ID

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
