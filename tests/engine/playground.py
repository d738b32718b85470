"""Projects in which scenarios run on the Pulumi CLI."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.pulumi import cli
from tests.passphrase import Crypter

HERE = Path(__file__).parent
RECORDER = HERE / "programs" / "recorder.py"
PASSPHRASE = "correct horse"
DEADLINE_SECONDS = 60.0
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
"""The mark of a secret among the values of a state."""
IGNORED = {"created", "modified", "sourcePosition", "stackTrace", "customTimeouts"}
PREAMBLE = """\
import pulumi
from pulumi import ResourceOptions, export
from providers import runtime
from recorder import Thing

runtime.exit_with_engine()

config = pulumi.Config()
"""


@cache
def salt() -> str:
    """Return one salt for all scenarios: deriving a key is slow."""
    return Crypter(PASSPHRASE).state


@cache
def crypter() -> Crypter:
    return Crypter(PASSPHRASE, salt())


@dataclass(frozen=True)
class Call:
    method: str
    name: str
    arguments: dict[str, Any]


@dataclass
class Run:
    """The result of one command."""

    command: str
    status: int
    text: str
    calls: list[Call]

    def called(self, *methods: str) -> list[tuple[str, str]]:
        return [(c.method, c.name) for c in self.calls if c.method in methods]

    def changed(self) -> set[tuple[str, str]]:
        return set(self.called("create", "update", "delete"))


@dataclass
class Stack:
    """A stack of one project."""

    directory: Path
    backend: Path
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.backend.mkdir(parents=True, exist_ok=True)
        shutil.copy(RECORDER, self.directory)
        self.declare({})
        self.config({})

    # ---- setup of a scenario ----

    def program(self, text: str) -> None:
        (self.directory / "__main__.py").write_text(PREAMBLE + text)

    def declare(self, keys: dict[str, Any]) -> None:
        """Write the project's file with these declarations of the config."""
        project = {
            "name": "trial",
            "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}},
            "config": keys,
        }
        (self.directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))

    def config(self, values: dict[str, Any]) -> None:
        document = {"config": values, "encryptionsalt": salt()}
        (self.directory / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def flag(self, name: str) -> None:
        (self.directory / name).touch()

    def unflag(self, pattern: str) -> None:
        for path in self.directory.glob(pattern):
            path.unlink()

    def world(self, name: str) -> Path:
        return self.directory / "world" / f"{name}.json"

    # ---- commands of the CLI ----

    def preview(self, *options: str) -> Run:
        return self.run("preview", *options)

    def up(self, *options: str) -> Run:
        return self.run("up", "--yes", *options)

    def refresh(self, *options: str) -> Run:
        return self.run("refresh", "--yes", *options)

    def destroy(self, *options: str) -> Run:
        return self.run("destroy", "--yes", *options)

    def configure(self, *words: str) -> Run:
        """Edit or show the config; the words may have options in any place, as users write them."""
        return self.run("config", *words)

    def run(self, command: str, *options: str) -> Run:
        with self.started(command, *options) as process:
            text = process.communicate(timeout=DEADLINE_SECONDS)[0]
        return self.finish(command, process.returncode, text)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {what}"
            time.sleep(0.01)

    # ---- processes ----

    @property
    def environment(self) -> dict[str, str]:
        return {
            **cli.environment(self.backend, PASSPHRASE, "dev"),
            "PULUMI_HOME": str(self.directory.parent / "home"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(cli.ROOT),
        }

    @contextmanager
    def started(self, command: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
        """Run a command in its own session, whose processes end with the block."""
        self.unflag("calls.jsonl")
        if not self._state_file().exists():
            self.ask("stack", "init", "dev")
        more = ["--skip-preview"] if command in ("up", "refresh", "destroy") else []
        process = subprocess.Popen(
            ["pulumi", command, "--non-interactive", *more, *options],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill_session(process.pid)
            process.wait()

    def ask(self, *words: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self.directory,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )
        return done.stdout

    def _state_file(self) -> Path:
        return self.backend / ".pulumi" / "stacks" / "trial" / "dev.json"

    def finish(self, command: str, status: int, text: str) -> Run:
        """Return the result of a command, and print it for a failed test."""
        print(f"--- {command}: {status}\n{text}")
        log = self.directory / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        calls = [Call(**json.loads(line)) for line in lines]
        run = Run(command, status, text, calls)
        self.runs.append(run)
        return run

    def raw_state(self) -> str:
        path = self._state_file()
        return path.read_text() if path.exists() else ""

    def state(self) -> dict[str, Any]:
        """Return the state, decrypted and without the values that differ from run to run."""
        raw = self.raw_state()
        if not raw:
            return {"resources": [], "pending": []}
        latest = json.loads(raw)["checkpoint"].get("latest") or {}
        resources = [_normal(entry) for entry in latest.get("resources") or []]
        pending = latest.get("pending_operations") or []
        return {
            "resources": sorted(resources, key=lambda r: (r["urn"], bool(r.get("delete")))),
            "pending": sorted([p["type"], p["resource"]["urn"]] for p in pending),
        }

    def resource(self, name: str) -> dict[str, Any]:
        found = [r for r in self.state()["resources"] if r["urn"].endswith(f"::{name}")]
        assert len(found) == 1, f"{name}: expected one resource of that name, found {found}"
        return dict(found[0])

    def names(self) -> set[str]:
        """Return the names of the resources in the state."""
        return {
            r["urn"].rsplit("::", 1)[1]
            for r in self.state()["resources"]
            if r["type"].startswith("pulumi-python:") or r["type"].startswith("test:")
        }


def _normal(entry: dict[str, Any]) -> dict[str, Any]:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", json.dumps(entry))
    normal = {k: _decrypted(v) for k, v in json.loads(text).items() if k not in IGNORED}
    if "dependencies" in normal:
        # The SDK lists them in any order.
        normal["dependencies"].sort()
    return normal


def _decrypted(value: Any) -> Any:
    if isinstance(value, list):
        return [_decrypted(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(SIGNATURE) == SECRET_SIGNATURE:
        return {"secret": json.loads(crypter().decrypt(value["ciphertext"]))}
    return {key: _decrypted(item) for key, item in value.items()}


def cancel(project: Path, environment: Mapping[str, str]) -> str:
    """Run what `make cancel` runs, in the folder of a project; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "commands.cancel", "--yes"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def kill_session(leader: int) -> None:
    """Kill every process of the session that this process leads."""
    for pid, command in session(leader).items():
        if command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def session(leader: int) -> dict[int, str]:
    """Return the running processes of the session that this process leads, with their commands."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if not entry.name.isdigit():
                continue
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                words = (entry / "cmdline").read_text().split("\0")
                found[int(entry.name)] = " ".join(words).strip()
    return found
