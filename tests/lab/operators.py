"""An operator in a lab, with the Pulumi CLI and their own stack."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.machines import Lab
from lab.pulumi.cli import environment
from tests.engine import playground
from tests.passphrase import Crypter

ROOT = Path(__file__).resolve().parents[2]
FAULTPOINT = Path(__file__).parent / "faultpoint"
PASSPHRASE = "lab"
ONE_PASS = "canary-one-pass-5c1f"
DB_PASSWORD = "canary-db-password-9e7a"
VIP = "10.2.50.86"
VIP_VALUES: Mapping[str, object] = {"one_vip": VIP, "one_vip_cidr": 24, "one_vip_if": "eth0"}
VIP_KEYS = tuple(VIP_VALUES)
SERIES = os.environ.get("LAB_ONE_VERSION", "7.2")
"""OpenNebula's versions, as ``one_version`` and the repository's folders name them."""


@dataclass(frozen=True)
class Run:
    """One run of the CLI: its exit status and all its output."""

    status: int
    output: str

    @property
    def ok(self) -> bool:
        """Tell whether the run succeeded."""
        return self.status == 0


@dataclass(frozen=True)
class Execution:
    """A remote execution of a run: the number counts those of one name."""

    name: str
    number: int
    changes: bool
    steps: int


@dataclass(frozen=True)
class Fault:
    """An interruption of a run at one of its remote executions.

    ``how``: ``inside`` or ``after`` it the whole session is killed; ``unreached``: it is not sent;
    ``lost``: it is done, and its answer is lost. ``step``: the one of ``inside``, 0 for its start.
    """

    name: str
    number: int
    how: str
    step: int = 0


class Secret(str):
    """Text that is encrypted in the stack's file, at any place in the config."""


def _encrypted(value: Any, crypter: Crypter) -> Any:
    if isinstance(value, Secret):
        return {"secure": crypter.encrypt(str(value))}
    if isinstance(value, dict):
        return {key: _encrypted(item, crypter) for key, item in value.items()}
    return [_encrypted(item, crypter) for item in value] if isinstance(value, list) else value


