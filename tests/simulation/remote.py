"""Replacements of SSH and of OpenNebula's API: connections and calls that reach a site."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.simulation.database import Content
from tests.simulation.faults import Faults, lost
from tests.simulation.host import Dump, SimHost
from tests.simulation.product import (
    ApiError,
    Host,
    HostError,
    NotAuthenticatedError,
    Output,
    RaftStatus,
    Script,
    ServerEntry,
    SshSettings,
)
from tests.simulation.scripts import SCRIPTS, Refused
from tests.simulation.site import Change, Site

SCRIPT, CALL = 1.0, 0.01
"""Seconds that an execution, and a call, take."""


@dataclass
class Run:
    """One run of the program on a site."""

    site: Site
    faults: Faults = field(default_factory=Faults)
    order: random.Random = field(default_factory=lambda: random.Random(0))
    """The order of things that are started at the same time."""
    vault: dict[str, Dump] = field(default_factory=dict)
    """Dumps on the operator's machine, by file name."""


class World:
    """The present run: the functions that are patched into the program use it."""

    run: Run


class SimPool:
    """Replaces hosts.pool.Pool."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._connections: dict[Host, SimConnection] = {}

    def connection(self, host: Host) -> "SimConnection":
        return self._connections.setdefault(host, SimConnection(host, World.run))


class SimConnection:
    """Replaces hosts.connection.Connection."""

    def __init__(self, host: Host, run: Run) -> None:
        self.host, self.user, self.port = host, "root", host.ssh.port or 22
        self.host_key = f"ssh-ed25519 {host.name}"
        self._run = run

    def _target(self, step: str) -> SimHost:
        self._run.faults.live()
        found = self._run.site.at(self.host.address)
        if found is None or not found.up:
            raise lost(f"{self.host.name} {step}")
        return found

    def connect(self) -> None:
        self._target("connect")

    def full_disks(self) -> str:
        return ""

    def run(
        self, script: Script, progress: Callable[[str], None], *, lend_agent: bool = False
    ) -> Output:
        name = script.title.replace(" ", "_")
        site, faults = self._run.site, self._run.faults
        target = self._target(name)
        simulated = SCRIPTS[name]
        faults.begin(f"{target.name} {name}", changes=script.exclusive)
        site.clock.now += SCRIPT
        site.elapse()
        effects = simulated.run(site, target, script.variables, script.secrets)
        try:
            while True:
                next(effects)
                site.effect()
                faults.step()
        except StopIteration as done:
            values = done.value
        except Refused as refusal:
            site.effect()
            raise HostError(
                target.name,
                name,
                expected=refusal.expected,
                seen=refusal.seen,
                remedy=refusal.remedy,
            ) from None
        if script.exclusive or site.busy:
            site.effect()
        faults.end()
        return Output(values)

    def send(self, file: Path, folder: str, timeout: float) -> None:
        target = self._target("send")
        self._run.faults.begin(f"{target.name} send {file.suffixes}", changes=True)
        if file.name in self._run.vault:
            target.sent = self._run.vault[file.name]
        self._run.site.effect()
        self._run.faults.end()

    @contextmanager
    def hold(self, path: str, timeout: float) -> Iterator[None]:
        self._target("take the lock")
        yield

    def open_stream(self, port: int, timeout: float, address: str = "127.0.0.1") -> "SimStream":
        here = self._target("open a stream")
        is_own = address == "127.0.0.1"
        target = here if is_own else self._run.site.at(address, by=here)
        if target is None or not target.up:
            raise OSError("No route to host")
        if port != 22 and not target.running:
            raise ConnectionRefusedError("Connection refused")
        return SimStream(self._run, target)


@dataclass
class SimStream:
    """An open connection to an oned."""

    run: Run
    host: SimHost

    def close(self) -> None:
        """Nothing has to be closed."""


class SimApi:
    """Replaces opennebula.api.Api: the same calls, on a simulated oned."""

    def __init__(
        self,
        password: str,
        open_stream: Callable[[], SimStream],
        *,
        before_write: Callable[[], None],
    ) -> None:
        self._password = password
        self._open = open_stream
        self._before_write = before_write

    def _oned(self) -> tuple[Run, SimHost]:
        try:
            stream = self._open()
        except OSError as error:
            raise ApiError(f"no answer: {error}") from None
        stream.run.site.clock.now += CALL
        name = stream.host.name
        if self._password not in stream.run.site.database(name).content.passwords:
            raise NotAuthenticatedError("User couldn't be authenticated, aborting call.")
        return stream.run, stream.host

    def _leader(self) -> tuple[Run, str]:
        """Return the server that takes a write that this server is asked for."""
        run, host = self._oned()
        if not host.is_server:
            return run, host.name
        if not (leader := run.site.heard(host.name)):
            raise ApiError("Cannot process request, no leader found")
        return run, leader

    def _content(self) -> Content:
        run, host = self._oned()
        return run.site.database(host.name).content

    def _write(self, what: str, change: Change) -> None:
        def write(run: Run, leader: str) -> bool:
            return run.site.write(leader, run.site.name_of(what), change)

        self._have(what, write)

    def _have(self, what: str, done: Callable[[Run, str], bool]) -> None:
        """Let the leader do that. Raises ApiError if the result is not known."""
        self._before_write()
        run, leader = self._leader()
        try:
            run.faults.begin(f"{leader} api {what}", changes=True)
            is_well = done(run, leader)
            run.site.effect()
            run.faults.end()
        except HostError as error:
            raise ApiError(f"no answer: {error.seen}") from None
        if not is_well:
            raise ApiError("no answer: timed out")

    def raft_status(self) -> RaftStatus:
        run, host = self._oned()
        return run.site.status(host.name)

    def servers(self) -> tuple[ServerEntry, ...]:
        pool = sorted(self._content().pool, key=lambda entry: entry.id)
        return tuple(replace(e, name=e.registered or e.name, registered="") for e in pool)

    def zone(self) -> tuple[str, str, str]:
        content = self._content()
        return content.name, content.endpoint, content.grpc

    def speaks_grpc(self) -> bool:
        return True

    def add_server(self, name: str, endpoint: str, grpc: str) -> None:
        def change(content: Content) -> Content:
            number = max((entry.id for entry in content.pool), default=-1) + 1
            return replace(content, pool=(*content.pool, ServerEntry(number, name, endpoint, grpc)))

        self._write(f"add {name}", change)

    def delete_server(self, server_id: int) -> None:
        def change(content: Content) -> Content:
            return replace(content, pool=tuple(e for e in content.pool if e.id != server_id))

        self._write(f"delete {server_id}", change)

    def reset_server(self, server_id: int) -> None:
        def reset(run: Run, leader: str) -> bool:
            pool = run.site.database(leader).pool
            run.site.hosts[leader].stuck -= {e.name for e in pool if e.id == server_id}
            return True

        self._have(f"reset {server_id}", reset)

    def set_endpoint(self, endpoint: str, grpc: str = "") -> None:
        self._write(
            "endpoint",
            lambda content: replace(content, endpoint=endpoint, grpc=grpc or content.grpc),
        )

    def rename_zone(self, name: str) -> None:
        self._write("rename", lambda content: replace(content, name=name))

    def touch(self, mark: str) -> None:
        self._write("touch", lambda content: content)

    def public_key(self) -> str:
        return self._content().public_key

    def set_public_key(self, text: str) -> None:
        self._write("public key", lambda content: replace(content, public_key=text))

    def admit(self, password: str) -> bool:
        self._write("admit", lambda content: replace(content, tokens=content.tokens | {password}))
        return True

    def has_password(self, password: str) -> bool:
        return self._content().password == password

    def has_endless_token(self) -> bool:
        return bool(self._content().tokens)

    def set_password(self, password: str) -> None:
        self._write(
            "password",
            lambda content: replace(content, password=password, tokens=frozenset()),
        )

    def version(self) -> str:
        run, leader = self._leader()
        return run.site.hosts[leader].packages["opennebula"].partition("-")[0]


class SerialExecutor:
    """Replaces ThreadPoolExecutor: runs one call after the other, in random order."""

    def __init__(self, max_workers: int) -> None:
        self._tasks: list[tuple[Future[Any], Callable[[], Any]]] = []

    def __enter__(self) -> "SerialExecutor":
        return self

    def submit(self, task: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._tasks.append((future, task))
        return future

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        World.run.order.shuffle(self._tasks)
        World.run.site.begin_together()
        for future, task in self._tasks:
            try:
                future.set_result(task())
            except BaseException as failure:
                future.set_exception(failure)


__all__ = ["Run", "SerialExecutor", "SimApi", "SimPool", "World", "sha256"]
