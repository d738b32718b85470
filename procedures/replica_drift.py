"""How a zone server differs from the leader. Pure: facts of the hosts in, names out."""

from collections.abc import Mapping

from opennebula.zone import ServerEntry
from procedures.facts.facts import Facts


def mismatches(
    own: Facts, head: Facts, entry: ServerEntry, *, runs_as: int | None = None
) -> list[str]:
    """What a server has in another way than the zone: its SERVER_ID, keys, remotes.

    ``runs_as`` is the SERVER_ID of its oned, where that answers: what was written under another
    one's is not to be trusted, whatever the file says by now.
    A key that the leader lacks does not matter.
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
    """The replicated tables that differ at the moment; a write may be on its way."""
    there, here = _checksums(head), _checksums(own)
    return sorted(name for name in {*there, *here} if there.get(name) != here.get(name))


def lasting(before: tuple[Facts, Facts], after: tuple[Facts, Facts]) -> list[str]:
    """The tables that differ for good, from two looks at a server and the leader (in this order).

    At the second look the server has all that the leader had at the first. So a table that did
    not change in between, here or there, must be equal; one that is being written may differ.
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