class Operator:
    """Runs the program for one lab, with its own config file and backend."""

    def __init__(self, lab: Lab, directory: Path, *, front_ends: Sequence[str]) -> None:
        self.lab = lab
        self._directory = directory
        self._file = directory / "Pulumi.lab.yaml"
        self.backend = directory / "backend"
        self.backend.mkdir(parents=True, exist_ok=True)
        self.config: dict[str, Any] = {
            "one_version": SERIES,
            **VIP_VALUES,
            "frontends": self.list_of(front_ends),
            "ssh": {
                "user": "ubuntu",
                "private_key_file": str(lab.key),
                "known_hosts_file": str(lab.known_hosts),
            },
            "repository": {"url": "http://10.2.50.1:8080/opennebula"},
            "features": {"gui": False, "flow": False, "gate": False, "form": False},
        }
        self.secrets = {"one_pass": ONE_PASS, "db_password": DB_PASSWORD}
        self._shown: dict[str, str] = {}
        """The config as the CLI shows it, by the values from which it was made."""
        self.printed: list[str] = []
        """All that the commands printed."""
        self.standins = False
        """Whether stand-ins for plugins may be used."""
        self._faultpoint: dict[str, str] = {}

    def list_of(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the config's front-ends for these lab hosts, in this order."""
        return {name: {"address": self.lab.host(name).address} for name in names}

    def up(self, *options: str) -> Run:
        """Run ``pulumi up``."""
        return self._run("up", "--yes", *options)

    def change(self, names: Sequence[str], **keys: object) -> None:
        """Set these front-ends and keys permanently and run ``up``, which must succeed."""
        self.config["frontends"] = self.list_of(names)
        self.config.update(keys)
        run = self.up()
        assert run.ok, run.output

    def up_with(self, fault: Fault | None) -> tuple[Run, list[Execution], bool]:
        """Run ``up`` with that fault; return its executions, and whether the fault took place."""
        log = self._directory / "executions.jsonl"
        log.write_text("")
        given = {"log": str(log), "fault": asdict(fault) if fault else None}
        self._faultpoint = {"PYTHONPATH": str(FAULTPOINT), "LAB_FAULT": json.dumps(given)}
        process = self.start_up()
        self._faultpoint = {}
        try:
            output = process.communicate(timeout=600)[0]
        finally:
            kill_session(process)
            process.wait()
        self.printed.append(output)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        executions = [Execution(**line) for line in lines if "fault" not in line]
        run = Run(process.returncode, output)
        return run, executions, any("fault" in line for line in lines)

    def preview(self, *options: str) -> Run:
        """Run ``pulumi preview``."""
        return self._run("preview", *options)

    def refresh(self) -> Run:
        """Run ``pulumi refresh``."""
        return self._run("refresh", "--yes")

    def destroy(self) -> Run:
        """Run ``pulumi destroy``."""
        return self._run("destroy", "--yes")

    def start_up(self) -> subprocess.Popen[str]:
        """Start an ``up`` in its own process group, so that all of it can be killed."""
        return self.lab.popen(
            self._argv("up", "--yes"),
            env=self._environment(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def switch_over(self, to: str) -> Run:
        """Run what ``make switchover TO=…`` runs."""
        done = self._command("switchover", to, stderr=subprocess.STDOUT)
        return Run(done.returncode, done.stdout)

    def look(self, command: str, *options: str) -> Run:
        """Return what ``make status`` or another command of that kind prints on standard output."""
        done = self._command(command, *options, stderr=subprocess.PIPE)
        assert "Traceback" not in done.stderr, done.stderr
        return Run(done.returncode, done.stdout)

    def _command(
        self, command: str, *options: str, stderr: int
    ) -> subprocess.CompletedProcess[str]:
        given = json.dumps([self.config, self.secrets])
        if given not in self._shown:
            file = str(self._write_config())
            self._create()
            self._shown[given] = self._ask(
                "config", "--json", "--show-secrets", "--config-file", file
            )
        done = self.lab.exec(
            [sys.executable, "-m", f"commands.{command}", *options],
            env={**os.environ, "PULUMI_STACK": "lab"},
            timeout=600,
            cwd=ROOT,
            input=self._shown[given],
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        self.printed += [done.stdout, done.stderr or ""]
        return done

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        outputs: dict[str, Any] = json.loads(self._ask("stack", "output", "--json"))
        return outputs

    def state(self) -> str:
        """Return all files of the backend as text."""
        return "\n".join(
            path.read_text(errors="replace")
            for path in sorted(self.backend.rglob("*"))
            if path.is_file()
        )

    def copy_stack(self, times: int) -> None:
        """Put so many more stacks with the same content into the backend and next to the config."""
        state = self.backend / ".pulumi" / "stacks" / "opennebula-ha" / "lab.json"
        for number in range(times):
            shutil.copy(state, state.with_name(f"lab-{number}.json"))
            shutil.copy(self._file, self._file.with_name(f"Pulumi.lab-{number}.yaml"))

    def forget(self) -> None:
        """Delete the state."""
        shutil.rmtree(self.backend)
        self.backend.mkdir()

    def cancel(self) -> None:
        """Run what ``make cancel`` runs."""
        playground.cancel(ROOT, self._environment())

    def _ask(self, *argv: str, given: str = "") -> str:
        done = subprocess.run(
            ["pulumi", *argv],
            cwd=ROOT,
            env=self._environment(),
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, action: str, *options: str) -> Run:
        done = self.lab.exec(
            self._argv(action, *options),
            env=self._environment(),
            timeout=600,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.printed.append(done.stdout)
        return Run(done.returncode, done.stdout)

    def _argv(self, action: str, *options: str) -> list[str]:
        file = self._write_config()
        self._select()
        argv = ["pulumi", action, "--non-interactive", "--config-file", str(file)]
        return [*argv, *([] if action == "preview" else ["--skip-preview"]), *options]

    def _select(self) -> None:
        self._create()
        # A killed run left its lock.
        if any((self.backend / ".pulumi" / "locks").rglob("*.json")):
            self.cancel()

    def _create(self) -> None:
        if (self.backend / ".pulumi" / "stacks" / "opennebula-ha" / "lab.json").exists():
            return
        # It writes next to the project file that it finds, which must not be the repository's.
        (self._directory / "Pulumi.yaml").write_text("name: opennebula-ha\nruntime: python\n")
        subprocess.run(
            ["pulumi", "stack", "init", "lab"],
            cwd=self._directory,
            env=self._environment(),
            capture_output=True,
            check=True,
        )

    def _environment(self) -> Mapping[str, str]:
        made = environment(self.backend, PASSPHRASE, "lab", standins=self.standins)
        return {**made, **self._faultpoint}

    def _write_config(self) -> Path:
        file = self._file
        if file.exists():
            crypter = Crypter(PASSPHRASE, yaml.safe_load(file.read_text())["encryptionsalt"])
        else:
            crypter = Crypter(PASSPHRASE)
        values: dict[str, Any] = {
            **_encrypted(self.config, crypter),
            **{key: {"secure": crypter.encrypt(text)} for key, text in self.secrets.items()},
        }
        file.write_text(
            yaml.safe_dump(
                {
                    "encryptionsalt": crypter.state,
                    "config": {f"opennebula-ha:{key}": value for key, value in values.items()},
                },
                sort_keys=False,
            )
        )
        return file


@contextmanager
def config(operator: Operator, **changes: Any) -> Iterator[None]:
    """Change values of the stack's config temporarily; those of ``ssh`` are merged into it."""
    before = dict(operator.config)
    ssh: Mapping[str, Any] = changes.pop("ssh", {})
    operator.config = {**before, **changes, "ssh": {**before["ssh"], **ssh}}
    try:
        yield
    finally:
        operator.config = before


def kill_at(operator: Operator, moment: str, seconds: float = 400) -> bool:
    """Run ``up`` and kill it all when its output has this text; return whether it had."""
    process = operator.start_up()
    assert process.stdout is not None
    late = threading.Timer(seconds, kill_session, [process])
    late.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            operator.printed.append(line)
            if moment in line:
                kill_session(process)
                return True
    finally:
        late.cancel()
        kill_session(process)
        process.wait()
        process.stdout.close()
    assert process.returncode == 0, f"failed before {moment}: {''.join(said)}"
    return False


def kill_session(process: "subprocess.Popen[str]") -> None:
    """Kill every process of the session that this process leads."""
    playground.kill_session(process.pid)
