"""Hosts that attack: what they say is shown harmlessly, and nothing of it has any other effect."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any, cast

import paramiko
import pytest

from commands import logs, stack
from commands.status.report import Disk, VirtualIp
from commands.status.tables import console
from hosts.connection import Connection
from hosts.errors import LONGEST, HostError
from hosts.models import Host, SshSettings
from hosts.script import Script
from opennebula import conf, markup, shell_file, yaml_file
from opennebula.conf_grammar import ConfError
from opennebula.oned_log import LogLine
from procedures import backup
from procedures.facts.facts import pool_of
from providers import progress
from providers.base import _printable

ESCAPES = [
    "\x1b[2J\x1b[Hall is well",
    "\x1b]0;title\x07",
    "\x1b]52;c;Y3VybCBl\x07",
    "\x9b2J",
    "real\rfake",
    "\b\b\b",
    "\u202egnp.exe",
    "\x00",
    "\x7f",
]
HUGE = "x" * (8 << 20)


def is_harmless(text: str) -> bool:
    return all(one.isprintable() or one in "\n\t" for one in text)


# What is shown


@pytest.mark.parametrize("text", ESCAPES)
def test_no_part_of_a_message_moves_the_cursor(text: str) -> None:
    error = HostError("n1", text, expected=text, seen=text, remedy=text)
    assert is_harmless(str(error))


def test_a_message_is_short_whatever_a_host_says() -> None:
    error = HostError("n1", HUGE, expected=HUGE, seen=f"{HUGE}\n{HUGE}", remedy=HUGE)
    assert len(str(error)) < 5 * LONGEST


@pytest.mark.parametrize("text", ESCAPES)
def test_no_progress_or_drift_moves_the_cursor(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    stub = SimpleNamespace(Log=lambda request, timeout: sent.append(request))
    monkeypatch.setattr("providers.progress.engine_pb2_grpc.EngineStub", lambda _: stub)
    monkeypatch.setattr("sys.argv", ["x", "127.0.0.1:9"])
    progress.reporter("urn:1")(f"n1: {text}")
    progress.warn("urn:1", f"drift: {text}")
    progress.note("urn:1", text)
    assert len(sent) == 3
    assert all(is_harmless(request.message) for request in sent)


@pytest.mark.parametrize("text", ESCAPES)
def test_no_output_of_the_stack_moves_the_cursor(text: str) -> None:
    seen = _printable({"drift": [text], "servers": {"n1": {"name": text, "id": 1}}, "ok": None})
    assert is_harmless("".join([*seen["drift"], seen["servers"]["n1"]["name"]]))
    assert (seen["servers"]["n1"]["id"], seen["ok"]) == (1, None)


@pytest.mark.parametrize("text", ESCAPES)
def test_no_command_prints_a_control_character(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.say(f"n1 keeps {text}")
    assert is_harmless(capsys.readouterr().out)
    out = StringIO()
    logs.show([("n1", LogLine(datetime.now(UTC), "RCM", "E", f"{text}\n{text}"))], console(out))
    assert is_harmless(out.getvalue())
    vip = VirtualIp(address=text, holders=[text])
    disk = Disk(mount=text, bytes=1, free=1)
    assert is_harmless("".join([vip.address, *vip.holders, disk.mount]))


# What is not shown


def test_a_secret_that_a_host_knows_is_in_no_step_and_no_message() -> None:
    settings = SshSettings(user="ops", sudo_password="canary sudo")
    connection = Connection(Host(name="n1", address="192.0.2.1"), settings)
    connection.__dict__["user"] = "ops"
    script = Script("look", "", secrets={"word": "canary one"}, hidden=("canary two",))
    text = "canary sudo, canary one, canary two"
    said = f"#{text}\n=expected {text}\n=seen {text}\n=remedy {text}\n"
    shown: list[str] = []

    def run(_text: str, report: Callable[[str], None], _timeout: float) -> Any:
        report(text)
        return SimpleNamespace(status=65, stdout=said, stderr=text, started=True)

    @contextmanager
    def shell(*_: object, **__: object) -> Iterator[Any]:
        yield SimpleNamespace(run=run)

    connection._shell = shell  # type: ignore[method-assign]
    connection.full_disks = lambda: ""  # type: ignore[method-assign]
    with pytest.raises(HostError) as caught:
        connection.run(script, shown.append)
    assert shown == ["********, ********, ********"]
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value.args)


# Bombs

LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
XML = [
    f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]><ZONE><NAME>&a11;</NAME></ZONE>',
    '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><ZONE><NAME>&a;</NAME></ZONE>',
    '<?xml version="1.0"?>\n<!-- <a> --><!DOCTYPE a SYSTEM "http://192.0.2.1/x"><ZONE/>',
]


@pytest.mark.parametrize("text", XML)
def test_xml_with_entities_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="document type"):
        pool_of(text)
    for data in (text, text.encode(), text.encode("utf-16")):
        with pytest.raises(ValueError, match="document type"):
            markup.refuse_doctype(data)


@pytest.mark.parametrize("text", ["<A><![CDATA[<!DOCTYPE a>]]></A>", "no XML", "", "<", "7.2.0"])
def test_other_texts_have_no_document_type(text: str) -> None:
    markup.refuse_doctype(text)


ALIASES = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {b: 1, c: 2}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize("text", [ALIASES, MERGES, "a: &a [*a]\n", f"a: {HUGE}"])
def test_yaml_that_grows_takes_no_memory(text: str) -> None:
    tracemalloc.start()
    with pytest.raises(ConfError):
        yaml_file.apply(text, {(":host",): "0.0.0.0"})
    with pytest.raises(ConfError):
        yaml_file.differences(text, "a: 1\n")
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("text", ["a: " + "[" * 20000, "? " * 20000])
def test_deep_yaml_is_refused_at_once(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConfError):
        yaml_file.apply(text, {(":host",): "0.0.0.0"})
    assert time.monotonic() - began < 20


def test_yaml_with_an_ordinary_alias_is_read() -> None:
    text = "base: &base {a: 1}\none: *base\ntwo:\n  <<: *base\n"
    assert yaml_file.differences(text, text.replace("a: 1", "a: 2"))


@pytest.mark.parametrize("piece", ["A", "A = [", '"', "\\", "#", "[ ", "A=", "= ", ",", "\t", "'"])
def test_a_huge_line_takes_no_quadratic_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.monotonic()
    shell_file.with_value(text, "A", "1")
    with suppress(ConfError):
        conf.read(text, "DB")
    assert time.monotonic() - began < 5


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/var/backups/opennebula/..",
        "../../.bashrc",
        "/x/.ssh/authorized_keys",
        "/x/on-demand.sql.zst/../id_rsa",
        "/x/a b-on-demand.sql.zst",
        "/x/-on-demand.sql.zst\n",
        "",
    ],
)
def test_a_host_does_not_choose_a_file_of_this_machine(path: str, tmp_path: Path) -> None:
    def connection(_host: Host) -> Any:
        raise AssertionError("nothing is copied")

    access = SimpleNamespace(connection=connection, report=print)
    with pytest.raises(HostError, match="copy the dump"):
        backup.fetch(cast(Any, access), Host(name="n1", address="192.0.2.1"), path, tmp_path)
    assert not [file for file in tmp_path.rglob("*") if PurePath(file).is_relative_to(tmp_path)]


# Keys


class Door(paramiko.ServerInterface):
    """Lets anybody in."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"


