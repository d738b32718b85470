"""Previews of the real program, on the real CLI, for a zone that exists only as a state.

``python -m tests.engine.reviews`` writes those of docs/review.md.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
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
_VIP = {"one_vip": "10.2.50.86", "one_vip_cidr": 24, "one_vip_if": "eth0"}
PROVIDER = f"urn:pulumi:lab::{PROJECT}::pulumi:providers:pulumi-python::default"
PROVIDER_ID = "6d5b3e0e-7f0c-4f5e-8a43-0f6f0f0f0f0f"
PHASES = (
    "HighAvailableZone",
    "FrontEnd",
    "Preflight",
    "Installation",
    "Bootstrap",
    "LoginKeys",
    "Zone",
    "ZoneMember",
    "Rollout",
    "VirtualIp",
    "WebServer",
)
PAGE = Path(__file__).parents[2] / "docs" / "review.md"
BLOCK = re.compile(r"<!-- preview: ([^\n]+) -->\n```\n(.*?)\n```", re.DOTALL)
BUILT_AT = "2026-01-02T03:04:05.678+00:00"


@dataclass(frozen=True)
class Scenario:
    """A change of a stack with this number of front-ends; the first led at the last run."""

    config: Mapping[str, Any] = field(default_factory=dict)
    front_ends: tuple[int, ...] = (1, 2, 3)
    was: int = 3
    """The number of front-ends; 0 for a new stack."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    drift: Mapping[str, str] = field(default_factory=dict)
    """What a refresh reported, by resource."""


SCENARIOS = {
    "no change": Scenario(),
    "a new stack": Scenario(was=0),
    "add front-ends": Scenario(front_ends=(1, 2, 3, 4, 5)),
    "remove front-ends": Scenario(front_ends=(2, 4, 5), was=5),
    "from one to three": Scenario(was=1),
    "replace a lost host": Scenario({"lost": ["n1a3"]}, front_ends=(1, 2, 4)),
    "oned.conf": Scenario({"oned": {"LOG": {"DEBUG_LEVEL": 4}}}),
    "oneadmin's password": Scenario(secrets={"one_pass": "another-canary-one-pass"}),
    "VIP": Scenario({"one_vip": "10.2.50.87"}),
    "keep_dumps": Scenario({"keep_dumps": 20}),
    "timed dumps": Scenario({"backup": {"schedule": "daily", "copy_to": "/mnt/backups"}}),
    "patch version": Scenario({"one_version": "7.2.1"}),
    "another database": Scenario({"one_version": "7.4", "upgrade_database": "7.4"}),
    "manual changes": Scenario(
        drift={"Installation n1a2": "oned.conf: LOG", "ZoneMember n1a3": "its oned is stopped"}
    ),
}


class _Machine:
    def __init__(self, name: str) -> None:
        self.name, self.address = name, f"10.2.50.{9 + int(name.rpartition('a')[2])}"


class _NoLab:
    """The parts of a lab that an Operator needs for previews."""

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
    """Return each resource as its create leaves it; the first front-end is the leader."""

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
    """An operator who previews changes of a stack whose last ``up`` succeeded."""

    def __init__(
        self, directory: Path, front_ends: list[str], leader: str = "", *, salt: str = ""
    ) -> None:
        """Set ``leader`` (empty for a new stack) and ``salt``, that of the secrets of a former
        state.
        """
        super().__init__(_no_lab(directory), directory, front_ends=front_ends)
        self.config["one_version"] = "7.2"
        if len(front_ends) == 1:
            for key in _VIP:
                del self.config[key]
        if salt:
            text = yaml.safe_dump({"encryptionsalt": salt, "config": {}})
            self._file.write_text(text)
        if leader:
            self.take(self._state(front_ends, leader))

    def take(self, exported: Mapping[str, Any]) -> None:
        """Import that state, as ``pulumi stack export`` wrote it."""
        self._write_config()
        self._select()
        self._ask("stack", "import", given=json.dumps(exported))

    def review(self, scenario: Scenario) -> str:
        """Preview only that change."""
        config, secrets, state = dict(self.config), dict(self.secrets), ""
        names = [f"n1a{number}" for number in scenario.front_ends]
        vip = _VIP if len(names) > 1 else {}
        self.config |= {**vip, **scenario.config, "frontends": self.list_of(names)}
        self.secrets |= scenario.secrets
        if scenario.drift:
            state = self._ask("stack", "export")
            self.take(_drifted(json.loads(state), scenario.drift))
        try:
            return shown(self.rows()[1])
        finally:
            self.config, self.secrets = config, secrets
            if state:
                self.take(json.loads(state))

    def rows(self, *options: str) -> tuple[dict[str, str], str]:
        """Preview; return each resource that has a row with its action, and all output."""
        run = self.preview("--color=never", *options)
        assert run.ok, run.output
        return rows(run.output), run.output

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
        urns = {"": stack, stack: stack}
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


