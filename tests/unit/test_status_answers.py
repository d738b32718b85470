"""Status, doctor and logs of hosts that answer anything: a report, in printable text."""

import argparse
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import logs
from commands.stack import Target
from commands.status import prometheus, tables
from commands.status.__main__ import main as status_main
from commands.status.build import report as report_of
from commands.status.observe import observe
from commands.status.report import Report
from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.oned_log import LogLine
from procedures.context import Access, Secrets
from procedures.facts.facts import Unit
from procedures.facts.oned_log import fetch
from procedures.facts.snapshot import Answers
from settings.table import ROOT
from tests.runs import examples
from tests.status_schema import faults
from tests.unit.bad_configs import MISSING
from tests.unit.situations import (
    BODY,
    OFF,
    POOL,
    raft,
    situation,
    snapshot,
    target,
    unreachable,
)
from tests.unit.test_answers import NASTY, STATUS, TOLD, Oned, broken, reply
from tests.unit.test_doctor import FLOW
from tests.unit.test_logs import LOG
from tests.unit.test_procedures import units
from tests.unit.test_settings import GOOD, raw

SNAPSHOT = {
    **TOLD,
    "disks": "/dev/sda1 1000 400 600 40% /",
    "certificate": "Nov  9 10:24:20 2027 GMT",
    "web": "active",
    "changed": "40000000",
    "finished": "",
    "said": "opennebula.service first",
    "errors": "one",
    "proxies": "http_proxy",
    "zone": BODY,
    "backups": "4711 /var/backups/opennebula/20261101T000000Z-a.sql.zst",
}


class RaftOned(Oned):
    """An oned with that status, and the zone of the samples."""

    def __init__(self, status: str) -> None:
        super().__init__(iter(()))
        self._status = status

    def sendall(self, data: bytes) -> None:
        body = self._status if b"raftstatus" in data else BODY
        super().__init__(iter([reply(body)]))


def answering(told: Mapping[str, str], oned: bytes = b"") -> Target:
    """Make the target of a stack of which each host and each oned answers that."""

    def stream(*_: object) -> Any:
        return Oned(iter([oned])) if oned else RaftOned(STATUS)

    connection = SimpleNamespace(run=lambda *_, **__: Output(told), open_stream=stream)
    pool = cast(Any, SimpleNamespace(connection=lambda _: connection))
    stack = target(
        features={**OFF, "gui": True, "flow": True},
        ssl={"web_server": "nginx", "generate_cert": True},
    )
    return replace(
        stack, access=Access(pool, Secrets("the-password", "another"), report=lambda _: None)
    )


def check(report: Report) -> None:
    """Check everything that is printed of a report."""
    assert faults(report.model_dump_json()) == []
    for screen in (tables.status(report), tables.diagnosis(report)):
        out = io.StringIO()
        tables.show(screen, out)
        assert all(line.isprintable() for line in out.getvalue().split("\n"))
    assert prometheus.text(report)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, str]:
    """Return the answer of a host with a few faults in it."""
    told = dict(SNAPSHOT)
    for name in draw(st.lists(st.sampled_from(sorted(SNAPSHOT)), min_size=1, max_size=3)):
        told[name] = draw(broken(told[name]))
    return told


def test_the_sample_is_observed() -> None:
    report = observe(answering(SNAPSHOT))
    assert all(one.reachable and one.disks and one.raft for one in report.front_ends)
    check(report)


@settings(max_examples=examples(150))
@given(answers(), st.sampled_from([STATUS, BODY]).flatmap(broken).map(reply) | st.just(b""))
def test_any_answer_gives_a_report(told: dict[str, str], oned: bytes) -> None:
    check(observe(answering(told, oned)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("changed", "garbage"),
        ("uptime", "nan"),
        ("backups", "1 /var/backups/opennebula/20261399T999999Z-a.sql.zst"),
        ("certificate", "Nov 99"),
        ("errors", "\x1b[2J\nsecond"),
    ],
)
def test_a_damaged_value_of_a_host_gives_a_report(name: str, value: str) -> None:
    check(observe(answering({**SNAPSHOT, name: value})))


def test_a_missing_value_names_the_host() -> None:
    told = {name: value for name, value in SNAPSHOT.items() if name != "disks"}
    report = observe(answering(told))
    assert {one.sign for one in report.findings} >= {"unreadable"}
    assert "'disks' in the answer of the host" in report.model_dump_json()


# Logs


def lines_of(values: Mapping[str, str]) -> dict[str, list[LogLine] | HostError]:
    stack = answering(values)
    return fetch(stack.access, stack.hosts, datetime(2026, 11, 1, tzinfo=UTC), everything=True)


