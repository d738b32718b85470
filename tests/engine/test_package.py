"""The wheel: what is in it, and a program of another project that uses it on the CLI."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.pulumi import cli
from settings.model import SECRETS, Settings
from tests.engine.playground import PASSPHRASE, crypter, salt

EXAMPLES = cli.ROOT / "examples"
WITHOUT_HOSTS = cli.ROOT / "tests" / "engine" / "programs" / "without_hosts.py"
PAGE = cli.ROOT / "docs" / "guides" / "own-program.md"
PACKAGES = (
    *("opennebula_ha", "settings", "commands", "components", "providers", "procedures"),
    *("opennebula", "hosts"),
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, install it into a folder, and return that."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "requirements.in"):
        shutil.copy(cli.ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(cli.ROOT / name, source / name)
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("opennebula_ha-*.whl")
    _pip("install", "--target", str(folder / "installed"), str(wheel))
    return folder / "installed"


def _pip(*words: str) -> None:
    offline = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", words[0], *offline, *words[1:]], check=True)


def test_the_wheel_has_each_file_of_the_program(installed: Path) -> None:
    for name in PACKAGES:
        for file in (cli.ROOT / name).rglob("*.*"):
            path = file.relative_to(cli.ROOT)
            if file.is_file() and not {"__pycache__", "convert"} & {*path.parts}:
                assert (installed / path).read_bytes() == file.read_bytes(), path


def test_the_wheel_needs_what_the_program_needs(installed: Path) -> None:
    (metadata,) = installed.glob("opennebula_ha-*.dist-info/METADATA")
    needs = {
        line.removeprefix("Requires-Dist: ")
        for line in metadata.read_text(encoding="utf-8").splitlines()
        if line.startswith("Requires-Dist: ")
    }
    lines = (cli.ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    assert needs == {line for line in lines if line and not line.startswith("#")}


def test_the_changelog_has_the_version(installed: Path) -> None:
    (folder,) = installed.glob("opennebula_ha-*.dist-info")
    version = folder.name.removeprefix("opennebula_ha-").removesuffix(".dist-info")
    text = (cli.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in text


def test_the_page_shows_the_files_of_the_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    files = [file for file in EXAMPLES.glob("*/*") if file.is_file()]
    assert len(files) == 7
    for file in files:
        assert f"\n{file.read_text(encoding='utf-8')}```\n" in text, file.name


class Program:
    """A copy of an example, with the wheel in its environment and not this repository."""

    def __init__(self, folder: Path, installed: Path, example: str) -> None:
        self._folder = folder / "program"
        shutil.copytree(EXAMPLES / example, self._folder, ignore=shutil.ignore_patterns("__py*"))
        self._edit(self._folder / "Pulumi.yaml", {})
        backend = folder / "backend"
        backend.mkdir()
        self._environment = {
            **cli.environment(backend, PASSPHRASE, "dev"),
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / "home"),
            "PYTHONPATH": str(installed),
        }
        self("stack", "init", "dev")
        self._write_config()

    @staticmethod
    def _edit(file: Path, more: dict[str, Any]) -> None:
        """Let a project or plugin use this environment; add ``more`` to its file."""
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        document["runtime"]["options"]["virtualenv"] = sys.prefix
        file.write_text(yaml.safe_dump({**document, **more}), encoding="utf-8")

    def _write_config(self) -> None:
        text = (self._folder / "Pulumi.dev.yaml.example").read_text(encoding="utf-8")
        config = yaml.safe_load(text)["config"]
        for key in ("one_pass", "db_password"):
            config[f"opennebula-ha:{key}"] = {"secure": crypter().encrypt(f"canary-of-{key}")}
        # Addresses that answer nowhere, and no key: nothing connects.
        for number, front_end in enumerate(config["opennebula-ha:frontends"].values(), 1):
            if "address" in front_end:
                front_end["address"] = f"192.0.2.{number}"
        if "my-machines:network" in config:
            config["my-machines:network"] = "192.0.2.0/24"
        config["opennebula-ha:one_vip"] = "192.0.2.86"
        config["opennebula-ha:ssh"] = {"private_key_file": "/nowhere/id_ed25519"}
        document = {"encryptionsalt": salt(), "config": config}
        (self._folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        print(done.stdout, done.stderr)
        return done

    def set(self, key: str, value: str) -> None:
        """Change a value of the config."""
        file = self._folder / "Pulumi.dev.yaml"
        document = yaml.safe_load(file.read_text())
        document["config"][key] = value
        file.write_text(yaml.safe_dump(document))

    def leave_out_hosts(self) -> None:
        """Have the zone's operations succeed without hosts, and be recorded."""
        folder = self._folder.parent / "site"
        folder.mkdir()
        shutil.copy(WITHOUT_HOSTS, folder / "sitecustomize.py")
        self._environment["PYTHONPATH"] = f"{folder}:{self._environment['PYTHONPATH']}"

    def use_package(self, text: str) -> Path:
        """Make this the program, which uses the component package; return the package's folder."""
        folder = self._folder.parent / "package"
        shutil.copytree(cli.ROOT / "package", folder, ignore=shutil.ignore_patterns("__py*"))
        # The environment is this one: nothing is installed.
        (folder / "requirements.txt").unlink()
        self._edit(folder / "PulumiPlugin.yaml", {})
        plugins = {"providers": [{"name": "opennebula-ha", "path": str(folder)}]}
        self._edit(self._folder / "Pulumi.yaml", {"plugins": plugins})
        (self._folder / "__main__.py").write_text(text)
        return folder

    def schema(self, package: Path) -> Any:
        """Return the schema of the package. Its folder alone would be installed first."""
        plugin = package.parent / "pulumi-resource-opennebula-ha"
        plugin.write_text(f'#!/bin/sh\nexec {sys.executable} -u {package} "$@"\n')
        plugin.chmod(0o755)
        return json.loads(self("package", "get-schema", str(plugin)).stdout)

    def unprotect(self) -> None:
        """Let Pulumi replace and delete the machines."""
        file = self._folder / "__main__.py"
        file.write_text(file.read_text().replace("protect=True", "protect=False"))

    def calls(self) -> list[tuple[str, str, dict[str, str]]]:
        """Return the operations since the last call: method, kind, the provider's front-ends."""
        file = self._folder / "calls.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [tuple(json.loads(line)) for line in lines]