def shown(output: str) -> str:
    """Return a preview in the order of the phases: the CLI prints in order of completion, with
    repeated rows.
    """
    output = output.replace("pulumi-python:dynamic/opennebula:", "").replace(
        "opennebula-ha:zone:", ""
    )
    found: dict[str, str] = {}
    for line in output.splitlines():
        if row := re.match(r"^ ( ?[-+~]+) +([A-Za-z]+) +(\S+) +([a-z]+( \[diff: \S+\])?)", line):
            found[f"{row[2]} {row[3]}"] = f" {row[1].strip():2} {row[2]:<18}{row[3]:<6}{row[4]}"
    said = re.findall(r"^  ([A-Za-z]+ \([^)]+\)):\n((?:    .*\n)+)", output, re.MULTILINE)
    parts = ["\n".join(found[key] for key in sorted(found, key=_place))]
    # The CLI cuts no line; a page does.
    parts += [
        "\n".join([f"{about}:", *(f"  {line.strip()}" for line in lines.splitlines())])
        for about, lines in sorted(said, key=lambda one: _place(one[0]))
    ]
    parts += [
        " ".join(total[0].split())
        for total in re.findall(r"^Resources:\n((?:    .*\n)+)", output, re.MULTILINE)
        for total in [(re.sub(r"\n +", ", ", total.strip()),)]
    ]
    return "\n\n".join(filter(None, parts))


def _place(row: str) -> tuple[int, str]:
    kind = row.split(maxsplit=1)[0]
    return PHASES.index(kind) if kind in PHASES else -1, row


def rows(output: str) -> dict[str, str]:
    """Return the resources that a preview lists, by ``Kind name``, with their action and diff."""
    found = {}
    for line in output.splitlines():
        if row := re.search(r"^ ([-+~]+|\+-) +(?:[│├└─ ]*)\S*?([A-Za-z]+) +(\S+) +(.*)$", line):
            found[f"{row[2]} {row[3]}"] = " ".join(row[4].split())
    return found


def _kept(value: Any) -> Any:
    """Return the value as a state stores it."""
    if rpc.is_rpc_secret(value):
        return {SIGNATURE: SECRET_SIGNATURE, "plaintext": json.dumps(rpc.unwrap_rpc_secret(value))}
    return value


def _no_lab(directory: Path) -> Lab:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "known_hosts").touch()
    lab: Any = _NoLab(directory)
    return lab  # type: ignore[no-any-return]


def _drifted(state: dict[str, Any], drift: Mapping[str, str]) -> dict[str, Any]:
    for one in state["deployment"]["resources"]:
        _, _, types, name = one["urn"].split("::")
        if what := drift.get(f"{types.rpartition(':')[2]} {name}"):
            one["outputs"]["drift"] = [what]
    return state


def of_size(directory: Path, servers: int) -> Reviewer:
    """Return a reviewer with a stack of this number of front-ends; without front-ends it is new."""
    names = [f"n1a{number}" for number in range(1, (servers or 3) + 1)]
    return Reviewer(directory / str(servers), names, "n1a1" if servers else "")


def blocks(text: str) -> dict[str, str]:
    """Return the previews on the page, by title."""
    return dict(BLOCK.findall(text))


def main() -> None:
    """Write the previews to the page."""
    with tempfile.TemporaryDirectory() as directory:
        stacks = {n: of_size(Path(directory), n) for n in {s.was for s in SCENARIOS.values()}}
        new = {title: stacks[s.was].review(s) for title, s in SCENARIOS.items()}
    text = PAGE.read_text()
    page = BLOCK.sub(lambda at: f"<!-- preview: {at[1]} -->\n```\n{new[at[1]]}\n```", text)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
