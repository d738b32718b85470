"""Several oned on this machine, each in its own folder."""

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

from lab.standin.guest import wire

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "tests only"
SOLO, CANDIDATE, FOLLOWER, LEADER = "0", "1", "2", "3"

Seen = TypeVar("Seen")


def wait_for(what: str, look: Callable[[], Seen | None], seconds: float = 30.0) -> Seen:
    """Poll until there is a result."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {seconds} s: {what}")
        time.sleep(0.05)


class Later:
    """A running call."""

    def __init__(self, call: Callable[[], list[Any]]) -> None:
        self._call = call
        self.answer: list[Any] | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(wire.CallError):
            self.answer = self._call()


@dataclass
class Server:
    """One oned and its folder."""

    name: str
    home: Path
    port: int
    database: str
    interpreter: str = sys.executable
    password: str = PASSWORD
    process: subprocess.Popen[bytes] | None = None
    endpoint: str = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint = f"http://127.0.0.1:{self.port}/RPC2"

    @property
    def log(self) -> str:
        path = self.home / "var/oned.log"
        return path.read_text() if path.exists() else ""

    @property
    def sqlite(self) -> Path:
        return self.home / "var/one.db"

    def prepare(self, server_id: int = -1, scale: float = 0.05, **raft: int) -> None:
        """Write its configuration."""
        for folder in ("etc", "var/.one", "var/lock", "var/remotes/hooks"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "etc/opennebula-standin.json").write_text(json.dumps({"wait_scale": scale}))
        self.set_password(self.password)
        settings = "".join(f", {name} = {value}" for name, value in raft.items())
        (self.home / "etc/oned.conf").write_text(
            f'LISTEN_ADDRESS = "127.0.0.1"\nPORT = {self.port}\nGRPC_PORT = 0\n'
            f'HOSTNAME = "{self.name}"\n'
            f"DB = [ {self.database} ]\n"
            f'FEDERATION = [ MODE = "STANDALONE", ZONE_ID = 0, SERVER_ID = {server_id} ]\n'
            f"RAFT = [ LIMIT_PURGE = 100000{settings} ]\n"
        )

    def set_password(self, password: str) -> None:
        (self.home / "var/.one/one_auth").write_text(f"oneadmin:{password}\n")

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the tools against this server."""
        return subprocess.run(
            [self.interpreter, "-m", "lab.standin.guest", program, *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.interpreter, "-m", "lab.standin.guest", "oned", "-f"],
            cwd=ROOT,
            env=self.environment(),
            stderr=(self.home / "var/stderr").open("wb"),
        )
        wait_for(f"{self.name} answers", lambda: self.exited() or self.answers())
        assert not self.exited(), f"{self.name} ended: {self.stderr}"

    def start_and_fail(self) -> str:
        """Start it, although it must refuse to start; return its error."""
        done = self.run("oned", "-f")
        assert done.returncode == 255, done
        return done.stderr

    @property
    def stderr(self) -> str:
        return (self.home / "var/stderr").read_text()

    def exited(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(60)
            self.process = None
        (self.home / "var/lock/.lock").unlink(missing_ok=True)

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        with contextlib.suppress(wire.CallError):
            return bool(self.call("one.zone.raftstatus")[0])
        return False

    def later(self, method: str, *params: Any) -> "Later":
        """Make the call in its own thread, because it may hang."""
        return Later(lambda: self.call(method, *params, timeout=60))

    def call(self, method: str, *params: Any, timeout: float = 20) -> list[Any]:
        session = f"oneadmin:{self.password}"
        return list(wire.call(self.endpoint, method, [session, *params], timeout))

    def ask(self, method: str, *params: Any) -> Any:
        answer = self.call(method, *params)
        assert answer[0], answer
        return answer[1]

    def admits(self, password: str) -> bool:
        """Return whether oneadmin can log in here with that password."""
        answer = wire.call(self.endpoint, "one.zone.info", [f"oneadmin:{password}", 0], 20)
        return bool(answer[0])

    def status(self) -> dict[str, str]:
        """Return raftstatus, or nothing if the server does not answer."""
        with contextlib.suppress(wire.CallError):
            answer = self.call("one.zone.raftstatus", timeout=2)
            if answer[0]:
                root = ElementTree.fromstring(answer[1])  # noqa: S314
                return {leaf.tag: leaf.text or "" for leaf in root}
        return {}

    def state(self) -> str:
        return self.status().get("STATE", "")

    def add(self, other: "Server") -> None:
        self.ask(
            "one.zone.addserver", 0, f'SERVER=[NAME="{other.name}",ENDPOINT="{other.endpoint}"]'
        )

    def users(self) -> set[str]:
        root = ElementTree.fromstring(self.ask("one.userpool.info"))  # noqa: S314
        return {user.findtext("NAME", "") for user in root.findall("USER")}

    def servers(self) -> dict[int, str]:
        root = ElementTree.fromstring(self.ask("one.zone.info", 0))  # noqa: S314
        return {
            int(server.findtext("ID", "")): server.findtext("NAME", "")
            for server in root.findall("SERVER_POOL/SERVER")
        }

    def environment(self) -> dict[str, str]:
        """Return the environment in which its programs find its folder."""
        return {
            **os.environ,
            "ONE_LOCATION": str(self.home),
            "ONE_AUTH": str(self.home / "var/.one/one_auth"),
            "ONE_XMLRPC": self.endpoint,
        }


# Below the ports that the kernel gives to outgoing connections, a thousand for each worker of
# pytest: a server that is stopped for a moment finds its port free again.
_PORTS = itertools.count(20_000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))


