"""Errors of a stack's file that scripts/pulumi explains better than the CLI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from commands.times import operations
from settings.table import ROOT


def preview(
    folder: Path, file: bytes, cli: str = "echo ran", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a preview of a stack with that file, with a CLI that only prints that it ran."""
    (folder / "scripts").mkdir()
    (folder / "stacks").mkdir()
    shutil.copy(ROOT / "scripts" / "pulumi", folder / "scripts")
    (folder / "stacks" / "Pulumi.production.yaml").write_bytes(file)
    (folder / "pulumi").write_text(f"#!/bin/sh\n{cli}\n")
    (folder / "pulumi").chmod(0o755)
    return subprocess.run(
        [str(folder / "scripts" / "pulumi"), "production", "preview"],
        env={**os.environ, **variables, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"config:\n  a: 1\n\tb: 2\n", "line 3: indented with a tab, which YAML does not allow"),
        (b"config:\r\n\t  a: 1\r\n", "line 2: indented with a tab, which YAML does not allow"),
        (b"config:\n  \tb: 2\n", "line 2: indented with a tab"),
        ("config:\n".encode("utf-16"), "is UTF-16, as some editors on Windows write"),
    ],
)
def test_a_file_of_the_wrong_form_is_named_with_its_line(
    tmp_path: Path, file: bytes, said: str
) -> None:
    done = preview(tmp_path, file)
    assert said in done.stdout + done.stderr
    if said != "ran":
        assert done.returncode == 1
        assert "stacks/Pulumi.production.yaml" in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    "file", [b"", b"\xef\xbb\xbfconfig:\r\n  a: 1\r\n", b"a:\tb\n\t\n\t# note\n  # \t\n"]
)
def test_any_other_file_is_left_to_the_cli(tmp_path: Path, file: bytes) -> None:
    assert preview(tmp_path, file).stdout == "ran\n"


WRITES = """echo '{"at": 1, "resource": "Zone zone", "kind": "begin", "what": "read"}
{"at": 3, "resource": "Zone zone", "kind": "end", "what": "read"}' >>"$OPENNEBULA_HA_TIMES"
exit 4"""


def with_python(folder: Path) -> None:
    (folder / "commands").symlink_to(ROOT / "commands")
    (folder / ".venv").symlink_to(ROOT / ".venv")


def test_times_are_shown_and_kept_in_the_named_file(tmp_path: Path) -> None:
    with_python(tmp_path)
    kept = tmp_path / "up.times"
    kept.write_text("of an earlier run\n", encoding="utf-8")
    done = preview(tmp_path, b"", WRITES, TIMES="up.times")
    assert done.returncode == 4
    assert "    2.0  ==============================  Zone zone read" in done.stdout
    assert len(list(operations(kept.read_text(encoding="utf-8").splitlines()))) == 1


def test_times_without_a_file_are_only_shown(tmp_path: Path) -> None:
    with_python(tmp_path)
    (tmp_path / "tmp").mkdir()
    done = preview(tmp_path, b"", WRITES, TIMES="1", TMPDIR=str(tmp_path / "tmp"))
    assert "Zone zone read" in done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "1").exists()


def test_times_that_cannot_be_written_stop_before_the_run(tmp_path: Path) -> None:
    done = preview(tmp_path, b"", TIMES="none/up.times")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the times cannot be written to none/up.times" in done.stderr
