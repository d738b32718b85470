"""The program itself on the engine, with a login that works on no front-end."""

import subprocess
from pathlib import Path

import yaml

from lab.pulumi import cli
from tests.engine.playground import PASSPHRASE
from tests.passphrase import Crypter

NAMES = ("n1a1", "n1a2", "n1a3")


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the CLI on this repository; without a key it cannot connect to any host."""
    file = directory / "Pulumi.try.yaml"
    if not file.exists():
        crypter = Crypter(PASSPHRASE)
        config = {
            "one_version": "7.2",
            "one_pass": {"secure": crypter.encrypt("secret-of-oneadmin")},
            "db_password": {"secure": crypter.encrypt("secret-of-the-database")},
            "frontends": {
                name: {"address": f"192.0.2.{number}"} for number, name in enumerate(NAMES, 1)
            },
            "ssh": {"private_key_file": "/nowhere/id_ed25519"},
        }
        settings = {f"opennebula-ha:{key}": value for key, value in config.items()}
        document = {"encryptionsalt": crypter.state, "config": settings}
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
    backend = directory / "backend"
    environment = {
        **cli.environment(backend, PASSPHRASE, "try"),
        "HOME": str(directory),
        "PULUMI_HOME": str(directory / "home"),
    }
    if not backend.exists():
        backend.mkdir()
        # It writes next to the project file that it finds, which must not be the repository's.
        (directory / "Pulumi.yaml").write_text("name: opennebula-ha\nruntime: python\n")
        init = ["pulumi", "stack", "init", "try"]
        subprocess.run(init, cwd=directory, env=environment, check=True, capture_output=True)
    return subprocess.run(
        ["pulumi", *words, "--config-file", str(file), "--non-interactive"],
        cwd=cli.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_problems_of_all_hosts_are_one_error_before_installation(
    tmp_path: Path,
) -> None:
    previewed = run(tmp_path, "preview")
    assert previewed.returncode == 0, previewed.stdout
    assert "opennebula:Preflight zone create" in previewed.stdout
    done = run(tmp_path, "up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "opennebula:Installation" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    diagnostics = done.stdout.partition("\nDiagnostics:")[2]
    # The CLI adds its own about the stack.
    assert diagnostics.replace("error: update failed", "").count("error: ") == 1
    for name in NAMES:
        assert f"{name}: read the SSH key: expected " in done.stdout
    made = {path.name: path.read_text() for path in (tmp_path / "backend").rglob("try.json")}
    assert "zone:FrontEnd" in made["try.json"]
    assert "dynamic/opennebula:Preflight" not in made["try.json"]


def test_the_labs_stack_can_be_previewed_without_a_lab() -> None:
    stack = cli.ROOT / "stacks/Pulumi.lab.yaml"
    before = stack.read_bytes()
    script = [str(cli.ROOT / "scripts/pulumi"), "lab", "preview", "--non-interactive"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "opennebula-ha-lab" in done.stdout
    assert stack.read_bytes() == before


def test_errors_of_the_script_have_a_remedy() -> None:
    for words, remedy in (
        (["lab"], "scripts/pulumi lab stack export"),
        (["nowhere", "preview"], "Pulumi.production.yaml.example"),
    ):
        script = [str(cli.ROOT / "scripts/pulumi"), *words]
        done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert remedy in done.stderr
