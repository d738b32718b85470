"""The SDK's own provider host, started and called as the CLI does."""

import os
import secrets as random_source
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import grpc  # type: ignore[import-untyped,unused-ignore]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.engine.config import Project
from lab.engine.errors import EngineError
from lab.engine.state import Resource
from lab.engine.values import (
    Properties,
    annotate,
    contains_unknown,
    from_struct,
    plain,
    to_struct,
)

GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.max_send_message_length", 400 * 1024 * 1024),
]


class ProviderError(Exception):
    """What the provider host answered in place of a result."""


@dataclass(frozen=True)
class Diff:
    """The provider's word on what a change would do."""

    changes: bool
    replaces: tuple[str, ...] = ()
    delete_before_replace: bool = False


def interpreter(project: Project) -> str:
    """Return the Python that runs the project's programs and providers."""
    if project.virtualenv is None:
        return "python3"
    python = project.root / project.virtualenv / "bin" / "python"
    if not python.exists():
        raise EngineError(
            f"Pulumi.yaml: runtime.options.virtualenv: {python} does not exist; "
            "make the virtual environment there"
        )
    return str(python)


def spawn(command: list[str], cwd: Path, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a child that dies with this process and hears no Ctrl-C meant for it.

    Call it from a thread that lives as long as the child may: the kernel takes the end of
    that thread for the end of the parent.
    """
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    """Return what a spawned child prints and what it complains of."""
    if process.stdout is None or process.stderr is None:
        raise EngineError("a child was started without pipes")
    return process.stdout, process.stderr


class ProviderHost:
    """One provider process; configured once, then called from many threads."""

    def __init__(
        self, project: Project, engine_address: str, on_output: Callable[[str, bool], None]
    ) -> None:
        environment = {"PULUMI_PROJECT": project.name}
        if project.virtualenv is not None:
            environment["PULUMI_RUNTIME_VIRTUALENV"] = project.virtualenv
        self._process = spawn(
            [interpreter(project), "-u", "-m", "pulumi.dynamic", engine_address],
            project.main,
            environment,
        )
        self._on_output = on_output
        self._stub: provider_pb2_grpc.ResourceProviderStub | None = None
        self._channel: grpc.Channel | None = None
        self._readers: list[threading.Thread] = []

    def configure(self, config: Mapping[str, object]) -> None:
        """Wait until the host listens and give it the stack's config."""
        printed, complained = pipes(self._process)
        self._read(complained, True)
        port = printed.readline().strip()
        if not port.isdigit():
            raise EngineError(f"the provider host printed {port!r} where its port was expected")
        self._read(printed, False)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=GRPC_OPTIONS)
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._call(
            "Configure",
            provider_pb2.ConfigureRequest(
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                args=to_struct(config, keep_secrets=True),
            ),
        )

    def _read(self, stream: IO[str], is_error: bool) -> None:
        def run() -> None:
            for line in stream:
                self._on_output(line.rstrip("\n"), is_error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._readers.append(thread)

    def kill(self) -> None:
        """End the process without waiting for it."""
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        if self._channel is not None:
            self._channel.close()
        self._process.kill()
        self._process.wait()
        for thread in self._readers:
            thread.join(5)

    def _call(self, method: str, request: object) -> Any:
        if self._stub is None:
            raise EngineError("the provider host was called before it was configured")
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            raise ProviderError(str(error.details()).strip()) from None

    def check(
        self, urn: str, olds: Properties, news: Properties
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the checked inputs, and what is wrong with which property."""
        answer: provider_pb2.CheckResponse = self._call(
            "Check",
            provider_pb2.CheckRequest(
                urn=urn,
                olds=to_struct(olds, keep_secrets=False),
                news=to_struct(news, keep_secrets=False),
                randomSeed=random_source.token_bytes(32),
            ),
        )
        inputs = from_struct(answer.inputs)
        annotate(inputs, news)
        return inputs, [(failure.property, failure.reason) for failure in answer.failures]

    def diff(
        self, old: Resource, new_inputs: Properties, *, ignore_changes: list[str] | None = None
    ) -> Diff:
        """Ask what the new inputs would change."""
        answer: provider_pb2.DiffResponse = self._call(
            "Diff",
            provider_pb2.DiffRequest(
                id=old.id,
                urn=old.urn,
                old_inputs=to_struct(old.inputs, keep_secrets=False),
                olds=to_struct(old.outputs, keep_secrets=False),
                news=to_struct(new_inputs, keep_secrets=False),
                ignoreChanges=ignore_changes or [],
            ),
        )
        changes = answer.changes == provider_pb2.DiffResponse.DIFF_SOME
        if answer.changes == provider_pb2.DiffResponse.DIFF_UNKNOWN:
            changes = plain(old.inputs) != plain(new_inputs)
        return Diff(changes, tuple(answer.replaces), answer.deleteBeforeReplace)

    def create(self, urn: str, inputs: Properties) -> tuple[str, Properties]:
        """Create the resource; return its id and outputs."""
        _only_known(urn, inputs)
        answer: provider_pb2.CreateResponse = self._call(
            "Create",
            provider_pb2.CreateRequest(
                urn=urn, properties=to_struct(inputs, keep_secrets=False), preview=False
            ),
        )
        if not answer.id:
            raise ProviderError(f"plugin returned empty resource.ID from create '{urn}'")
        outputs = from_struct(answer.properties)
        annotate(outputs, inputs)
        return answer.id, outputs

    def update(self, old: Resource, inputs: Properties) -> Properties:
        """Update the resource; return its outputs."""
        _only_known(old.urn, inputs)
        answer: provider_pb2.UpdateResponse = self._call(
            "Update",
            provider_pb2.UpdateRequest(
                id=old.id,
                urn=old.urn,
                olds=to_struct(old.outputs, keep_secrets=False),
                news=to_struct(inputs, keep_secrets=False),
                old_inputs=to_struct(old.inputs, keep_secrets=False),
            ),
        )
        outputs = from_struct(answer.properties)
        annotate(outputs, inputs)
        return outputs

    def read(self, old: Resource) -> tuple[str, Properties | None, Properties]:
        """Read the resource; return its id, its inputs if the provider gave any, its outputs."""
        answer: provider_pb2.ReadResponse = self._call(
            "Read",
            provider_pb2.ReadRequest(
                id=old.id,
                urn=old.urn,
                properties=to_struct(old.outputs, keep_secrets=False),
                inputs=to_struct(old.inputs, keep_secrets=False),
            ),
        )
        outputs = from_struct(answer.properties)
        annotate(outputs, old.outputs)
        inputs: Properties | None = None
        if answer.HasField("inputs"):
            inputs = from_struct(answer.inputs)
            annotate(inputs, old.inputs)
        return answer.id, inputs, outputs

    def delete(self, old: Resource) -> None:
        """Delete the resource."""
        self._call(
            "Delete",
            provider_pb2.DeleteRequest(
                id=old.id,
                urn=old.urn,
                properties=to_struct(old.outputs, keep_secrets=False),
                old_inputs=to_struct(old.inputs, keep_secrets=False),
            ),
        )


def _only_known(urn: str, inputs: Properties) -> None:
    if contains_unknown(inputs):
        raise ProviderError(f"inputs of {urn} are still unknown outside of a preview")
