"""`make convert` as a user runs it: the stack's file, the printed commands, mistakes."""

import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from commands.convert.__main__ import main
from tests.convert.cases import ONE, THREE, ha, only
from tests.convert.sealing import PASSWORD, sealed, value

ROOT = Path(__file__).parents[2]
AFRESH = (".git", "stacks", "scripts", "tests", ".pytest_cache")
INVENTORY = ha(f"    one_token: {value('hush:token', 6)}\n")["inventory.yml"]
FILE = "stacks/Pulumi.production.yaml"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a checkout of this project without stacks, and change to it."""
    folder = tmp_path / "checkout"
    (folder / "stacks").mkdir(parents=True)
    (folder / "state").mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in AFRESH:
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{folder}/state")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    monkeypatch.setenv("PULUMI_SKIP_UPDATE_CHECK", "true")
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    return folder


def shell(command: str) -> str:
    """Run it as a user types it; return its output."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_report_lead_to_a_preview_that_adopts(checkout: Path) -> None:
    Path("inventory.yml").write_text(INVENTORY, encoding="utf-8")
    Path("vault").write_text(f"{PASSWORD}\n", encoding="utf-8")
    report = shell("make -s convert INVENTORY=inventory.yml STACK=production VAULT=vault")
    assert "read by ansible-core" in report
    assert f"{FILE} is written. It is valid once its secrets are set." in report
    text = Path(FILE).read_text(encoding="utf-8")
    assert "hush" not in report + text
    steps = [line.strip() for line in report.partition("Next, ")[2].splitlines()[1:]]
    assert (steps[0], steps[-1]) == ("make setup", "make preview STACK=production")
    for step in steps[1:-1]:
        shell(step)
    for key, expected in (("one_pass", "hush-one"), ("one_token", "hush:token")):
        assert shell(f"scripts/pulumi production config get {key}").strip() == expected
    preview = shell("scripts/pulumi production preview")
    assert "a zone that runs on these front-ends is adopted" in preview
    written = yaml.safe_load(Path(FILE).read_text(encoding="utf-8"))
    assert set(written["config"]["opennebula-ha:db_password"]) == {"secure"}