def shown(values: Mapping[str, str]) -> str:
    out = io.StringIO()
    logs.show(
        logs.merge({n: r for n, r in lines_of(values).items() if not isinstance(r, HostError)}),
        tables.console(out),
    )
    return out.getvalue()


@settings(max_examples=examples(100))
@given(broken(LOG), st.just("+0000") | NASTY)
def test_any_log_is_shown_or_refused(log: str, offset: str) -> None:
    assert all(line.isprintable() for line in shown({"log": log, "offset": offset}).split("\n"))


def test_a_line_with_an_impossible_time_belongs_to_the_line_before() -> None:
    log = LOG.replace("Sun Nov  1", "Sun Feb 31")
    assert shown({"log": log, "offset": "+0000"}).count("of an earlier month") == 3


def test_a_log_in_an_unknown_time_zone_is_an_error_of_its_host() -> None:
    found = lines_of({"log": LOG, "offset": "here"})
    assert all(isinstance(error, HostError) and error.host == name for name, error in found.items())


def test_a_log_does_not_control_the_terminal() -> None:
    log = LOG.replace("SQL command", "\x1b]0;title\x07SQL\tcommand")
    text = shown({"log": log, "offset": "+0000"})
    assert "]0;title\ufffdSQL" in text
    assert "\x1b" not in text


# Hosts that hang


def test_a_host_that_hangs_is_named_while_the_others_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed: list[Callable[[], None]] = []

    def timer(_: float, passes: Callable[[], None]) -> Any:
        return SimpleNamespace(start=lambda: passed.append(passes), cancel=lambda: None)

    monkeypatch.setattr("procedures.facts.snapshot.threading.Timer", timer)
    noted = Event()
    stack = answering(SNAPSHOT)

    def connection(host: Host) -> Any:
        real = stack.access.connection(host)

        def run(*_: object, **__: object) -> Output:
            if host.name == "n1a2":
                deadline = time.monotonic() + 20
                while not noted.wait(0.01) and time.monotonic() < deadline:
                    passed[0]()
                raise HostError(
                    host.name, "observe", expected="an end", seen="still running", remedy="look"
                )
            return Output(SNAPSHOT)

        return SimpleNamespace(run=run, open_stream=real.open_stream)

    pool = cast(Any, SimpleNamespace(connection=connection))
    said: list[str] = []

    def note(text: str) -> None:
        said.append(text)
        if text == "waiting for n1a2":
            noted.set()

    report = observe(replace(stack, access=replace(stack.access, pool=pool)), note=note)
    assert noted.is_set(), said
    assert [one.reachable for one in report.front_ends] == [True, False, True]


def asked_scripts(*, hangs: str = "") -> list[str]:
    """Return which checksums doctor asks of which host."""
    asked: list[str] = []
    stack = answering(SNAPSHOT)

    def connection(host: Host) -> Any:
        def run(script: Any, *_: object, **__: object) -> Output:
            if host.name == hangs:
                raise HostError(
                    host.name, "observe", expected="an end", seen="still running", remedy="look"
                )
            asked.append(f"{host.name} {script.variables['checksums']}")
            return Output(SNAPSHOT)

        number = stack.hosts[host.name].address[-1]
        status = STATUS if number == "0" else STATUS.replace("<STATE>3", "<STATE>2")
        return SimpleNamespace(run=run, open_stream=lambda *_: RaftOned(status))

    pool = cast(Any, SimpleNamespace(connection=connection))
    report = observe(replace(stack, access=replace(stack.access, pool=pool)), compare=True)
    assert report.zone.leader == "n1a1"
    return sorted(asked)


def test_the_data_of_a_host_that_hangs_are_not_waited_for() -> None:
    every = [f"{name} {word}" for name in ("n1a1", "n1a2", "n1a3") for word in ("no", "yes")]
    assert asked_scripts() == every
    assert asked_scripts(hangs="n1a2") == [one for one in every if "n1a2" not in one]


# The commands