def free_port() -> int:
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable")


def sqlite_servers(folder: Path, names: Iterable[str]) -> list[Server]:
    return [Server(name, folder / name, free_port(), 'BACKEND = "sqlite"') for name in names]


@contextlib.contextmanager
def ended(servers: list[Server]) -> Iterator[list[Server]]:
    """Make sure that no process outlives the test."""
    try:
        yield servers
    finally:
        for server in servers:
            server.kill()


def leader_of(servers: Iterable[Server], seconds: float = 30.0) -> Server:
    """Return the leader, once all others follow it in its term."""

    def look() -> Server | None:
        seen = {server.name: server.status() for server in servers}
        leading = [s for s in servers if seen[s.name].get("STATE") == LEADER]
        following = [s for s in servers if seen[s.name].get("STATE") == FOLLOWER]
        terms = {status.get("TERM") for status in seen.values()}
        settled = len(leading) == 1 and len(leading + following) == len(seen) and len(terms) == 1
        return leading[0] if settled else None

    return wait_for("one leader and nothing but followers", look, seconds)


def bootstrap_one(server: Server, **settings: int) -> None:
    """Make a zone of one server."""
    bootstrap([server], 0.05, **settings)
    leader_of([server])


def copy_database(source: Server, target: Server) -> None:
    """Copy the database consistently while the source runs, as a dump does."""
    target.sqlite.unlink(missing_ok=True)
    with sqlite3.connect(source.sqlite) as here, sqlite3.connect(target.sqlite) as there:
        here.backup(there)


def bootstrap(servers: list[Server], scale: float = 0.05, **raft: int) -> None:
    """Bootstrap a zone: start the first server alone, add all, copy the database, start all."""
    first = servers[0]
    first.prepare(scale=scale, **raft)
    first.start()
    for server in servers:
        first.add(server)
    first.stop()
    for number, server in enumerate(servers):
        server.prepare(number, scale=scale, **raft)
        if server is not first:
            server.sqlite.write_bytes(first.sqlite.read_bytes())
    for server in servers:
        server.start()


def wait_for_users(server: Server, *names: str) -> None:
    """Wait until a server's own database has these users."""
    wait_for(f"users {names} on {server.name}", lambda: set(names) <= server.users())