def test_an_existing_file_is_kept_unless_replacement_is_requested(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("inventory.yml").write_text(ha()["inventory.yml"], encoding="utf-8")
    before = (
        "encryptionsalt: v1:x\nconfig:\n  opennebula-ha:one_pass: {secure: v1:kept}\n"
        "  opennebula-ha:zone_name: mine\n"
    )
    Path(FILE).write_text(before, encoding="utf-8")
    assert main(["inventory.yml"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert Path(FILE).read_text(encoding="utf-8") == before
    assert main(["--force", "inventory.yml"]) == 0
    written = yaml.safe_load(Path(FILE).read_text(encoding="utf-8"))
    assert written["encryptionsalt"] == "v1:x"
    assert written["config"]["opennebula-ha:one_pass"] == {"secure": "v1:kept"}
    assert "opennebula-ha:zone_name" not in written["config"]
    assert written["config"]["opennebula-ha:one_vip"] == "10.2.50.86"


def test_a_secret_is_written_only_to_a_pipe(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("inventory.yml").write_text(INVENTORY, encoding="utf-8")
    assert main(["--secret", "one_pass", "inventory.yml"]) == 0
    assert capsys.readouterr().out == "hush-one"
    assert main(["--secret", "one_token", "inventory.yml"]) == 1
    assert "--vault-password-file" in capsys.readouterr().err
    assert main(["--secret", "zone_name", "inventory.yml"]) == 1
    assert "no secret" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["--secret", "one_pass", "inventory.yml"]) == 1
    captured = capsys.readouterr()
    assert "not printed on the screen" in captured.err
    assert "hush" not in captured.out + captured.err


def test_the_password_may_come_from_a_program(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("inventory.yml").write_text(INVENTORY, encoding="utf-8")
    program = Path("password")
    program.write_text(f"#!/bin/sh\necho {shlex.quote(PASSWORD)}\n", encoding="utf-8")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(program))
    assert main(["--secret", "one_token", "inventory.yml"]) == 0
    assert capsys.readouterr().out == "hush:token"


def binary(folder: Path) -> None:
    (folder / "inventory.yml").write_bytes(b"\xff\xfe\x00\x01")


def executable(folder: Path) -> None:
    (folder / "inventory").chmod(stat.S_IRWXU)


def broken_link(folder: Path) -> None:
    (folder / "i/b").symlink_to("gone")


class Mistake(NamedTuple):
    """Files of an inventory, the converter's arguments, and its message."""

    files: Mapping[str, str]
    arguments: tuple[str, ...]
    says: str
    prepare: Callable[[Path], None] = lambda _: None


MISTAKES = {
    "no inventory": Mistake({}, ("gone.yml",), "gone.yml: there is no such inventory"),
    "no name": Mistake({}, ("",), "make convert INVENTORY=inventory.yml"),
    "an empty file": Mistake({"a.yml": ""}, ("a.yml",), "GROUP=NAME"),
    "a list": Mistake(
        {"a.yml": "- x\n"}, ("a.yml",), "a.yml: YAML inventory has invalid structure"
    ),
    "a tab": Mistake({"a.yml": "all:\n\tvars: {}\n"}, ("a.yml",), "a.yml line 2: not valid YAML"),
    "a quote": Mistake({"a.yml": "all: {vars: {x: 'y}}\n"}, ("a.yml",), "not valid YAML"),
    "an unknown tag": Mistake({"a.yml": "all: {vars: {x: !mine y}}\n"}, ("a.yml",), "!mine"),
    "an anchor that is not there": Mistake({"a.yml": "all: {vars: *x}\n"}, ("a.yml",), "line 1"),
    "anchors in a circle": Mistake(
        {"a.yml": "all: {vars: {x: &x {y: *x}}}\n" + ONE}, ("a.yml",), "contain themselves"
    ),
    "groups in a circle": Mistake(
        {"a": "[frontend]\nx\n[a:children]\nb\n[b:children]\na\n"},
        ("a",),
        "a recursive dependency loop",
    ),
    "a key without a date": Mistake(
        {"a.yml": "all: {vars: {x: 2026-13-45}}\n" + ONE}, ("a.yml",), "not valid YAML"
    ),
    "no front-ends": Mistake({"a.yml": "web: {hosts: {w: {}}}\n"}, ("a.yml",), "GROUP=NAME"),
    "an empty group": Mistake({"a.yml": "frontend: {hosts: }\n"}, ("a.yml",), "GROUP=NAME"),
    "hosts as a number": Mistake(
        {"a.yml": "frontend: {hosts: 3}\n"}, ("a.yml",), 'Invalid "hosts" entry'
    ),
    "hosts as lists": Mistake(
        {"a.yml": "frontend: {hosts: [[n1], {n2: }]}\n"},
        ("a.yml",),
        'Invalid "hosts" entry for "frontend"',
    ),
    "a group as text": Mistake({"a.yml": "frontend: n1a1\n"}, ("a.yml",), "group frontend"),
    "a host as text": Mistake(
        {"a.yml": "frontend: {hosts: {n1: x}}\n"}, ("a.yml",), "expected dictionary and got: x"
    ),
    "a range without an end": Mistake(
        {"a": "[frontend]\nn[3:1]\n"}, ("a",), "a range such as n[1:3]"
    ),
    "a huge range": Mistake({"a": "[frontend]\nn[1:99999999]\n"}, ("a",), "a range such as n[1:3]"),
    "INI without a key": Mistake(
        {"a": "[frontend]\nn1 x\n"}, ("a",), "a line 2: Expected key=value"
    ),
    "INI with a quote": Mistake(
        {"a": "[frontend]\nn1 a='x\n"}, ("a",), "a line 2: Error parsing host definition"
    ),
    "INI with a wrong section": Mistake({"a": "[frontend:hosts2]\nn1\n"}, ("a",), "line 1"),
    "INI with half a section": Mistake(
        {"a": "[frontend\nn1\n"}, ("a",), "host [frontend: expected"
    ),
    "another format": Mistake({"a.toml": "[x]\n"}, ("a.toml",), "a.toml: expected an inventory in"),
    "a broken link": Mistake(
        {"i/a.yml": THREE}, ("i",), "i/b: expected an inventory in", broken_link
    ),
    "a mistake in a folder": Mistake(
        {"i/b": "[x]\ny z\n", "i/c.yml": THREE}, ("i",), "i/b line 2: Expected key=value"
    ),
    "bytes": Mistake({"inventory.yml": ""}, ("inventory.yml",), "text in UTF-8", binary),
    "a program": Mistake(
        {"inventory": "#!/bin/sh\n"}, ("inventory",), "ansible-inventory -i /", executable
    ),
    "a plugin": Mistake(
        {"a.yml": "plugin: amazon.aws.ec2\n"}, ("a.yml",), "the plugin amazon.aws.ec2"
    ),
    "a wrong vault password": Mistake(
        {"a.yml": INVENTORY, "p": "wrong"},
        ("--vault-password-file=p", "a.yml"),
        "one_token: the vault password is wrong",
    ),
    "a wrong password of a file": Mistake(
        {"i/a.yml": THREE, "i/group_vars/all.yml": sealed("x: hush\n"), "p": "wrong"},
        ("--vault-password-file=p", "i"),
        "all.yml: the vault password is wrong",
    ),
    "no password file": Mistake(
        {"a.yml": INVENTORY}, ("--vault-password-file=gone", "a.yml"), "gone: there is no"
    ),
    "an empty password file": Mistake(
        {"a.yml": INVENTORY, "p": "\n"}, ("--vault-password-file=p", "a.yml"), "saw nothing"
    ),
    "a cut vault": Mistake(
        {"i/a.yml": THREE, "i/group_vars/all.yml": sealed("x: hush\n")[:200], "p": PASSWORD},
        ("--vault-password-file=p", "i"),
        "damaged",
    ),
    "a vault of another kind": Mistake(
        {"i/a.yml": THREE, "i/group_vars/all.yml": "$ANSIBLE_VAULT;1.0;AES\n00\n", "p": PASSWORD},
        ("--vault-password-file=p", "i"),
        "expected a vault of AES256",
    ),
    "variables that are a list": Mistake(
        {"i/a.yml": THREE, "i/group_vars/all.yml": "- x\n"},
        ("i",),
        "all.yml: failed to combine variables",
    ),
    "a wrong stack": Mistake(only(""), ("--stack=a/b", "inventory.yml"), "expected a stack's name"),
    "a template that prints itself": Mistake(
        only("    a: '{{ b }}'\n    b: '{{ a }}'\n", "web: {hosts: {}}\n"),
        ("--group=web", "inventory.yml"),
        "GROUP=NAME",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_message_that_says_where(
    name: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, arguments, says, prepare = MISTAKES[name]
    for path, text in files.items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text(text, encoding="utf-8")
    prepare(checkout)
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert "hush" not in captured.err
    assert not list((checkout / "stacks").iterdir())


def test_a_folder_that_cannot_be_written_is_one_message(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("inventory.yml").write_text(ha()["inventory.yml"], encoding="utf-8")
    Path("stacks").rmdir()
    Path("stacks").write_text("a file", encoding="utf-8")
    assert main(["inventory.yml"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_another_group_and_a_group_with_its_own_name(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ha(front_ends=THREE.replace("frontend:", "control:"))["inventory.yml"]
    Path("inventory.yml").write_text(text, encoding="utf-8")
    assert main(["--group=control", "inventory.yml"]) == 0
    report = capsys.readouterr().out
    assert "--group=control --secret one_pass inventory.yml | scripts/pulumi" in report


def test_the_program_itself_never_imports_ansible() -> None:
    for path in [ROOT / "__main__.py", *ROOT.glob("[a-z]*/**/*.py")]:
        if path.name != "ansible_script.py" and not path.is_relative_to(ROOT / "tests"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(from|import) ansible\b", text, re.M), path


def test_the_lock_names_no_host_and_has_every_digest() -> None:
    lock = (ROOT / "requirements-convert.lock").read_text(encoding="utf-8")
    assert "http" not in lock
    assert "ansible-core==" in lock
    assert "--hash=sha256:" in lock