@contextmanager
def served(*keys: paramiko.PKey) -> Iterator[tuple[int, list[paramiko.Transport]]]:
    """Serve SSH at a port, with one of these host keys after another."""
    opened: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for key in keys:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                transport = paramiko.Transport(connection)
                transport.add_server_key(key)
                opened.append(transport)
                transport.start_server(event=threading.Event(), server=Door())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], opened
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for transport in opened:
        transport.close()


@pytest.mark.parametrize("keeps", [True, False])
def test_another_key_in_the_middle_of_a_run_is_refused(tmp_path: Path, keeps: bool) -> None:
    one, other = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    login = tmp_path / "id_ecdsa"
    paramiko.ECDSAKey.generate().write_private_key_file(str(login))
    # As with ssh's own UserKnownHostsFile=/dev/null: it keeps nothing.
    file = tmp_path / "known_hosts" if keeps else Path("/dev/null")
    with served(one, one, other) as (port, opened):
        host = Host.model_validate({"name": "n1", "address": "127.0.0.1", "ssh": {"port": port}})
        settings = SshSettings(
            user="ops",
            private_key_file=login,
            known_hosts_file=file,
            config_file=Path("/dev/null"),
            accept_new_host_keys=True,
        )
        connection = Connection(host, settings)
        for _ in range(2):
            connection.connect()
            assert connection.host_key == f"{one.get_name()} {one.get_base64()}"
            opened[-1].close()
            connection.close()
        with pytest.raises(HostError) as caught:
            connection.connect()
        assert caught.value.step == "verify the host key"
        assert "do not continue" in caught.value.remedy
        assert not opened[-1].is_authenticated()
