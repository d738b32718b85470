"""Preview, up, refresh and destroy of one stack: the stand-in as a Python object."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TextIO

from lab.engine.config import ConfigValue, Project, StackConfig, effective, parse_path
from lab.engine.display import Diagnostic, Display, count
from lab.engine.errors import EngineError
from lab.engine.monitor import MonitorService, Server
from lab.engine.provider import ProviderError, ProviderHost, interpreter, pipes, spawn
from lab.engine.secrets import Crypter, crypter_for, passphrase_from_environment
from lab.engine.state import STACK_TYPE, Resource, Store
from lab.engine.steps import Deployment, Events, Operation, ProviderCall
from lab.engine.values import Properties, Secret, masked, plain

PROGRAM = Path(__file__).with_name("program.py")
# How long a program may take to end once it was told to.
GRACE_SECONDS = 5.0
# What the program says when it has shown the reason itself.
ALREADY_EXPLAINED = 32


@dataclass(frozen=True)
class Result:
    """What a run did."""

    exit_status: int
    operations: tuple[Operation, ...] = ()
    provider_calls: tuple[ProviderCall, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    outputs: Properties = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether the run succeeded."""
        return self.exit_status == 0

    @property
    def summary(self) -> dict[str, int]:
        """Return how many resources were created, updated, replaced, deleted, left."""
        return count(self.operations)

    @property
    def changes(self) -> bool:
        """Tell whether anything but "same" happened."""
        return bool(set(self.summary) - {"same"})


class Engine:
    """One stack of one project."""

    def __init__(
        self,
        project_dir: Path,
        stack: str,
        *,
        config_file: Path | None = None,
        backend: str | None = None,
        passphrase: str | None = None,
        parallel: int | None = None,
        stream: TextIO | None = None,
        show_changes: bool = False,
    ) -> None:
        self.project = Project.load(project_dir.resolve())
        self.stack = stack
        self.config_path = config_file or self.project.stack_file(stack)
        self.parallel = parallel or 4 * (os.cpu_count() or 1)
        self._passphrase = passphrase if passphrase is not None else passphrase_from_environment()
        self._backend = backend or os.environ.get("PULUMI_BACKEND_URL", "")
        self._stream = stream
        self._show_changes = show_changes

    # ---- what a user calls ----

    def preview(self, *, refresh: bool = False, replace: tuple[str, ...] = ()) -> Result:
        """Show what `up` would do."""
        return self._run_program(dry_run=True, refresh=refresh, replace=replace)

    def up(self, *, refresh: bool = False, replace: tuple[str, ...] = ()) -> Result:
        """Bring the stack to what the program says."""
        with self.store.lock():
            return self._run_program(dry_run=False, refresh=refresh, replace=replace)

    def refresh(self, *, clear_pending_creates: bool = False) -> Result:
        """Bring the state to what the providers find."""
        with self.store.lock(), self._session(dry_run=False) as session:
            if clear_pending_creates:
                session.deployment.base.pending.clear()
            session.refresh()
            return session.result()

    def destroy(self) -> Result:
        """Delete everything that the state knows."""
        with self.store.lock(), self._session(dry_run=False) as session:
            if session.host_from_state():
                session.deployment.delete_leftovers()
            return session.result()

    def outputs(self) -> Properties:
        """Return the outputs of the last `up`; secrets stay marked."""
        resources = self.store.load(self._crypter()).resources
        stack = next((r for r in resources if r.type == STACK_TYPE), None)
        return stack.outputs if stack is not None else {}

    def export(self) -> dict[str, Any]:
        """Return the state as `pulumi stack export` prints it."""
        return self.store.export()

    def resources(self) -> list[Resource]:
        """Return the state's resources, decrypted."""
        return self.store.load(self._crypter()).resources

    def set_config(self, key: str, text: str, *, secret: bool = False, path: bool = False) -> None:
        """Store a config value in the stack's file."""
        steps: list[str | int] = parse_path(key) if path else [key]
        name = self._full_name(str(steps[0]))
        config = StackConfig(self.config_path)
        raw: Any = text
        if secret:
            crypter = crypter_for(self._passphrase, config.encryption_salt)
            raw = {"secure": crypter.encrypt(text)}
            if config.encryption_salt is None:
                config.set_encryption_salt(crypter.state)
        elif path:
            raw = _typed(text)
        config.set(name, raw, steps=steps[1:])

    def remove_config(self, key: str) -> None:
        """Take a key out of the stack's file; one that is not there is no fault."""
        StackConfig(self.config_path).remove(self._full_name(key))

    def config_to_json(self) -> dict[str, dict[str, Any]]:
        """Return the whole config, decrypted, as `pulumi config --json` prints it."""
        found = {}
        for key, value in sorted(self._values().items()):
            found[key] = {"value": value.text, "secret": value.secret}
            if value.structured:
                found[key]["objectValue"] = json.loads(value.text)
        return found

    @property
    def store(self) -> Store:
        """Return where the state is."""
        if not self._backend:
            raise EngineError(
                "no backend: set PULUMI_BACKEND_URL to file:///DIRECTORY, where the state is kept"
            )
        return Store(self._backend, self.project.name, self.stack)

    # ---- how it is done ----

    def _crypter(self) -> Crypter:
        salt = StackConfig(self.config_path).encryption_salt
        return self.store.crypter(self._passphrase, salt)

    def _full_name(self, key: str) -> str:
        return key if ":" in key else f"{self.project.name}:{key}"

    def _values(self) -> dict[str, ConfigValue]:
        stack_config = StackConfig(self.config_path)
        salt = stack_config.encryption_salt
        crypter = crypter_for(self._passphrase if salt else None, salt)
        return effective(self.project, self.stack, stack_config.values(crypter))

    def _config(self) -> Properties:
        return {
            key: Secret(value.text) if value.secret else value.text
            for key, value in self._values().items()
        }

    def _run_program(self, *, dry_run: bool, refresh: bool, replace: tuple[str, ...]) -> Result:
        config = self._config()
        with self._session(dry_run=dry_run, config=config, replace=replace) as session:
            if refresh:
                session.refresh()
            if not session.deployment.is_cancelled:
                session.run_program(config)
            return session.result()

    @contextlib.contextmanager
    def _session(
        self,
        *,
        dry_run: bool,
        config: Properties | None = None,
        replace: tuple[str, ...] = (),
    ) -> Iterator["_Session"]:
        display = Display(
            self.stack,
            dry_run,
            self._stream,
            tuple(str(v.value) for v in (config or {}).values() if isinstance(v, Secret)),
            self._show_changes,
        )
        session = _Session(
            self, display, self.store, self._crypter(), dry_run=dry_run, replace=replace
        )
        previous = _on_interrupt(session.interrupt)
        try:
            yield session
        finally:
            session.close()
            if previous is not None:
                signal.signal(signal.SIGINT, previous)


