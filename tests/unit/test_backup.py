"""A dump on demand is made on the leader, and is copied with the keys that belong to it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.zone import RaftStatus, State, ZoneView
from procedures import backup
from procedures.bootstrap.restore import KeptDump
from procedures.context import Access
from procedures.specs import Database, ZoneSpec

HOSTS = {name: Host(name=name, address=f"10.0.0.{name[1:]}") for name in ("n1", "n2", "n3")}
ZONE = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=True)
PATH = "/var/backups/opennebula/20261129T120000Z-on-demand.sql.zst"


@dataclass
class Hosts:
    """Notes what runs where; each file that is copied holds its own path."""

    ran: list[tuple[str, str, str]] = field(default_factory=list)

    def report(self, _text: str) -> None:
        """Ignore progress."""

    def run(self, host: Host, name: str, *, variables: dict[str, str], **_: Any) -> Output:
        self.ran.append((host.name, name, variables["stop"]))
        return Output({"dump": PATH})

    def connection(self, _host: Host) -> "Hosts":
        return self

    def receive(self, path: str, file: Path, _timeout: float) -> None:
        file.write_text(path)


def test_the_leader_dumps_and_oned_keeps_running(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = {
        name: RaftStatus(number, State.LEADER if name == "n2" else State.FOLLOWER, 1, 1, 1)
        for number, name in enumerate(HOSTS)
    }
    monkeypatch.setattr(backup, "wait_for_leader", lambda *_: ZoneView((), statuses))
    hosts = Hosts()
    assert backup.back_up(cast(Access, hosts), ZONE, HOSTS) == (HOSTS["n2"], PATH)
    assert hosts.ran == [("n2", "dump", "no")]


def test_sqlite_is_refused_with_the_files_to_copy() -> None:
    zone = ZONE.model_copy(
        update={"database": Database(backend="SQLite"), "highly_available": False}
    )
    with pytest.raises(HostError, match=r"one\.db"):
        backup.back_up(cast(Access, Hosts()), zone, HOSTS)


def test_the_copies_are_a_dump_that_restore_takes(tmp_path: Path) -> None:
    copy = backup.fetch(cast(Access, Hosts()), HOSTS["n1"], PATH, tmp_path / "dumps")
    kept = KeptDump.at(str(copy))
    assert kept.database.read_text() == PATH
    assert kept.keys.read_text() == PATH.replace(".sql.zst", ".keys.tar.zst")
    assert (tmp_path / "dumps").stat().st_mode & 0o777 == 0o700
