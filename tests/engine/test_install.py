"""Where the Pulumi CLI comes from: each source in its order, on machines without the others."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.pulumi.cli import ROOT

FILES = (
    *("scripts/install-pulumi", "Pulumi.yaml"),
    *("lab/pulumi/go.mod", "lab/pulumi/go.sum", "lab/pulumi/language/main.go"),
)
TOOLS = (
    *("awk", "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "flock", "install", "ln"),
    *("mkdir", "mktemp", "mv", "readlink", "rm", "sed", "sha256sum", "sh", "sort", "stat", "tail"),
    *("timeout", "touch", "tr", "uname", "wc"),
)
PROGRAMS = (
    *("pulumi", "pulumi-language-python"),
    *("pulumi-language-python-exec", "pulumi-resource-pulumi-python"),
)
INSTALLER = """
mkdir -p "$5/bin"
echo "$0 $*" >"$5/bin/pulumi"
chmod +x "$5/bin/pulumi"
"""
GO = """
case "$1 $2" in
    "env GOVERSION") echo go1.26.8 ;;
    "mod download")
        version=$(sed -n 's|.*/pkg/v3 ||p' go.mod)
        modules="$GOMODCACHE/github.com/pulumi/pulumi"
        sdk="$modules/sdk/v3@$version/python"
        mkdir -p "$modules/pkg/v3@$version" "$sdk/cmd" "$sdk/dist"
        touch "$sdk/cmd/pulumi-language-python-exec" "$sdk/dist/pulumi-resource-pulumi-python"
        ;;
    "list -mod=readonly") printf '%s\\n' 1 2 3 4 5 6 7 8 9 10 ;;
    "build -v")
        printf '%s\\n' 1 2 3 4 5 6 7 8 9 10
        printf '#!/bin/sh\\n' >"$6"
        chmod +x "$6"
        ;;
esac
"""


@dataclass
class Machine:
    """A checkout on a machine that has few commands."""

    folder: Path

    def __post_init__(self) -> None:
        self.clone("checkout")
        (self.folder / "bin").mkdir()
        (self.folder / "tmp").mkdir()
        for tool in TOOLS:
            where = shutil.which(tool)
            assert where, tool
            (self.folder / "bin" / tool).symlink_to(where)

    def clone(self, name: str) -> None:
        for file in FILES:
            target = self.folder / name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)

    def has(self, command: str, text: str) -> None:
        path = self.folder / "bin" / command
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def install(self, checkout: str = "checkout") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / checkout / "scripts/install-pulumi"],
            env={
                "PATH": str(self.folder / "bin"),
                "HOME": str(self.folder),
                "TMPDIR": str(self.folder / "tmp"),
                "LAB_CACHE": str(self.folder / "cache"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_cli_on_path_is_used(machine: Machine) -> None:
    machine.has("pulumi", "echo v3.300.0")
    done = machine.install()
    assert done.returncode == 0
    where = machine.folder / "bin/pulumi"
    assert done.stderr == f"setup: using the Pulumi CLI on PATH: {where}, v3.300.0\n"
    # It is printed once.
    assert machine.install().stderr == ""


def test_the_error_lists_all_sources_if_none_is_available(machine: Machine) -> None:
    machine.has("pulumi", "echo v3.99.0")
    machine.has("curl", "exit 6")
    machine.has("go", "echo go1.19.8")
    done = machine.install()
    assert done.returncode == 1
    assert "is v3.99.0, 3.260.0 or later is needed" in done.stderr
    for way in ("https://www.pulumi.com/docs/install/", "https://get.pulumi.com", "GOPROXY"):
        assert way in done.stderr


def test_pulumis_installer_is_preferred_to_a_build(machine: Machine) -> None:
    machine.has("curl", f"cat >.pulumi/install.sh <<'END'\n{INSTALLER}END\n")
    machine.has("go", GO)
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "installed the Pulumi CLI" in done.stderr
    said = (machine.folder / "checkout/.pulumi/bin/pulumi").read_text()
    assert "--version 3." in said
    assert machine.install().stderr == ""


def test_a_build_leaves_only_the_cli_also_for_other_checkouts(
    machine: Machine,
) -> None:
    machine.has("curl", "exit 6")
    machine.has("go", GO)
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "setup: compiled 50 %\n" in done.stderr
    bin_ = machine.folder / "checkout/.pulumi/bin"
    for name in PROGRAMS:
        assert os.access(bin_ / name, os.X_OK), name
    assert not list((machine.folder / "tmp").iterdir())
    assert machine.install().stderr == ""
    (machine.folder / "bin/go").unlink()
    machine.clone("other")
    assert machine.install("other").returncode == 0
    assert (machine.folder / "other/.pulumi/bin/pulumi").exists()


def test_a_changed_language_host_is_built_again(machine: Machine) -> None:
    machine.has("curl", "exit 6")
    machine.has("go", GO)
    assert machine.install().returncode == 0
    with (machine.folder / "checkout/lab/pulumi/language/main.go").open("a") as source:
        source.write("// changed\n")
    assert "setup: compiled 50 %\n" in machine.install().stderr


def test_a_failed_build_reports_the_reason(machine: Machine) -> None:
    machine.has("curl", "exit 6")
    broken = 'case "$1" in env) echo go1.26.8 ;; *) echo "no such host" >&2; exit 1 ;; esac'
    machine.has("go", broken)
    done = machine.install()
    assert done.returncode == 1
    assert "no such host" in done.stderr
    assert "there is no Pulumi CLI" in done.stderr
    assert not list((machine.folder / "tmp").iterdir())
