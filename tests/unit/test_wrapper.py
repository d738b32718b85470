"""Errors of a stack's file that scripts/pulumi explains better than the CLI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from settings.table import ROOT


def preview(folder: Path, file: bytes) -> subprocess.CompletedProcess[str]:
    """Run a preview of a stack with that file, with a CLI that only prints that it ran."""
    (folder / "scripts").mkdir()
    (folder / "stacks").mkdir()
    shutil.copy(ROOT / "scripts" / "pulumi", folder / "scripts")
    (folder / "stacks" / "Pulumi.production.yaml").write_bytes(file)
    (folder / "pulumi").write_text("#!/bin/sh\necho ran\n")
    (folder / "pulumi").chmod(0o755)
    return subprocess.run(
        [str(folder / "scripts" / "pulumi"), "production", "preview"],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
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
