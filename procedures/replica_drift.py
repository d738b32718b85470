"""Compare a zone server with the leader, from the facts of both. Pure."""

from collections.abc import Mapping

from opennebula.zone import ServerEntry
from procedures.facts.facts import Facts

SECOND_LOOK = 3.0
"""Seconds after which every follower has applied what the leader had before: see ``lasting``."""


def mismatches(
    own: Facts, head: Facts, entry: ServerEntry, *, runs_as: int | None = None
) -> list[str]:
    """Return how a server's SERVER_ID, keys and remotes differ from the zone's.

    ``runs_as``: the SERVER_ID of its running oned, if it answers. Data written under another
    SERVER_ID cannot be trusted. Keys that the leader lacks do not matter.
    """
    found = []
    if own.server_id != entry.id:
        found.append(f"SERVER_ID {own.server_id} in oned.conf, the pool says {entry.id}")
    if runs_as not in (None, entry.id):
        found.append(f"it runs with SERVER_ID {runs_as}, the pool says {entry.id}")
    found += [
        f"{path}: {'not as on the leader' if path in own.keys else 'missing'}"
        for path, key in sorted(head.keys.items())
        if path not in own.keys or own.keys[path].digest != key.digest
    ]
    found += [
        f"{path}: not as on the leader"
        for path in sorted({*head.remotes, *own.remotes})
        if own.remotes.get(path) != head.remotes.get(path)
    ]
    return found


def tables(own: Facts, head: Facts) -> list[str]:
    """Return the replicated tables that differ at this moment, possibly because of a write."""
    leaders, owns = _checksums(head), _checksums(own)
    return sorted(name for name in {*leaders, *owns} if leaders.get(name) != owns.get(name))


def lasting(before: tuple[Facts, Facts], after: tuple[Facts, Facts]) -> list[str]:
    """Return the tables that differ permanently, from two observations of server and leader.

    At the second one the server has all records that the leader had at the first. So a table that
    did not change in between on either of them must be equal; others may be written at present.
    """
    (own, head), (own_later, head_later) = before, after
    if own_later.log_index < head.log_index:
        return []
    still = set(tables(own, head)) & set(tables(own_later, head_later))
    quiet = {
        name
        for name in still
        if _checksums(own).get(name) == _checksums(own_later).get(name)
        and _checksums(head).get(name) == _checksums(head_later).get(name)
    }
    return sorted(quiet)


def _checksums(facts: Facts) -> Mapping[str, str]:
    lines = (line.split("\t", 1) for line in facts.checksums.splitlines())
    return {name.rsplit(".", 1)[-1]: checksum for name, checksum in lines}