@pytest.fixture
def program(tmp_path: Path, installed: Path) -> Program:
    return Program(tmp_path, installed, "own_program")


@pytest.fixture
def machines(tmp_path: Path, installed: Path) -> Program:
    program = Program(tmp_path, installed, "own_machines")
    program.leave_out_hosts()
    return program


def test_a_program_of_ones_own_previews_the_zone(program: Program) -> None:
    previewed = program("preview", "--json")
    assert previewed.returncode == 0
    urns = [step["urn"] for step in json.loads(previewed.stdout)["steps"]]
    assert all("::my-cloud::" in urn for urn in urns)
    kinds = [urn.split("::")[2].rpartition(":")[2] for urn in urns]
    assert kinds.count("Installation") == kinds.count("ZoneMember") == 3
    assert "HighAvailableZone" in kinds


def test_its_providers_run_from_the_wheel(program: Program) -> None:
    built = program("up", "--yes", "--skip-preview")
    assert built.returncode != 0
    for name in ("n1a1", "n1a2", "n1a3"):
        assert f"{name}: read the SSH key: expected " in built.stdout
    assert "  see docs/troubleshooting.md#log-in\n" in built.stdout
    assert "Traceback" not in built.stdout


def test_its_config_is_checked_before_anything_runs(program: Program) -> None:
    program.set("opennebula-ha:one_version", "seven")
    previewed = program("preview")
    assert previewed.returncode != 0
    assert "opennebula-ha:one_version: expected a version" in previewed.stdout
    assert "  see docs/troubleshooting.md#config-faults" in previewed.stdout


KNOWN = {f"n1a{number}": f"192.0.2.{9 + number}" for number in (1, 2, 3)}
KINDS = {
    *("Preflight", "Installation", "Bootstrap", "Zone", "ZoneMember", "Rollout", "VirtualIp"),
}