@contextmanager
def silent_host() -> Iterator[tuple[socket.socket, str]]:
    """Yield a host that accepts connections and says nothing, and the config of its stack."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address, port = server.getsockname()
        values = raw(
            {
                **GOOD,
                **dict.fromkeys(("one_vip", "one_vip_cidr", "one_vip_if"), MISSING),
                "frontends": {
                    "n1a1": {"address": "10.2.50.10", "ssh": {"address": address, "port": port}}
                },
                "ssh": {"accept_new_host_keys": True, "known_hosts_file": "/dev/null"},
            }
        )
        config = {
            key: {"value": value, "secret": key.endswith(("one_pass", "db_password"))}
            for key, value in values.items()
        }
        yield server, json.dumps(config)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["status"], 130),
        (["status", "--json"], 130),
        (["status", "--watch"], 3),
        (["doctor"], 130),
        (["logs"], 130),
    ],
)
def test_an_interrupt_ends_a_command_that_waits_for_a_host(command: list[str], status: int) -> None:
    with silent_host() as (server, config):
        name, *options = command
        process = subprocess.Popen(
            [sys.executable, "-m", f"commands.{name}", *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(config)
        process.stdin.close()
        server.settimeout(60)
        connection, _ = server.accept()
        with connection, process:
            process.send_signal(signal.SIGINT)
            # Less than the time for which the host is waited for.
            assert process.wait(10) == status
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read() + process.stderr.read() == ""


def test_a_reader_that_has_seen_enough_gets_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with silent_host() as (_, config):
        code = (
            "import sys\n"
            "from commands import stack\n"
            "sys.exit(stack.run(lambda _: print('x' * 100000), failed=3))"
        )
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer) as out:
            done = subprocess.run(
                [sys.executable, "-c", code],
                cwd=ROOT,
                input=config,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "0", "-1", "1e9"])
def test_an_invalid_interval_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        status_main([f"--watch={text}"])
    assert "expected seconds from 0.5 to 86400" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "abc", "999999999d", "1y", "\u0663h", "2026-13-01"])
def test_an_invalid_moment_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        logs.main([f"--since={text}"])
    assert "expected 30m, 2h, 1d or a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("everything", "words"), [(True, "no line since"), (False, "--all shows every line")]
)
def test_logs_without_a_line_say_so(
    everything: bool, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = answering({"log": "", "offset": "+0000"})
    options = argparse.Namespace(since=datetime(2026, 11, 1, tzinfo=UTC), all=everything)
    out = io.StringIO()
    with ending_at_once_kept():
        assert logs.run(stack, options, out) == 0
    assert out.getvalue() == ""
    assert words in capsys.readouterr().err


@contextmanager
def ending_at_once_kept() -> Iterator[None]:
    """Restore the handler of interrupts that a command replaces."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


# Eighty columns


def on_terminal(screen: Any, **environment: str) -> str:
    """Return what a terminal of 80 columns shows of a screen."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
            patch.delenv(name, raising=False)
        for name, value in {"COLUMNS": "80", "TERM": "xterm", **environment}.items():
            patch.setenv(name, value)
        tables.show(screen, out)
    return out.getvalue()


def abnormal() -> Report:
    """Make a report of services, certificates, a host that is off, and a list that is stale."""
    stack = target(
        features={**OFF, "gui": True, "flow": True},
        ssl={"web_server": "nginx", "generate_cert": True},
    )
    leader = snapshot(0, {"units": units(opennebula=Unit("enabled", "active", seconds=86400))})
    stale = snapshot(2, answers=Answers(raft(2), POOL[:2]))
    return report_of(situation(leader, unreachable(1), stale, stack=stack), "production")


def test_nothing_is_cut_at_80_columns() -> None:
    for screen in (tables.status(abnormal()), tables.diagnosis(abnormal())):
        text = on_terminal(screen, TERM="dumb")
        assert all(len(line) <= 80 for line in text.splitlines())
        assert "\u2026" not in text
    text = on_terminal(tables.status(abnormal()), TERM="dumb")
    columns = "NAME  ID  ROLE        TERM  INDEX  COMMIT  LAG  SERVERS  VIP  UP"
    assert columns in text
    assert re.search(r"^n1a2  1   unobserved ", text, re.M)
    assert re.search(r"^n1a3  2   follower .* lists n1a1, *$", text, re.M)
    # What is wrong is above what is there.
    assert text.index("unreachable") < text.index("NAME")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(environment: dict[str, str]) -> None:
    assert "\x1b[3" not in on_terminal(tables.status(abnormal()), **environment)
    assert "\x1b[3" in on_terminal(tables.status(abnormal()))


def test_a_sign_on_several_hosts_is_explained_once() -> None:
    report = report_of(situation(*(snapshot(n, proxies=()) for n in range(3)), stack=FLOW), "lab")
    strays = [one for one in report.findings if one.sign == "service_stray"]
    text = on_terminal(tables.diagnosis(report))
    assert len(strays) == 2
    assert text.count("It was started by hand") == 1
