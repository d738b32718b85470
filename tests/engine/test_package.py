"""The wheel: what is in it, and a program of another project that uses it on the CLI."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.pulumi import cli
from tests.engine.playground import PASSPHRASE, crypter, salt

EXAMPLE = cli.ROOT / "examples" / "own_program"
PAGE = cli.ROOT / "docs" / "guides" / "own-program.md"
PACKAGES = (
    *("settings", "commands", "components", "providers", "procedures", "opennebula", "hosts"),
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
    files = [file for file in EXAMPLE.iterdir() if file.is_file()]
    assert len(files) == 3
    for file in files:
        assert f"\n{file.read_text(encoding='utf-8')}```\n" in text, file.name


class Program:
    """A copy of the example, with the wheel in its environment and not this repository."""

    def __init__(self, folder: Path, installed: Path) -> None:
        self._folder = folder / "program"
        shutil.copytree(EXAMPLE, self._folder)
        self._edit_project()
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

    def _edit_project(self) -> None:
        file = self._folder / "Pulumi.yaml"
        project = yaml.safe_load(file.read_text(encoding="utf-8"))
        project["runtime"]["options"]["virtualenv"] = sys.prefix
        file.write_text(yaml.safe_dump(project), encoding="utf-8")

    def _write_config(self) -> None:
        text = (self._folder / "Pulumi.dev.yaml.example").read_text(encoding="utf-8")
        config = yaml.safe_load(text)["config"]
        for key in ("one_pass", "db_password"):
            config[f"opennebula-ha:{key}"] = {"secure": crypter().encrypt(f"canary-of-{key}")}
        # Addresses that answer nowhere, and no key: nothing connects.
        for number, front_end in enumerate(config["opennebula-ha:frontends"].values(), 1):
            front_end["address"] = f"192.0.2.{number}"
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


@pytest.fixture
def program(tmp_path: Path, installed: Path) -> Program:
    return Program(tmp_path, installed)


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
    program("config", "set", "opennebula-ha:one_version", "seven")
    previewed = program("preview")
    assert previewed.returncode != 0
    assert "opennebula-ha:one_version: expected a version" in previewed.stdout
    assert "  see docs/troubleshooting.md#config-faults" in previewed.stdout
