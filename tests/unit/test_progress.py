"""What a resource's row says while it is at work, with a terminal and without."""

import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import empty_pb2

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


def test_an_interrupted_run_says_what_it_waits_for(sent: list[tuple[str, str]]) -> None:
    with progress.operation("urn:1", "create"), progress.operation("urn:2", "update"):
        progress.reporter("urn:1")("n1: restore the database")
        sent.clear()
        progress.say_what_runs_on()
    texts = dict(sent)
    assert texts["urn:1"].startswith("interrupted: still at 'n1: restore the database'")
    assert texts["urn:2"].startswith("interrupted: still at 'update'")
    sent.clear()
    progress.say_what_runs_on()
    assert sent == []


def test_the_engine_says_that_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDK's provider host does it: see what test_runtime expects of its text."""
    host: Any = ModuleType("__main__")
    host.empty_pb2 = empty_pb2
    exec(  # noqa: S102 - the lines of the SDK
        "def Cancel():\n    return empty_pb2.Empty()\ndef Delete():\n    return empty_pb2.Empty()",
        host.__dict__,
    )
    monkeypatch.setitem(sys.modules, "__main__", host)
    told = threading.Event()
    runtime.when_interrupted(told.set)
    assert host.Delete() == empty_pb2.Empty()
    assert not told.is_set()
    assert host.Cancel() == empty_pb2.Empty()
    assert told.wait(10)
