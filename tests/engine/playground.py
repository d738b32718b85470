"""Projects to play scenarios in, and the engines that play them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.engine.secrets import Crypter
from lab.engine.values import SECRET_SIGNATURE, SIGNATURE

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RECORDER = HERE / "programs" / "recorder.py"
PASSPHRASE = "correct horse"
DEADLINE_SECONDS = 60.0
IGNORED = {"created", "modified", "sourcePosition", "stackTrace", "customTimeouts"}
PREAMBLE = """\
import pulumi
from pulumi import ResourceOptions, export
from recorder import Group, Thing

config = pulumi.Config()
"""


@cache
def salt() -> str:
    """Return one salt for all scenarios: deriving a key takes a while."""
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
    """What one command of an engine did."""

    command: str
    status: int
    text: str
    calls: list[Call]
    state: dict[str, Any]
    config: dict[str, Any]

    def called(self, *methods: str) -> list[tuple[str, str]]:
        return [(c.method, c.name) for c in self.calls if c.method in methods]

    def changed(self) -> set[tuple[str, str]]:
        return set(self.called("create", "update", "delete"))

    def comparable(self) -> dict[str, Any]:
        calls = sorted(json.dumps([c.method, c.name, c.arguments]) for c in self.calls)
        return {
            "command": self.command,
            "ok": self.status == 0,
            "calls": calls,
            "state": self.state,
            "config": self.config,
        }


@dataclass
class Stack:
    """A stack of one project, driven by one engine."""

    engine: str
    directory: Path
    backend: Path
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.backend.mkdir(parents=True, exist_ok=True)
        shutil.copy(RECORDER, self.directory)
        self.declare({})
        self.config({})

    # ---- what a scenario sets up ----

    def program(self, text: str) -> None:
        (self.directory / "__main__.py").write_text(PREAMBLE + text)

    def declare(self, keys: dict[str, Any]) -> None:
        """Write the project's file, with what it says of the config."""
        project = {
            "name": "trial",
            "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}},
            "config": keys,
        }
        (self.directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))

    def config(self, values: dict[str, Any]) -> None:
        document = {"config": values, "encryptionsalt": salt()}
        (self.directory / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def tell(self, name: str) -> None:
        (self.directory / name).touch()

    def untell(self, pattern: str) -> None:
        for path in self.directory.glob(pattern):
            path.unlink()

    def world(self, name: str) -> Path:
        return self.directory / "world" / f"{name}.json"

    # ---- what it lets the engine do ----

    def preview(self, *options: str) -> Run:
        return self.run("preview", *options)

    def up(self, *options: str) -> Run:
        return self.run("up", "--yes", *options)

    def refresh(self, *options: str) -> Run:
        return self.run("refresh", "--yes", *options)

    def destroy(self, *options: str) -> Run:
        return self.run("destroy", "--yes", *options)

    def configure(self, *words: str) -> Run:
        """Edit or show the config; the words may hold options anywhere, as users write them."""
        return self.run("config", *words)

    def run(self, command: str, *options: str) -> Run:
        with self.started(command, *options) as process:
            text = process.communicate(timeout=DEADLINE_SECONDS)[0]
        return self._finish(command, process.returncode, text)

    def killed(self, command: str, when: str) -> Run:
        """Run a command and kill its process group when a file appears."""
        with self.started(command, "--yes") as process:
            self.wait_for((self.directory / when).exists, when)
            os.killpg(process.pid, signal.SIGKILL)
            text = process.communicate(timeout=DEADLINE_SECONDS)[0]
        return self._finish(f"{command} killed", process.returncode, text)

    def interrupted(self, command: str, when: str) -> Run:
        """Run a command, interrupt it when a file appears, let what hangs go on after that."""
        with self.started(command, "--yes") as process:
            self.wait_for((self.directory / when).exists, when)
            os.kill(process.pid, signal.SIGINT)
            assert process.stdout is not None
            # What hangs fails by itself after a while: this ends even where nothing is said.
            lines = []
            for line in process.stdout:
                lines.append(line)
                if re.search("cancel|interrupted", line, re.IGNORECASE):
                    break
            self.untell("hang-*")
            text = "".join(lines) + process.communicate(timeout=DEADLINE_SECONDS)[0]
        return self._finish(f"{command} interrupted", process.returncode, text)

    def recover(self) -> None:
        """Do what a user does after a kill."""
        if self.engine == "pulumi":
            # The CLI leaves its provider behind, and its lock.
            pid = self.directory / "provider.pid"
            if pid.exists():
                os.kill(int(pid.read_text()), signal.SIGKILL)
            self._pulumi("cancel", "--yes", "--stack", "dev")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {what}"
            time.sleep(0.01)

    # ---- how ----

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(self.directory.parent / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": "",
        }

    @contextmanager
    def started(self, command: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
        self.untell("began-*")
        self.untell("calls.jsonl")
        arguments = ["--stack", "dev", *options]
        if self.engine == "pulumi":
            self._make_sure_of_stack()
            arguments += ["--non-interactive"]
            arguments += [] if command in ("preview", "config") else ["--skip-preview"]
            words, cwd = ["pulumi", command, *arguments], self.directory
        else:
            words = [sys.executable, "-m", "lab.engine", command, "--cwd", str(self.directory)]
            words, cwd = [*words, *arguments], ROOT
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _make_sure_of_stack(self) -> None:
        if not self._state_file().exists():
            self._pulumi("stack", "init", "dev")

    def _pulumi(self, *words: str) -> None:
        subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self.directory,
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
        )

    def _state_file(self) -> Path:
        return self.backend / ".pulumi" / "stacks" / "trial" / "dev.json"

    def _finish(self, command: str, status: int, text: str) -> Run:
        log = self.directory / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        calls = [Call(**json.loads(line)) for line in lines]
        run = Run(command, status, text, calls, self.state(), self.settings())
        self.runs.append(run)
        return run

    def raw_state(self) -> str:
        path = self._state_file()
        return path.read_text() if path.exists() else ""

    def state(self) -> dict[str, Any]:
        """Return the state in a form that is the same for every engine and run."""
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

    def settings(self) -> dict[str, Any]:
        """Return what the stack's file says, decrypted."""
        document = yaml.safe_load((self.directory / "Pulumi.dev.yaml").read_text())
        return {key: _decrypted_config(value) for key, value in document["config"].items()}

    def resource(self, name: str) -> dict[str, Any]:
        found = [r for r in self.state()["resources"] if r["urn"].endswith(f"::{name}")]
        assert len(found) == 1, f"{name}: expected one resource of that name, found {found}"
        return dict(found[0])

    def names(self) -> set[str]:
        """Return the names of the things that the state knows."""
        return {
            r["urn"].rsplit("::", 1)[1]
            for r in self.state()["resources"]
            if r["type"].startswith("pulumi-python:") or r["type"].startswith("test:")
        }


def _normal(entry: dict[str, Any]) -> dict[str, Any]:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", json.dumps(entry))
    normal = {k: _decrypted(v) for k, v in json.loads(text).items() if k not in IGNORED}
    if "dependencies" in normal:
        # The SDK names them in any order.
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


def _decrypted_config(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"secure"}:
        return {"secret": crypter().decrypt(value["secure"])}
    if isinstance(value, dict):
        return {key: _decrypted_config(item) for key, item in value.items()}
    return value


def engines() -> list[str]:
    """Return the engines that are here, the one to go by first."""
    return [*(["pulumi"] if shutil.which("pulumi") else []), "stand-in"]
