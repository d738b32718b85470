"""Restore a dump from the operator's machine on a host that has lost its database."""

from dataclasses import dataclass
from pathlib import Path

from hosts.errors import HostError
from opennebula.api import USER
from opennebula.zone import STANDALONE_ID
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.oned_service import STOP
from procedures.specs import Database
from procedures.transfer.seed import COPY, INCOMING, put_in_place

_DUMP, _KEYS = ".sql.zst", ".keys.tar.zst"


@dataclass(frozen=True)
class KeptDump:
    """A dump and the keys that belong to it, two files in one folder."""

    database: Path
    keys: Path

    @classmethod
    def named(cls, path: str) -> "KeptDump":
        """Return the dump with that path, on any machine, and its keys."""
        return cls(Path(path), Path(path.removesuffix(_DUMP) + _KEYS))

    @classmethod
    def at(cls, path: str) -> "KeptDump":
        """Return the dump at that path. Raises HostError if it or its keys do not exist."""
        kept = cls.named(path)
        for file in (kept.database, kept.keys):
            if not path.endswith(_DUMP) or not file.is_file():
                raise HostError(
                    "this machine",
                    "read the dump",
                    expected=f"TIME-REASON{_DUMP} and TIME-REASON{_KEYS} in one folder",
                    seen=f"no {file}" if path.endswith(_DUMP) else path,
                    remedy="copy both from /var/backups/opennebula of a front-end, or from where"
                    " you keep them, and name the first one as FROM=…",
                )
        return kept


def restore(access: Access, seen: Facts, kept: KeptDump, database: Database) -> None:
    """Restore a dump's data and keys on a standalone host, whose oned stays stopped.

    The zone's pool is emptied, since its servers are new. Raises HostError.
    """
    connection = access.connection(seen.host)
    access.run(seen.host, "receive", timeout=STOP)
    for file in (kept.database, kept.keys):
        access.report(f"{seen.host.name}: send {file.name}")
        connection.send(file, INCOMING, COPY)
    one_auth = f"{USER}:{access.secrets.one_pass}"
    put_in_place(access, seen, STANDALONE_ID, database, may_replace=False, one_auth=one_auth)