def test_a_zone_gets_the_addresses_of_machines_of_the_same_program(machines: Program) -> None:
    previewed = machines("preview")
    assert previewed.returncode == 0
    assert (
        "the addresses of n1a1, n1a2, n1a3 are not known until these hosts exist: up checks them"
        " before it changes anything on a front-end" in previewed.stdout
    )
    assert machines.calls() == []
    machines.unprotect()
    assert machines("up", "--yes", "--skip-preview").returncode == 0
    created = machines.calls()
    assert {kind for method, kind, _ in created if method == "create"} == KINDS
    assert all(known == KNOWN for *_, known in created)
    # Other machines: the front-ends are the same ones, and none is uninstalled.
    machines.set("my-machines:network", "192.0.2.0/25")
    changed = machines("preview", "--json")
    steps = [
        (step["op"], step["urn"].split("::")[2]) for step in json.loads(changed.stdout)["steps"]
    ]
    replaced = {kind for op, kind in steps if "replace" in op}
    assert replaced == {"pulumi-python:dynamic/example:Machine"}
    assert "n1a1, n1a2 and n1a3 get addresses not known yet: new machines have no data" in (
        changed.stdout
    )
    machines.set("my-machines:network", "192.0.2.0/24")
    # These have no program: the addresses are those of the state.
    assert machines("refresh", "--yes", "--skip-preview", "--expect-no-changes").returncode == 0
    assert machines("destroy", "--yes", "--skip-preview").returncode == 0
    later = machines.calls()
    assert {kind for method, kind, _ in later if method == "read"} == KINDS
    assert {"Zone", "Installation"} <= {kind for method, kind, _ in later if method == "delete"}
    assert all(known == KNOWN for *_, known in later)


def test_addresses_of_machines_are_checked_before_anything_changes(machines: Program) -> None:
    machines.set("my-machines:network", "198.51.100.0/24")
    built = machines("up", "--yes", "--skip-preview")
    assert built.returncode != 0
    assert "one_vip: 192.0.2.86/24 is not in a subnet with n1a1 at 198.51.100.10;" in built.stdout
    assert "Traceback" not in built.stdout
    assert machines.calls() == []


CONSUMER = """\
import pulumi
from machine import Machine


class Zone(pulumi.ComponentResource):
    def __init__(self, addresses: object) -> None:
        props = {"addresses": addresses, "endpoint": None}
        super().__init__(
            "opennebula-ha:index:HighAvailableZone", "zone", props, None, remote=True
        )


names = ("n1a1", "n1a2", "n1a3")
machines = {name: Machine(name, "192.0.2.0/24", 9 + int(name[-1])) for name in names}
zone = Zone({name: machine.address for name, machine in machines.items()})
pulumi.export("endpoint", zone.endpoint)
"""
"""What an SDK that Pulumi generated from the schema does."""


def test_the_component_package_makes_the_same_resources(machines: Program) -> None:
    machines.use_package(CONSUMER)
    built = machines("up", "--yes", "--skip-preview")
    assert built.returncode == 0
    created = machines.calls()
    assert {kind for method, kind, _ in created if method == "create"} == KINDS
    assert all(known == KNOWN for *_, known in created)
    assert json.loads(machines("stack", "output", "--json").stdout) == {
        "endpoint": "http://192.0.2.86:2633/RPC2"
    }
    assert "Traceback" not in built.stdout
    machines.set("opennebula-ha:one_version", "seven")
    refused = machines("preview").stdout
    assert "resource 'zone' has a problem: the stack's config has faults:\n" in refused
    assert "opennebula-ha:one_version: expected a version" in refused
    # Programs in Python alone show a traceback of their own.
    assert "settings/parse.py" not in refused


def test_the_schema_has_the_types_of_all_inputs(machines: Program) -> None:
    schema = machines.schema(machines.use_package(CONSUMER))
    component = schema["resources"]["opennebula-ha:index:HighAvailableZone"]
    assert component["isComponent"]
    assert component["inputProperties"]["addresses"]["additionalProperties"] == {"type": "string"}
    assert {"endpoint", "servers", "backups", "status"} == component["properties"].keys()
    variables = schema["config"]["variables"]
    assert variables.keys() == Settings.model_fields.keys()
    assert all(variable["description"] for variable in variables.values())
    assert {key for key, variable in variables.items() if variable.get("secret")} == {*SECRETS}
    front_end = {"$ref": "#/types/opennebula-ha:index:FrontEnd"}
    assert variables["frontends"]["additionalProperties"] == front_end
    assert variables["force_ha"]["type"] == "boolean"
    assert variables["one_vip_cidr"]["type"] == "integer"
    ssh = schema["types"]["opennebula-ha:index:SshSettings"]["properties"]
    assert {key for key, value in ssh.items() if value.get("secret")} == {
        "private_key",
        "sudo_password",
    }
    assert all(value["description"] for value in ssh.values())
