"""The Python language host for a Pulumi CLI that was built from the Go module proxy.

Pulumi's own is a Go module that no proxy serves. This one implements what this project needs: run
programs with the SDK's executor, forward interrupts and exit statuses, and describe the
environment. `tests/engine` compares it with Pulumi's own if that is on PATH.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeServicer

from lab.pulumi import plugin

WHO = "opennebula-ha's stand-in for Pulumi's Python language host"
EXECUTOR = Path(__file__).resolve().parents[2] / ".pulumi" / "bin" / "pulumi-language-python-exec"
"""The SDK's script that runs a program; installed by scripts/setup."""
ALREADY_REPORTED = 32
"""Exit status of a program that has reported its error itself."""


class LanguageHost(LanguageRuntimeServicer):
    """Runs one program at a time."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def Handshake(self, request: Any, _context: object) -> Any:
        """Accept the address of an engine that did not start this process."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: object, _context: object) -> Any:
        """Return the version of the SDK, whose executor runs the programs."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def About(self, _request: object, _context: object) -> Any:
        """Return the Python and its version."""
        return language_pb2.AboutResponse(
            executable=sys.executable,
            version=sys.version.split()[0],
            metadata={"toolchain": "pip", "language host": WHO},
        )

    def GetRequiredPackages(self, _request: object, _context: object) -> Any:
        """Return no plugin: the CLI looks for one when a resource needs it.

        For the plugins of all installed SDKs it would look at each run, and try to download those
        that it does not find. Where this host is used, that takes seconds and fails.
        """
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, _request: object, _context: object) -> Any:
        """Return all installed packages."""
        found = sorted((package.name, package.version) for package in metadata.distributions())
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version) for name, version in found
            ]
        )

    def RuntimeOptionsPrompts(self, _request: object, _context: object) -> Any:
        """Return no options."""
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, _request: object, _context: object) -> Iterator[Any]:
        """Install nothing: the environment is `make setup`'s."""
        text = "The Python environment is made by make setup, from requirements-dev.lock.\n"
        yield language_pb2.InstallDependenciesResponse(stdout=text.encode())

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run the program and wait for its end."""
        options = dict(request.info.options.items())
        environment = _environment(Path(request.info.root_directory), options.get("virtualenv"))
        python = _python(environment, context)
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        argv = [python, "-u", str(EXECUTOR), *self._arguments(request)]
        with self._lock:
            program = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL)
            self._running.add(program)
        # The engine may cancel the call: then nothing needs the program any more.
        context.add_callback(lambda: _interrupt(program))
        try:
            status = program.wait()
        finally:
            with self._lock:
                self._running.discard(program)
        if status == ALREADY_REPORTED:
            return language_pb2.RunResponse(bail=True)
        if status < 0:
            error = f"program exited unexpectedly: signal: {signal.Signals(-status).name}"
            return language_pb2.RunResponse(error=error)
        error = f"program exited with non-zero exit code: {status}" if status else ""
        return language_pb2.RunResponse(error=error)

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Run a policy pack or a component package in its own environment; forward its output.

        It prints its port first.
        """
        options = dict(request.info.options.items())
        root = Path(request.info.root_directory)
        environment = _environment(root, options.get("virtualenv"))
        environment |= dict(item.split("=", 1) for item in request.env)
        folder = request.info.program_directory
        pack = ["-m", "pulumi.policy", *request.args, folder]
        words = pack if request.kind == "analyzer" else [folder, *request.args]
        argv = [_python(environment, context), "-u", *words]
        with self._lock:
            program = subprocess.Popen(
                argv, env=environment, cwd=request.pwd, stdout=subprocess.PIPE
            )
            self._running.add(program)
        context.add_callback(lambda: _interrupt(program))
        assert program.stdout is not None  # noqa: S101 - it was asked for
        for line in program.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        status = program.wait()
        with self._lock:
            self._running.discard(program)
        yield language_pb2.RunPluginResponse(exitcode=max(status, 0))

    def Cancel(self, _request: object, _context: object) -> Any:
        """Interrupt the program; kill it if it does not end."""
        with self._lock:
            running = list(self._running)
        for program in running:
            _interrupt(program)
        return empty_pb2.Empty()

    def kill(self) -> None:
        """Kill the program."""
        with self._lock:
            for program in self._running:
                program.kill()

    def _arguments(self, request: Any) -> Iterator[str]:
        """Return the executor's arguments."""
        given = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        for name, value in given.items():
            if value:
                yield from (f"--{name}", value)
        yield request.info.entry_point or "."
        yield from request.args


def _interrupt(program: "subprocess.Popen[bytes]") -> None:
    """Interrupt a program; kill it if it does not end in time."""
    if program.poll() is None:
        program.send_signal(signal.SIGINT)
        late = threading.Timer(plugin.GRACE_SECONDS, program.kill)
        late.daemon = True
        late.start()


def _environment(root: Path, virtualenv: str | None) -> dict[str, str]:
    """Return the variables of an active virtual environment."""
    environment = dict(os.environ)
    if virtualenv:
        folder = root / virtualenv
        environment["VIRTUAL_ENV"] = str(folder)
        environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
        environment.pop("PYTHONHOME", None)
    return environment


def _python(environment: Mapping[str, str], context: grpc.ServicerContext) -> str:
    """Return the Python of that environment; end the call if it has no Python."""
    folder = environment.get("VIRTUAL_ENV")
    if not folder:
        return "python3"
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        plugin.abort(context, f"expected a Python environment, saw no {python}: run make setup")
    return str(python)


def main(arguments: list[str]) -> None:
    """Serve the engine whose address is the last argument."""
    if arguments == ["--version"]:
        print(metadata.version("pulumi"))
        return
    host = LanguageHost(arguments[-1] if arguments else "")
    plugin.serve(
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server),
        host.kill,
    )


plugin.refuse_the_rest(LanguageHost, LanguageRuntimeServicer, WHO)

if __name__ == "__main__":
    main(sys.argv[1:])
