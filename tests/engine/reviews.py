"""Previews of the real program, on the real CLI, for a zone that is only a state: no hosts."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, rpc

from components.zone import HighAvailableZone
from lab.machines import Lab
from settings import parse
from tests.engine.playground import SECRET_SIGNATURE, SIGNATURE
from tests.lab.operators import Operator

PROJECT = "opennebula-ha"
PROVIDER = f"urn:pulumi:lab::{PROJECT}::pulumi:providers:pulumi-python::default"
PROVIDER_ID = "6d5b3e0e-7f0c-4f5e-8a43-0f6f0f0f0f0f"
BUILT_AT = "2026-01-02T03:04:05.678+00:00"


class _Machine:
    def __init__(self, name: str) -> None:
        self.name, self.address = name, f"10.2.50.{9 + int(name.rpartition('a')[2])}"


class _NoLab:
    """What an Operator needs of a lab for previews."""

    def __init__(self, directory: Path) -> None:
        self.key, self.known_hosts = directory / "key", directory / "known_hosts"

    def host(self, name: str) -> _Machine:
        return _Machine(name)

    def exec(
        self, argv: list[str], *, timeout: float, **more: Any
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(argv, text=True, check=False, timeout=timeout, **more)


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: mocks.Mocks) -> None:
        super().__init__(answers)
        self.requests: list[tuple[Any, str]] = []

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        self.requests.append((request, response.urn))
        return response


class _Built(mocks.Mocks):
    """Each resource as its create leaves it; the first front-end leads."""

    def __init__(self, names: list[str], leader: str) -> None:
        self._names, self._leader = names, leader

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        return args.name, {**args.inputs, **self.seen(args.typ.rpartition(":")[2], args.name)}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise AssertionError("the program calls no function of a provider")

    def seen(self, kind: str, name: str) -> dict[str, Any]:
        servers = {
            one: {"id": index, "endpoint": f"http://{one}:2633/RPC2"}
            for index, one in enumerate(self._names)
        }
        match kind:
            case "Installation":
                return {
                    "revision": BUILT_AT,
                    "package": "7.2.0",
                    "distribution": "debian 12",
                    "machine_id": name,
                    "host_key": "ssh-ed25519 AAAA",
                    "drift": [],
                }
            case "ZoneMember":
                own = servers[name]
                return {
                    "server_id": own["id"],
                    "endpoint": own["endpoint"],
                    "revision": BUILT_AT,
                    "drift": [],
                }
            case "Rollout":
                alone = len(self._names) == 1
                return {
                    "verified_at": BUILT_AT,
                    "leader": self._leader,
                    "servers": {} if alone else servers,
                    "pool": []
                    if alone
                    else [{"name": one, **where} for one, where in servers.items()],
                    "backups": {},
                    "drift": [],
                }
            case "Preflight" | "Bootstrap":
                return {}
        return {"drift": []}


class Reviewer(Operator):
    """Somebody who previews changes of a stack whose last ``up`` was fine."""

    def __init__(self, directory: Path, front_ends: list[str], leader: str, **config: Any) -> None:
        super().__init__(_no_lab(directory), directory, front_ends=front_ends)
        self.config.update(config)
        self._take(self._state(front_ends, leader))

    def take(self, exported: Mapping[str, Any]) -> None:
        """Have that as the state, as ``pulumi stack export`` wrote it."""
        self._take(exported)

    def rows(self, *options: str) -> tuple[dict[str, str], str]:
        """Preview: each resource with a row, what happens to it; and all that was printed."""
        run = self.preview("--color=never", *options)
        assert run.ok, run.output
        return rows(run.output), run.output

    def _take(self, exported: Mapping[str, Any]) -> None:
        self._write_config()
        self._select()
        try:
            self._ask("stack", "import", given=json.dumps(exported))
        except subprocess.CalledProcessError as error:
            raise AssertionError(error.stderr) from None

    def _state(self, names: list[str], leader: str) -> dict[str, Any]:
        raw = {
            f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in {**self.config, **self.secrets}.items()
        }
        answers = _Built(names, leader)
        monitor = _Monitor(answers)
        mocks.set_mocks(answers, PROJECT, "lab", preview=False, monitor=monitor)
        outputs: dict[str, Any] = {}

        @mocks.test  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
        def build() -> pulumi.Output[None]:
            zone = HighAvailableZone("zone", parse(raw))
            return pulumi.Output.all(**zone.outputs()).apply(outputs.update)

        build()
        stack = f"urn:pulumi:lab::{PROJECT}::pulumi:pulumi:Stack::{PROJECT}-lab"
        resources: list[dict[str, Any]] = [
            {
                "urn": stack,
                "custom": False,
                "type": "pulumi:pulumi:Stack",
                "outputs": {key: value for key, value in outputs.items() if value is not None},
            },
            {
                "urn": PROVIDER,
                "custom": True,
                "id": PROVIDER_ID,
                "type": "pulumi:providers:pulumi-python",
            },
        ]
        urns = {"": stack}
        for request, answered in monitor.requests:
            if request.type == "pulumi:pulumi:Stack":
                urns[answered] = stack
                continue
            above = urns[request.parent].split("::")[2]
            types = request.type if urns[request.parent] == stack else f"{above}${request.type}"
            urns[answered] = f"urn:pulumi:lab::{PROJECT}::{types}::{request.name}"
            inputs = {
                key: _kept(value)
                for key, value in rpc.deserialize_properties(request.object).items()
            }
            resource: dict[str, Any] = {
                "urn": urns[answered],
                "custom": request.custom,
                "type": request.type,
                "parent": urns[request.parent],
            }
            if request.custom:
                kind = request.type.rpartition(":")[2]
                resource |= {
                    "id": request.name,
                    "inputs": inputs,
                    "outputs": {**inputs, **answers.seen(kind, request.name)},
                    "dependencies": sorted(urns[one] for one in request.dependencies),
                    "provider": f"{PROVIDER}::{PROVIDER_ID}",
                }
            resources.append(resource)
        salt = yaml.safe_load(self._write_config().read_text())["encryptionsalt"]
        return {
            "version": 3,
            "deployment": {
                "manifest": {},
                "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
                "resources": resources,
            },
        }


def rows(output: str) -> dict[str, str]:
    """The resources that a preview shows a row of: by ``Kind name``, what happens and the diff."""
    found = {}
    for line in output.splitlines():
        if row := re.search(r"^ ([-+~]+|\+-) +(?:[│├└─ ]*)\S*?([A-Za-z]+) +(\S+) +(.*)$", line):
            found[f"{row[2]} {row[3]}"] = " ".join(row[4].split())
    return found


def _kept(value: Any) -> Any:
    """As a state holds it."""
    if rpc.is_rpc_secret(value):
        return {SIGNATURE: SECRET_SIGNATURE, "plaintext": json.dumps(rpc.unwrap_rpc_secret(value))}
    return value


def _no_lab(directory: Path) -> Lab:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "known_hosts").touch()
    lab: Any = _NoLab(directory)
    return lab  # type: ignore[no-any-return]


os.environ.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
