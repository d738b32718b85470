"""The row of a resource during its operation, with a terminal and without."""

import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import empty_pb2

from hosts.script import Script
from procedures.script_text import shared_shell
from providers import progress, runtime

SAID = [
    "n1: dump the database",
    "n1: dump the database (120 MiB, 24.0 MiB/s)",
    "n1: dump the database (240 MiB, 24.0 MiB/s, about 40 %)",
    "wait for a leader",
    "wait for a leader",
    "n1: stop oned (it has not ended yet; systemd ends it after 1min 30s)",
]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(progress, "_log", lambda urn, text, **_: found.append((urn, text)))
    return found


@pytest.mark.parametrize(
    ("watched", "kept"),
    [(True, [0, 1, 2, 3, 5]), (False, [0, 3, 5])],
)
def test_a_log_without_a_terminal_gets_each_step_once(
    monkeypatch: pytest.MonkeyPatch, sent: list[tuple[str, str]], watched: bool, kept: list[int]
) -> None:
    monkeypatch.setattr(progress, "_is_watched", lambda: watched)
    with progress.operation("urn:1", "create"):
        report = progress.reporter("urn:1")
        for text in SAID:
            report(text)
    assert [text for _, text in sent] == [SAID[number] for number in kept]


def test_an_interrupted_run_reports_what_it_waits_for(sent: list[tuple[str, str]]) -> None:
    with progress.operation("urn:1", "create"), progress.operation("urn:2", "update"):
        progress.reporter("urn:1")("n1: restore the database")
        sent.clear()
        progress.warn_of_running_steps()
    texts = dict(sent)
    assert texts["urn:1"].startswith("interrupted: still at 'n1: restore the database'")
    assert texts["urn:2"].startswith("interrupted: still at 'update'")
    sent.clear()
    progress.warn_of_running_steps()
    assert sent == []


def test_the_engine_reports_the_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDK's provider host does it: see the text that test_runtime expects."""
    host: Any = ModuleType("__main__")
    host.empty_pb2 = empty_pb2
    exec(  # noqa: S102 - the lines of the SDK
        "def Cancel():\n    return empty_pb2.Empty()\ndef Delete():\n    return empty_pb2.Empty()",
        host.__dict__,
    )
    monkeypatch.setitem(sys.modules, "__main__", host)
    told = threading.Event()
    runtime.on_interrupt(told.set)
    assert host.Delete() == empty_pb2.Empty()
    assert not told.is_set()
    assert host.Cancel() == empty_pb2.Empty()
    assert told.wait(10)


def test_a_long_dump_reports_its_size_and_progress(tmp_path: Path) -> None:
    (tmp_path / "former.sql.zst").write_bytes(bytes(20 * 2**20))
    partial = tmp_path / "new.sql.zst.partial"
    partial.write_bytes(bytes(5 * 2**20))
    own = f"#: use dumps\nfollow_dump '{partial}'\n"
    script = Script(title="follow", body=shared_shell({"x": own}) + own, exclusive=False)
    with subprocess.Popen(
        ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as bash:
        assert bash.stdin is not None
        assert bash.stdout is not None
        bash.stdin.write(script.text())
        bash.stdin.close()
        assert bash.stdout.readline() == "#dump the database (5 MiB, 1.0 MiB/s, about 25 %)\n"
        # It ends with the file.
        partial.unlink()
        assert bash.wait(timeout=30) == 0
