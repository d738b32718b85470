"""What the test of a dump refuses before it boots a host. The rest is tested on lab hosts."""

from pathlib import Path

import pytest

from lab import backup_test
from lab.machines import LabFault
from procedures.bootstrap.restore import KeptDump


@pytest.mark.parametrize(
    ("stack", "dump", "said"),
    [
        ("production", "20260101T000000Z-timed.sql.zst", "saw no "),
        ("production", "dump.sql", "expected TIME-REASON.sql.zst and TIME-REASON.keys.tar.zst"),
        ("nowhere", "kept.sql.zst", "expected one_version in "),
    ],
)
def test_what_cannot_be_tested_is_a_failure_with_its_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], stack: str, dump: str, said: str
) -> None:
    for name in ("kept.sql.zst", "kept.keys.tar.zst"):
        (tmp_path / name).touch()
    assert backup_test.main(["--stack", stack, "--", str(tmp_path / dump)]) == 1
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"backup-test: {dump} FAILED: ")
    assert said in shown.err


def test_a_dump_must_be_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        backup_test.main(["--stack", "production", "--", ""])
    assert ended.value.code == 2
    assert "name the dump: FROM=" in capfd.readouterr().err


def test_keys_that_cannot_be_read_are_a_failure(tmp_path: Path) -> None:
    (tmp_path / "kept.keys.tar.zst").write_text("not an archive")
    kept = KeptDump.named(str(tmp_path / "kept.sql.zst"))
    with pytest.raises(LabFault, match="cannot be read"):
        backup_test.kept_files(kept)
