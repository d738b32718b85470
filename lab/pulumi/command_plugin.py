"""A stand-in for the plugin of pulumi-command, for the lab alone.

Only Pulumi's server distributes the original. This one implements `remote.Command` with OpenSSH,
as far as the program's `commands` need it: create, update, delete, triggers, stdin, environment,
and the output. It requires host keys and private keys; it rejects all other inputs by name.
"""

import os
import secrets
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from lab.pulumi import plugin

WHO = "opennebula-ha's stand-in for pulumi-command"
VERSION = "1.2.1"
"""Version of the original."""
TYPE = "command:remote:Command"
KNOWN = {"connection", "create", "update", "delete", "triggers", "stdin", "environment"}
KNOWN_OF_CONNECTION = {"host", "port", "user", "hostKey", "privateKey", "agentSocketPath", "proxy"}
DEFAULTS = {"addPreviousOutputInEnv": True, "dialErrorLimit": 10, "perDialTimeout": 15}
"""Inputs that are accepted with their default value."""
DIAL_SECONDS = 15

Properties = dict[str, Any]


class CommandPlugin(ResourceProviderServicer):
    """The provider of one type of resource."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def Handshake(self, _request: object, _context: object) -> Any:
        """Return an empty response."""
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, _request: object, _context: object) -> Any:
        """Return the version of the original."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, _context: object) -> Any:
        """Accept any config: there is nothing to configure."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, _request: object, _context: object) -> Any:
        """Report no difference."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, _request: object, _context: object) -> Any:
        """Leave secrets to the engine."""
        return provider_pb2.ConfigureResponse()

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Reject what it does not support."""
        token = request.type or request.urn.split("::")[2].rpartition("$")[2]
        if token != TYPE:
            plugin.abort(context, f"{WHO} does {TYPE}, not {token}")
        inputs = _properties(request.news)
        connection = inputs.get("connection") or {}
        proxy = connection.get("proxy") or {}
        unknown = [
            *_others(inputs, KNOWN),
            *(f"connection.{key}" for key in _others(connection, KNOWN_OF_CONNECTION)),
            *(f"connection.proxy.{key}" for key in _others(proxy, KNOWN_OF_CONNECTION)),
        ]
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=[
                provider_pb2.CheckFailure(property=key, reason=f"{WHO} does not know it")
                for key in unknown
            ],
        )

    def Diff(self, request: Any, _context: object) -> Any:
        """Replace the resource if a trigger has changed, otherwise update it."""
        olds, news = _properties(request.old_inputs), _properties(request.news)
        changed = [key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key)]
        kinds = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=sorted(changed),
            replaces=["triggers"] if "triggers" in changed else [],
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run `create`."""
        inputs = _properties(request.properties)
        outputs = self._outputs(inputs, inputs.get("create"), {}, context)
        return provider_pb2.CreateResponse(
            id=f"command{secrets.token_hex(4)}", properties=_struct(outputs)
        )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run `update`; without it, `create`."""
        olds, inputs = _properties(request.olds), _properties(request.news)
        command = inputs.get("update") or inputs.get("create")
        outputs = self._outputs(inputs, command, olds, context)
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run `delete`, if there is one."""
        olds = _properties(request.properties)
        self._outputs(olds, olds.get("delete"), olds, context)
        return empty_pb2.Empty()

    def Read(self, request: Any, _context: object) -> Any:
        """Return the known state: there is nothing to observe."""
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Cancel(self, _request: object, _context: object) -> Any:
        """Kill the running commands."""
        self.kill()
        return empty_pb2.Empty()

    def kill(self) -> None:
        """Kill the running commands."""
        with self._lock:
            for process in self._running:
                process.kill()

    def _outputs(
        self,
        inputs: Properties,
        command: str | None,
        olds: Properties,
        context: grpc.ServicerContext,
    ) -> Properties:
        """Run a command; return the resource's outputs."""
        printed = {"stdout": "", "stderr": ""}
        if command:
            environment = {
                **{key: str(value) for key, value in (inputs.get("environment") or {}).items()},
                "PULUMI_COMMAND_STDOUT": str(olds.get("stdout", "")),
                "PULUMI_COMMAND_STDERR": str(olds.get("stderr", "")),
            }
            with _ssh(inputs["connection"]) as (argv, ways):
                status, out, err = self._run(
                    [argv[0], *(f"-oSendEnv={name}" for name in environment), *argv[1:]],
                    {**os.environ, **ways, **environment},
                    command,
                    inputs.get("stdin") or "",
                )
            printed = {"stdout": out.rstrip("\n"), "stderr": err.rstrip("\n")}
            if status:
                said = "\n".join(text for text in printed.values() if text)
                plugin.abort(
                    context,
                    f"Process exited with status {status}: running {command!r}:\n{said}",
                    grpc.StatusCode.UNKNOWN,
                )
        return {**inputs, **printed}

    def _run(
        self, argv: list[str], environment: Mapping[str, str], command: str, stdin: str
    ) -> tuple[int, str, str]:
        """Run a command in the login shell of the other host; no process list shows it."""
        read = f'eval "$(head -c {len(command.encode())})"'
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [*argv, read],
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            encoding="utf-8",
        ) as process:
            with self._lock:
                self._running.add(process)
            try:
                out, err = process.communicate(command + stdin)
            finally:
                with self._lock:
                    self._running.discard(process)
        return process.returncode, out, err


@contextmanager
def _ssh(connection: Properties) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Return the arguments of ssh and its environment; the keys are in files for that time."""
    with tempfile.TemporaryDirectory(prefix="command-") as folder:
        argv = _words(connection, Path(folder), "host")
        if proxy := connection.get("proxy"):
            *way, last = _words(proxy, Path(folder), "proxy")
            argv[1:1] = [f"-oProxyCommand={shlex.join([*way, '-W', '[%h]:%p', last])}"]
        agent = connection.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")
        yield argv, {"SSH_AUTH_SOCK": agent} if agent else {}


def _words(to: Properties, folder: Path, name: str) -> list[str]:
    known = folder / f"{name}.known"
    host, port = to["host"], int(to.get("port") or 22)
    name_there = host if port == 22 else f"[{host}]:{port}"
    known.write_text(f"{name_there} {to['hostKey']}\n" if to.get("hostKey") else "")
    argv = ["ssh", "-F", "none", "-p", str(port), "-l", to.get("user") or "root"]
    argv += ["-oBatchMode=yes", "-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={known}"]
    argv += [f"-oConnectTimeout={DIAL_SECONDS}", "-oLogLevel=ERROR"]
    if to.get("privateKey"):
        key = folder / f"{name}.key"
        key.touch(mode=0o600)
        key.write_text(to["privateKey"])
        argv += ["-oIdentitiesOnly=yes", "-i", str(key)]
    return [*argv, host]


def _others(given: Mapping[str, Any], known: set[str]) -> list[str]:
    """Return the names of inputs that are neither supported nor default values."""
    return sorted(
        key for key, value in given.items() if key not in known and value != DEFAULTS.get(key)
    )


def _properties(given: struct_pb2.Struct) -> Properties:
    found: Properties = json_format.MessageToDict(given)
    return {key: value for key, value in found.items() if value is not None}


def _struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(properties)
    return struct


def main() -> None:
    """Serve the engine that started this process."""
    provider = CommandPlugin()
    plugin.serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
        provider.kill,
    )


plugin.refuse_the_rest(CommandPlugin, ResourceProviderServicer, WHO)

if __name__ == "__main__":
    main()
