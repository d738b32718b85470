"""Calls between servers: XML-RPC, at the gRPC port if that is registered."""

from collections.abc import Sequence
from typing import Any

from .logdb import NOT_FEDERATED, Record
from .paths import read_one_auth
from .raft import Answer, PeerError
from .wire import CallError, call

GRPC_CONNECT_S = 20.0
"""Seconds until gRPC gives up on a host that does not answer. OpenNebula sets no limit."""


class XmlRpcPeers:
    """Other servers of the zone; this server logs in with its own one_auth.

    All calls raise PeerError without an answer in time.
    """

    def __init__(self, timeout: float, grpc_timeout: float = GRPC_CONNECT_S) -> None:
        self._timeout = timeout
        self._grpc_timeout = grpc_timeout

    def request_vote(
        self, endpoint: str, term: int, candidate: int, last: tuple[int, int]
    ) -> Answer:
        """Ask for a vote."""
        index, log_term = last
        return self._ask(
            endpoint,
            "one.zone.voterequest",
            [to_signed(term), candidate, index, to_signed(log_term)],
        )

    def replicate(
        self, endpoint: str, term: int, leader: int, commit: int, record: Record | None
    ) -> Answer:
        """Send a record, or a heartbeat without one."""
        record = record or Record(0, 0, "", 0, 0)
        return self._ask(
            endpoint,
            "one.zone.replicate",
            [
                leader,
                commit,
                to_signed(term),
                record.index,
                to_signed(record.term),
                record.previous_index,
                to_signed(record.previous_term),
                _as_signed_64(NOT_FEDERATED),
                record.sql,
            ],
        )

    def _ask(self, endpoint: str, method: str, params: Sequence[Any]) -> Answer:
        xml, _, grpc = endpoint.partition(" ")
        at, timeout = (f"http://{grpc}/RPC2", self._grpc_timeout) if grpc else (xml, self._timeout)
        try:
            # Read for each call, as in OpenNebula: a changed one_auth needs no restart.
            answer = call(at, method, [read_one_auth(), *params], timeout)
        except (CallError, ValueError) as error:
            raise PeerError(str(error)) from error
        if answer[0]:
            return Answer(True, to_unsigned(int(answer[1])))
        # A server that rejects our password answers with the term -1, which is read as
        # 4294967295 and accepted (as in OpenNebula).
        return Answer(False, to_unsigned(int(answer[3])), str(answer[1]))


def to_signed(number: int) -> int:
    """Return a 32-bit number in the form for XML-RPC."""
    number %= 2**32
    return number - 2**32 if number >= 2**31 else number


def to_unsigned(number: int) -> int:
    """Return a 32-bit number in the form for Raft."""
    return number % 2**32


def _as_signed_64(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number
