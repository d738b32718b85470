"""The program that a timer runs on each front-end: who dumps, what is kept, and what is copied."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from procedures.install.files import backup
from procedures.specs import BackupSpec, Database, InstallationSpec
from tests.unit.test_procedures import spec

COMMANDS = {
    "leads": '[ "$*" = --ask ] && cat "$HOME/state"',
    "mariadb-dump": 'echo "data of ${*: -1}"; [ ! -e "$HOME/dump-fails" ]',
    "mariadb": 'case "$*" in *SHA2*) cat "$HOME/zone" ;; esac',
    "zstd": "cat",
    "systemctl": "echo active",
    "sleep": "",
    # The share is on a file system of its own while it is mounted.
    "stat": """case "$*" in
        "-c %d $HOME/share/.") [ -d "$HOME/share" ] && cat "$HOME/device" ;;
        "-c %d "*) echo 1 ;;
        *) exec /usr/bin/stat "$@" ;;
    esac""",
}
KINDS = (".keys.tar.zst", ".sql.zst")


@dataclass
class FrontEnd:
    """One front-end below a folder."""

    home: Path

    def run(self, state: str, *, keep: int = 2, copies: bool = False) -> tuple[int, list[str]]:
        """Run the program while oned is in that state: the exit status, and what it says."""
        (self.home / "state").write_text(state)
        text = program(keep=keep, copy_to=f"{self.home}/share" if copies else "")
        for there, here in (
            ("/usr/local/lib/opennebula-ha/leads", "bin/leads"),
            ("/var/backups/opennebula", "kept"),
            ("/run/lock/", ""),
            ("/var/lib/one ", "one "),
            ("PATH=/usr/local/sbin", f"bin:{self.home}/bin"),
        ):
            into = (
                f"PATH={self.home}/bin:/usr/local/sbin"
                if "PATH" in there
                else f"{self.home}/{here}"
            )
            text = text.replace(there, into)
        done = subprocess.run(
            ["bash", "-s"],
            input=text,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.returncode, (done.stdout + done.stderr).splitlines()

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.home / folder).iterdir() if path.name[0] != ".")

    def put(self, folder: str, *names: str) -> None:
        for name in names:
            for kind in KINDS:
                (self.home / folder / f"{name}{kind}").touch()


def program(**changes: object) -> str:
    given: Mapping[str, object] = {"schedule": "daily", "keep": 2, **changes}
    (file, *_) = backup.files(_spec(BackupSpec.model_validate(given)))
    return file.edit("")


def _spec(wanted: BackupSpec | None, **changes: object) -> InstallationSpec:
    return spec().model_copy(update={"backup": wanted, **changes})


@pytest.fixture
def host(tmp_path: Path) -> FrontEnd:
    for folder in ("bin", "kept", "one/.one", "one/.ssh", "share"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "one" / ".one" / "one_auth").write_text("oneadmin:canary")
    (tmp_path / "zone").write_text("zone-1\n")
    (tmp_path / "device").write_text("2")
    return FrontEnd(tmp_path)


def test_the_leader_keeps_a_dump_and_its_keys(host: FrontEnd) -> None:
    status, said = host.run("3")
    keys, dump = host.files("kept")
    assert (status, keys[-20:], dump[16:]) == (0, "Z-timed.keys.tar.zst", "-timed.sql.zst"), said
    for name in (keys, dump):
        assert (host.home / "kept" / name).stat().st_mode & 0o777 == 0o600
    assert said == ["dump the database", f"{host.home}/kept/{dump}, 19 bytes"]
    assert "canary" not in "".join(said)


def test_a_follower_says_so_in_one_line_and_does_nothing(host: FrontEnd) -> None:
    assert host.run("2") == (0, ["this front-end does not lead"])
    assert host.files("kept") == []


@pytest.mark.parametrize("state", ["", "0", "1"])
def test_a_front_end_that_may_lead_or_not_is_a_failure(host: FrontEnd, state: str) -> None:
    status, said = host.run(state)
    assert status == 65
    assert said[0] == "expected: oned to lead or to follow"
    assert said[1].startswith("seen: Raft state" if state else "seen: no answer")
    assert host.files("kept") == []


def test_a_standalone_front_end_always_dumps() -> None:
    (file, *_) = backup.files(_spec(BackupSpec(schedule="daily", keep=2), hooks=None))
    assert "\nleading=0\n" in file.edit("")
    assert "\nleading=3\n" in program()


def test_timed_dumps_and_others_are_counted_by_themselves(host: FrontEnd) -> None:
    others = [f"2020010{n}T000000Z-on-demand" for n in range(1, 5)]
    timed = [f"2020020{n}T000000Z-timed" for n in range(1, 4)]
    host.put("kept", *others, *timed)
    assert host.run("3")[0] == 0
    names = {name.partition(".")[0] for name in host.files("kept")}
    assert names >= {*others, timed[-1]}
    assert len(names) == len(others) + 2


def test_a_dump_that_fails_leaves_nothing(host: FrontEnd) -> None:
    host.put("kept", "20200201T000000Z-timed")
    (host.home / "dump-fails").touch()
    assert host.run("3", keep=1)[0] != 0
    assert {name.partition(".")[0] for name in host.files("kept")} == {"20200201T000000Z-timed"}


def test_a_copy_is_whole_and_the_newest_stay_there(host: FrontEnd) -> None:
    host.put("share", *(f"2020020{n}T000000Z-timed" for n in range(1, 4)))
    host.put("share", "20200101T000000Z-on-demand")
    status, said = host.run("3", copies=True)
    assert status == 0, said
    (keys, dump) = host.files("kept")
    shared = host.files("share")
    assert {keys, dump} < {*shared}
    assert (host.home / "share" / dump).read_text() == (host.home / "kept" / dump).read_text()
    assert (host.home / "share" / keys).stat().st_mode & 0o777 == 0o600
    assert {name.partition(".")[0] for name in shared} == {
        dump.partition(".")[0],
        "20200203T000000Z-timed",
        "20200101T000000Z-on-demand",
    }
    assert said[-1].endswith(f"bytes, and a copy in {host.home}/share")


def test_nothing_is_written_through_a_link_in_a_share(host: FrontEnd) -> None:
    theirs = host.home / "theirs"
    mark = host.home / "share" / ".opennebula-ha"
    mark.symlink_to(theirs)
    assert host.run("3", copies=True)[0] != 0
    assert not theirs.exists()
    mark.unlink()
    theirs.write_text("theirs")
    # The time of the dump is known only to the second: one link for each of the next ones.
    now = datetime.now(UTC)
    for seconds in range(30):
        time = (now + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")
        (host.home / "share" / f"{time}-timed.sql.zst.partial").symlink_to(theirs)
    status, said = host.run("3", copies=True)
    assert status == 0, said
    assert theirs.read_text() == "theirs"
    *_, dump = [name for name in host.files("share") if name.endswith(".zst")]
    assert not (host.home / "share" / dump).is_symlink()


def test_a_share_that_is_not_mounted_is_a_failure_after_the_dump(host: FrontEnd) -> None:
    (host.home / "device").write_text("1")
    status, said = host.run("3", copies=True)
    assert (status, host.files("share")) == (65, [])
    assert f"expected: {host.home}/share, on another file system than /" in said
    assert len(host.files("kept")) == 2
    (host.home / "share").rmdir()
    assert host.run("3", copies=True)[0] == 65


def test_a_folder_of_another_zone_is_left_alone(host: FrontEnd) -> None:
    assert host.run("3", copies=True)[0] == 0
    host.put("share", "20200201T000000Z-timed", "20200202T000000Z-timed")
    there = host.files("share")
    (host.home / "zone").write_text("zone-2\n")
    status, said = host.run("3", keep=1, copies=True)
    assert status == 65
    assert "seen: those of another zone" in said
    assert host.files("share") == there


def test_the_units_are_there_only_with_a_schedule() -> None:
    given = BackupSpec(schedule="Mon..Fri 22:30", keep=2)
    texts = {file.path: file.edit("") for file in backup.files(_spec(given))}
    assert "\nOnCalendar=Mon..Fri 22:30\n" in texts[backup.TIMER]
    assert f"\nExecStart={backup.PROGRAM}\n" in texts[backup.SERVICE]
    for file in backup.files(_spec(None)):
        assert (file.edit(texts[file.path]), file.owner, file.mode) == ("", "", "")
        assert file.edit("somebody's") == "somebody's"


def test_the_program_has_the_names_of_the_stack() -> None:
    wanted = _spec(
        BackupSpec(schedule="daily", keep=7, copy_to="/mnt/backups"),
        database=Database(name="one_1"),
    )
    (file, *_) = backup.files(wanted)
    lines = file.edit("").splitlines()
    assert {"db_name=one_1", "keep=7", "copy_to=/mnt/backups"} <= {*lines}
    assert (
        subprocess.run(["bash", "-n"], input=file.edit(""), text=True, check=False).returncode == 0
    )
