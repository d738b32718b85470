"""The stand-ins for plugins: what they refuse, and when they end."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, provider_pb2

from lab.pulumi import cli
from lab.pulumi.command_plugin import CommandPlugin
from tests.engine.playground import Stack

HOST = cli.BUILT / "pulumi-language-python"
IS_OURS = HOST.exists() and b"opennebula-ha's stand-in" in HOST.read_bytes()
ours = pytest.mark.skipif(not IS_OURS, reason="the CLI on PATH has Pulumi's own language host")
STARTER = """
import subprocess, sys, time
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(process.pid, process.stdout.readline().strip(), flush=True)
time.sleep(60)
"""


@contextmanager
def language_host() -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """Start a language host as the CLI does, and make a stub for it."""
    with subprocess.Popen([HOST, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
                yield process, language_pb2_grpc.LanguageRuntimeStub(channel)
        finally:
            process.kill()


@ours
def test_the_language_host_names_the_calls_that_it_refuses() -> None:
    with language_host() as (_, stub):
        with pytest.raises(grpc.RpcError) as refused:
            stub.Pack(language_pb2.PackRequest())
        error = cast(grpc.Call, refused.value)
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED
        assert "does not do Pack" in str(error.details())
        with pytest.raises(grpc.RpcError, match="does not do Link"):
            stub.Link(language_pb2.LinkRequest())
        assert re.match(r"3\.\d+", stub.GetPluginInfo(empty_pb2.Empty()).version)


@ours
@pytest.mark.parametrize("kind", ["analyzer", "resource"])
def test_the_language_host_runs_a_plugin_and_its_output(tmp_path: Path, kind: str) -> None:
    """A policy pack, whose folder is its last argument, and a component package."""
    text = "import os, sys; print(7, os.environ['GIVEN'], sys.argv[1])\n"
    (tmp_path / "__main__.py").write_text(text)
    options = struct_pb2.Struct()
    options.update({"virtualenv": sys.prefix})
    with language_host() as (_, stub):
        answers = list(
            stub.RunPlugin(
                language_pb2.RunPluginRequest(
                    kind=kind,
                    pwd=str(tmp_path),
                    args=["127.0.0.1:1"],
                    env=["GIVEN=8"],
                    info=language_pb2.ProgramInfo(
                        root_directory=str(tmp_path),
                        program_directory=str(tmp_path),
                        options=options,
                    ),
                )
            )
        )
    assert b"".join(one.stdout for one in answers) == b"7 8 127.0.0.1:1\n"
    assert answers[-1].exitcode == 0


@ours
def test_the_language_host_reports_a_missing_environment(tmp_path: Path) -> None:
    options = struct_pb2.Struct()
    options.update({"virtualenv": "nowhere"})
    info = language_pb2.ProgramInfo(root_directory=str(tmp_path), options=options)
    with language_host() as (_, stub), pytest.raises(grpc.RpcError, match="run make setup"):
        stub.Run(language_pb2.RunRequest(info=info))


@ours
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_language_host_ends_on_request(number: int) -> None:
    with language_host() as (process, _):
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


@ours
def test_the_language_host_ends_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, HOST, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid, _ = starter.stdout.readline().split()
        host = os.pidfd_open(int(pid))
        starter.kill()
        ended, _, _ = select.select([host], [], [], 10)
        os.close(host)
        assert ended, "waited 10 s for the end of the language host"


def test_the_cli_gets_answers_about_the_environment(stack: Stack) -> None:
    stack.program("")
    assert "python" in stack.ask("about")


# Pulumi's own would install other packages in the environment that all tests share.
@ours
def test_install_finds_a_complete_environment(stack: Stack) -> None:
    stack.program("")
    # The plugins themselves come from Pulumi's own server.
    assert stack.ask("install", "--no-plugins")


def check(**inputs: Any) -> dict[str, str]:
    news = struct_pb2.Struct()
    news.update(inputs)
    urn = "urn:pulumi:dev::trial::test:Group$command:remote:Command::a"
    request = provider_pb2.CheckRequest(urn=urn, news=news)
    answer = CommandPlugin().Check(request, cast(grpc.ServicerContext, None))
    return {failure.property: failure.reason for failure in answer.failures}


def test_the_command_plugin_names_the_inputs_that_it_refuses() -> None:
    connection = {"host": "a", "port": 22.0, "dialErrorLimit": 10.0}
    assert check(connection=connection, create="true", addPreviousOutputInEnv=True) == {}
    refused = check(connection={**connection, "password": "x"}, create="true", logging="none")
    assert set(refused) == {"logging", "connection.password"}


@pytest.mark.parametrize(
    ("key", "changes", "replaces"), [("create", 2, []), ("triggers", 2, ["triggers"]), ("", 1, [])]
)
def test_the_command_plugin_replaces_only_for_a_trigger(
    key: str, changes: int, replaces: list[str]
) -> None:
    olds, news = struct_pb2.Struct(), struct_pb2.Struct()
    olds.update({"create": "true", "triggers": ["one"]})
    news.CopyFrom(olds)
    if key:
        news.update({key: ["two"]})
    answer = CommandPlugin().Diff(provider_pb2.DiffRequest(old_inputs=olds, news=news), None)
    assert (answer.changes, list(answer.replaces)) == (changes, replaces)
