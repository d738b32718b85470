"""The program itself on an engine, with a login that works on no front-end."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from lab.engine.secrets import Crypter
from tests.engine.playground import PASSPHRASE, ROOT

NAMES = ("n1a1", "n1a2", "n1a3")


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The stand-in for the CLI, on this repository; without a key nobody is even connected to."""
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
    backend.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "lab.engine", *words, "--stack", "try", "--config-file", str(file)],
        cwd=ROOT,
        env={
            **os.environ,
            "HOME": str(directory),
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_wrong_with_all_hosts_is_one_error_and_no_installation_begins(
    tmp_path: Path,
) -> None:
    previewed = run(tmp_path, "preview")
    assert previewed.returncode == 0, previewed.stdout
    assert "opennebula:Preflight zone create" in previewed.stdout
    done = run(tmp_path, "up", "--yes")
    assert done.returncode != 0
    assert "opennebula:Installation" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.count(" error: ") == 1
    for name in NAMES:
        assert f"{name}: read the SSH key: expected " in done.stdout
    exported = run(tmp_path, "stack-export").stdout
    assert "zone:FrontEnd" in exported
    assert "dynamic/opennebula:Preflight" not in exported