class _Session:
    """One run: its servers, its provider hosts, its program."""

    def __init__(
        self,
        engine: Engine,
        display: Display,
        store: Store,
        crypter: Crypter,
        *,
        dry_run: bool,
        replace: tuple[str, ...],
    ) -> None:
        self._engine = engine
        self._display = display
        self._servers = [Server.start(display.log)]
        self._hosts: list[ProviderHost] = []
        self._configured: Properties | None = None
        self._program: subprocess.Popen[str] | None = None
        self._closed = False
        self.deployment = Deployment(
            store,
            crypter,
            self._configure,
            dry_run=dry_run,
            parallel=engine.parallel,
            replace=replace,
            events=Events(display.begin, display.end, display.error, self._interrupt_program),
        )
        if self.deployment.base.pending and not dry_run:
            names = ", ".join(p.resource.urn for p in self.deployment.base.pending)
            display.diagnostics.append(
                Diagnostic(
                    "warning",
                    "an earlier run was interrupted in the middle of an operation on: "
                    f"{names}\nWhat was being created is created again; "
                    "`refresh --clear-pending-creates` forgets the interrupted ones.",
                )
            )

    def _spawn_host(self, config: Properties) -> None:
        """Start a host for a config; one that has that config already goes on serving."""
        if self._configured != config:
            address = self._servers[0].address
            host = ProviderHost(self._engine.project, address, self._display.output_of)
            self._hosts.append(host)
            self.deployment.provider = host
            self._configured = None

    def _configure(self, config: Properties) -> None:
        if self._configured != config:
            self._hosts[-1].configure(config)
            self._configured = config

    def host_from_state(self) -> bool:
        """Start a provider host with the config of the last `up`, if there was one."""
        resources = self.deployment.base.resources
        provider = next((r for r in resources if r.is_provider), None)
        if provider is not None:
            try:
                self._spawn_host(provider.inputs)
                self._configure(provider.inputs)
            except ProviderError as error:
                self.deployment.fail(provider.urn, str(error))
        return bool(resources) and not self.deployment.failed

    def refresh(self) -> None:
        """Refresh with the config of the last `up`."""
        if self.host_from_state():
            self.deployment.refresh()

    def run_program(self, config: Properties) -> None:
        """Run the program to its end, then delete what it no longer names."""
        engine, project = self._engine, self._engine.project
        # A refresh that went before has its own summary.
        self.deployment.operations.clear()
        monitor = MonitorService(
            self.deployment, project.name, engine.stack, config, engine.parallel
        )
        server = Server.start(self._display.log, monitor)
        self._servers.append(server)
        self._spawn_host(config)
        task = {
            "main": str(project.main),
            "root": str(project.root),
            "monitor": server.address,
            "engine": server.address,
            "project": project.name,
            "stack": engine.stack,
            "parallel": engine.parallel,
            "dry_run": self.deployment.dry_run,
        }
        secret_keys = [key for key, value in config.items() if isinstance(value, Secret)]
        self._program = spawn(
            [interpreter(project), "-u", str(PROGRAM), json.dumps(task)],
            project.main,
            {
                "PULUMI_CONFIG": json.dumps(plain(config)),
                "PULUMI_CONFIG_SECRET_KEYS": json.dumps(secret_keys),
            },
        )
        status = self._wait_for_program(self._program)
        if self.deployment.is_cancelled:
            return
        if status != 0:
            explained = status == ALREADY_EXPLAINED
            self.deployment.failed = True
            self.deployment.cancel()
            if not explained:
                self._display.error("", f"program exited with non-zero exit code: {status}")
            return
        self.deployment.delete_leftovers()

    def _wait_for_program(self, program: "subprocess.Popen[str]") -> int:
        readers = []
        printed, complained = pipes(program)
        for stream, is_error in ((printed, False), (complained, True)):
            reader = threading.Thread(target=self._read, args=(stream, is_error), daemon=True)
            reader.start()
            readers.append(reader)
        status = program.wait()
        for reader in readers:
            reader.join(GRACE_SECONDS)
        return status

    def _read(self, stream: IO[str], is_error: bool) -> None:
        for line in stream:
            if not (is_error and self.deployment.is_cancelled):
                self._display.output_of(line.rstrip("\n"), is_error)

    def _interrupt_program(self) -> None:
        program = self._program
        if program is None or program.poll() is not None:
            return
        program.send_signal(signal.SIGINT)

        def insist() -> None:
            try:
                program.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                program.kill()

        threading.Thread(target=insist, daemon=True).start()

    def interrupt(self) -> None:
        """Take one Ctrl-C: finish what runs. Take a second one: end now."""
        if self.deployment.is_cancelled:
            # What runs stays in the state as pending, as with the CLI.
            for host in self._hosts:
                host.kill()
            os._exit(255)
        self.deployment.failed = True
        self._display.error("", "interrupted: waiting for what runs; interrupt again to give up")
        self._display.line("  interrupted: waiting for what runs")
        self.deployment.cancel()

    def close(self) -> None:
        """Finish the deployment and end every process of the run."""
        if self._closed:
            return
        self._closed = True
        self.deployment.close()
        for host in self._hosts:
            host.close()
        for server in self._servers:
            server.stop()

    def result(self) -> Result:
        """Close the run and say what it did."""
        self.close()
        snapshot = self.deployment.snapshot()
        stack = next((r for r in snapshot.resources if r.type == STACK_TYPE), None)
        outputs = stack.outputs if stack is not None else {}
        self._display.finish(self.deployment.operations, outputs)
        return Result(
            1 if self.deployment.failed else 0,
            tuple(self.deployment.operations),
            tuple(self.deployment.calls),
            tuple(self._display.diagnostics),
            outputs,
        )


def _on_interrupt(handle: Any) -> Any:
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGINT, lambda _number, _frame: handle())


def _typed(text: str) -> Any:
    """Return what the CLI makes of a value given with --path."""
    if text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    if digits.isdecimal() and (digits == "0" or not digits.startswith("0")):
        return int(text)
    return text


def result_to_json(result: Result) -> str:
    """Return a run's result as JSON; secrets are masked by the display, outputs here."""
    return json.dumps(
        {
            "steps": [
                {"op": o.op, "urn": o.urn, "id": o.id, "error": o.error} for o in result.operations
            ],
            "providerCalls": [{"method": c.method, "urn": c.urn} for c in result.provider_calls],
            "diagnostics": [
                {"severity": d.severity, "message": d.message, "urn": d.urn}
                for d in result.diagnostics
            ],
            "outputs": masked(result.outputs),
            "changeSummary": result.summary,
            "exitStatus": result.exit_status,
        },
        indent=2,
    )
