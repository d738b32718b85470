"""Logs of several oneds: parsed, filtered on the host, merged by time."""

import io
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from commands import logs
from commands.status.tables import console
from opennebula.oned_log import ELECTIONS_AND_ERRORS, LogLine, parse
from procedures.script_text import scripts

LOG = """\
Sun Nov 29 10:40:45 2026 [Z0][ONE][I]: Log level:3 [0=ERROR,1=WARNING,2=INFO,3=DEBUG]
Sun Nov 29 10:40:46 2026 [Z0][ReM][D]: Req:9 UID:0 one.zone.info invoked , 0
Sun Nov 29 10:41:02 2026 [Z0][RCM][I]: No leader in zone, starting election of term 1
Sun Nov  1 10:41:03 2026 [Z0][RCM][I]: of an earlier month
Sun Nov 29 10:41:03 2026 [Z0][ReM][I]: New term (1) discovered from candidate 2
Sun Nov 29 10:41:04 2026 [Z0][HKM][I]: Success executing Hook: RAFT_LEADER_HOOK
ARPING 10.2.50.86 from 10.2.50.86 eth0
Sun Nov 29 10:41:05 2026 [Z0][DBM][E]: SQL command was: SELECT
error 1146
Sun Nov 29 10:41:06 2026 [Z0][ReM][D]: Req:10 UID:0 one.zone.info result SUCCESS
"""


def filtered(tmp_path: Path, *, everything: bool, since: str = "2026-11-29T10:00:00Z") -> str:
    """Return the output of the script's own filter, in UTC."""
    text = scripts()["oned_log"].read_text(encoding="utf-8")
    file = tmp_path / "oned.log"
    file.write_text(LOG, encoding="utf-8")
    (tmp_path / "oned.log-20261101.gz").write_bytes(b"")
    begun = datetime.fromisoformat(since)
    script = (
        "tell() { :; }; give() { cat; }; set -euo pipefail; export TZ=UTC LC_ALL=C\n"
        f"since={begun.timestamp():.0f} all={'yes' if everything else 'no'} most=100\n"
        f"filter='{ELECTIONS_AND_ERRORS}'\n" + text.replace("/var/log/one", str(tmp_path))
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout


def test_only_elections_and_errors_are_shown(tmp_path: Path) -> None:
    kept = [line.split("]: ")[-1] for line in filtered(tmp_path, everything=False).splitlines()]
    assert kept == [
        "No leader in zone, starting election of term 1",
        "New term (1) discovered from candidate 2",
        "Success executing Hook: RAFT_LEADER_HOOK",
        "SQL command was: SELECT",
        "error 1146",
    ]


def test_everything_since_a_moment_is_shown(tmp_path: Path) -> None:
    all_of_it = filtered(tmp_path, everything=True)
    assert "of an earlier month" not in all_of_it
    assert all_of_it.count("\n") == LOG.count("\n") - 1
    later = filtered(tmp_path, everything=True, since="2026-11-29T10:41:05Z")
    assert later.startswith("Sun Nov 29 10:41:05 2026 [Z0][DBM]")


def test_a_message_has_time_module_level_and_all_its_lines() -> None:
    found = list(parse(LOG, "+0100"))
    first, error = found[0], found[-2]
    assert first.at == datetime(2026, 11, 29, 9, 40, 45, tzinfo=UTC)
    assert (error.module, error.level) == ("DBM", "E")
    assert error.text == "SQL command was: SELECT\nerror 1146"
    assert list(parse("of nothing\n", "+0000")) == []


def test_hosts_are_merged_by_time_in_any_time_zones() -> None:
    def line(minute: int, hours: int, text: str) -> LogLine:
        at = datetime(2026, 11, 29, 10 + hours, minute, tzinfo=timezone(timedelta(hours=hours)))
        return LogLine(at, "RCM", "I", text)

    merged = logs.merge(
        {
            "n1a2": [line(1, 1, "b"), line(1, 1, "c"), line(3, 1, "e")],
            "n1a1": [line(0, 0, "a"), line(2, 0, "d")],
        }
    )
    assert [one.text for _, one in merged] == ["a", "b", "c", "d", "e"]
    out = io.StringIO()
    logs.show(merged, console(out))
    assert out.getvalue().splitlines()[1] == "2026-11-29 10:01:00 n1a2 [RCM][I] b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", "2026-11-29T11:30:00+00:00"),
        ("2 h", "2026-11-29T10:00:00+00:00"),
        ("1d", "2026-11-28T12:00:00+00:00"),
        ("2026-11-29T10:00", "2026-11-29T10:00:00+00:00"),
        ("2026-11-29T10:00+01:00", "2026-11-29T10:00:00+01:00"),
    ],
)
def test_forms_of_a_start_time(text: str, expected: str) -> None:
    assert logs.moment(text, datetime(2026, 11, 29, 12, tzinfo=UTC)).isoformat() == expected


@pytest.mark.parametrize("argv", [["--since", "yesterday"], ["--since"], ["--everything"]])
def test_another_form_is_refused(argv: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        logs.main(argv)
    assert ended.value.code == 2
    assert "usage: make logs" in capsys.readouterr().err
