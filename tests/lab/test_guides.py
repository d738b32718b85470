"""The guides of the documentation, followed one after the other as their readers do."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
import yaml

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.guides import FOLDER, Edit, NewFile, Outage, steps
from tests.lab.operators import ROOT, VIP
from tests.lab.traffic import Visitor
from tests.lab.zones import assert_whole, one, wait_for

pytestmark = pytest.mark.lab

COPIED = ("*.md", "docs", "tests", "bench", ".git*", ".lab", ".site", "*_cache", "__pycache__")
"""Files that the copy of the project does not need, or gets as a link."""
DARK = 10.0
"""Seconds for which clients may be without an answer, unless the guide names another limit."""
GROWN = ["n1a1", "n1a2", "n1a3", "n1a4", "n1a5"]
SHRUNK = GROWN[1:4]
REPLACED = ["n1a2", "n1a4", "n1a6"]
ELSEWHERE = ["own-program"]
"""Guides that have their own tests: tests/engine/test_package.py."""
Before = Mapping[str, Callable[[], None]]


class Reader:
    """Works through guides in a copy of the project, inside the network of a lab."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.project = directory / "project"
        shutil.copytree(
            ROOT, self.project, ignore=shutil.ignore_patterns(".venv*", ".pulumi", *COPIED)
        )
        for made in (".venv", ".pulumi"):
            if (ROOT / made).exists():
                (self.project / made).symlink_to(ROOT / made)
        self.file = self.project / "stacks" / "Pulumi.production.yaml"
        self.backend = directory / "backend"
        self.backend.mkdir()
        self._exports: list[str] = []
        self._bin = directory / "bin"
        self._bin.mkdir()
        ssh = self._bin / "ssh"
        ssh.write_text(
            "#!/bin/sh\n"
            f'exec /usr/bin/ssh -i {lab.key} -o UserKnownHostsFile={lab.known_hosts} "$@"\n'
        )
        ssh.chmod(0o755)

    def work_through(
        self, guide: str, before: Before | None = None, visitor: Visitor | None = None
    ) -> None:
        """Run every step of a guide, and check that it does what the guide says.

        ``before`` is an event that happens before the command that begins with its key. Each
        command leaves the ``visitor`` without an answer for as long as the guide says, at most.
        """
        limit = DARK
        for step in steps(guide):
            if isinstance(step, NewFile):
                self.file.write_text(step.text + self._of_the_lab())
            elif isinstance(step, Edit):
                self.file.write_text(step.applied_to(self.file.read_text()))
            elif isinstance(step, Outage):
                limit = step.seconds
            else:
                for begin, happen in (before or {}).items():
                    if step.line.startswith(begin):
                        happen()
                started = time.monotonic()
                output = self.run(step.line)
                assert not step.misses(output), output
                if visitor is not None:
                    end = time.monotonic()
                    wait_for(partial(visitor.answers_after, end), "an answer at the VIP")
                    dark = visitor.longest_dark(started, time.monotonic())
                    print(f"{guide}: {dark:.1f} s without an answer during {step.line}")
                    assert dark < limit, f"{guide}: {step.line}"

    def work_under_traffic(
        self, guide: str, before: Before | None = None, addresses: Sequence[str] = ()
    ) -> None:
        """Do the same while clients connect to the VIP, or to one of these addresses."""
        with Visitor(self.lab, *addresses) as visitor:
            self.work_through(guide, before, visitor)

    def run(self, line: str) -> str:
        """Run a command line of a guide, in a shell that has the previous exports."""
        if line.startswith("export "):
            self._exports.append(line)
        done = self.lab.exec(
            ["bash", "-ec", "\n".join((*self._exports, line))],
            env=self._environment(),
            timeout=600,
            cwd=self.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout

    def forget(self) -> None:
        """Delete the state, but not the stack's file."""
        shutil.rmtree(self.backend)
        self.backend.mkdir()
        self.run("pulumi stack init production")

    def _of_the_lab(self) -> str:
        """Return further keys that are necessary to reach the lab's hosts."""
        keys = {
            "opennebula-ha:repository": {"url": "http://10.2.50.1:8080/opennebula"},
            "opennebula-ha:features": dict.fromkeys(("gui", "flow", "gate", "form"), False),
        }
        ssh = (
            f"    private_key_file: {self.lab.key}\n    known_hosts_file: {self.lab.known_hosts}\n"
        )
        return ssh + "".join(f"  {line}\n" for line in yaml.safe_dump(keys).splitlines())

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.backend.parent / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }


@pytest.fixture(scope="module")
def reader(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    yield Reader(make_module_lab(6, template="mariadb"), tmp_path_factory.mktemp("reader"))


def test_guides_first_stack_grow_and_shrink(reader: Reader) -> None:
    reader.work_through("first-stack")
    one(reader.lab.host("n1a1"), "oneuser create alice secret-of-alice")
    reader.work_under_traffic("grow")
    assert_whole(reader.lab, GROWN)
    reader.work_under_traffic("shrink")
    assert_whole(reader.lab, SHRUNK)


@pytest.mark.campaign
def test_guides_switchover_and_settings(reader: Reader) -> None:
    reader.work_under_traffic("switchover")
    assert assert_whole(reader.lab, SHRUNK) == "n1a2"
    reader.work_under_traffic("settings")
    for name in SHRUNK:
        assert "DEBUG_LEVEL = 4" in reader.lab.host(name).run("cat /etc/one/oned.conf").stdout


@pytest.mark.campaign
def test_guide_replace_a_lost_host(reader: Reader) -> None:
    reader.lab.host("n1a3").kill()
    reader.work_under_traffic("replace")
    assert_whole(reader.lab, REPLACED)


@pytest.mark.campaign
def test_guides_secrets_and_adopt(reader: Reader) -> None:
    reader.work_under_traffic("secrets")
    assert_whole(reader.lab, REPLACED)
    reader.forget()
    reader.work_under_traffic("adopt")
    assert_whole(reader.lab, REPLACED)


@pytest.mark.campaign
def test_guides_backup_and_restore(reader: Reader) -> None:
    reader.work_under_traffic("backup")

    def lose_all() -> None:
        for name in REPLACED:
            reader.lab.replace(name, trust=True)

    reader.work_under_traffic("restore", before={"make restore": lose_all})
    leader = assert_whole(reader.lab, REPLACED)
    assert " alice " in one(reader.lab.host(leader), "oneuser list")


@pytest.mark.campaign
def test_guide_upgrade_and_roll_back(reader: Reader) -> None:
    reader.work_under_traffic("upgrade")
    assert_whole(reader.lab, REPLACED)


@pytest.mark.campaign
def test_guides_take_down_and_vip(reader: Reader) -> None:
    reader.work_through("take-down")
    leader = assert_whole(reader.lab, REPLACED)
    reader.work_under_traffic("vip", addresses=(VIP, "10.2.50.87"))
    addresses = {name: reader.lab.host(name).run("ip -o address").stdout for name in REPLACED}
    holders = [name for name, text in addresses.items() if " 10.2.50.87/" in text]
    assert len(holders) == 1
    assert holders != [leader], "the leader was not the last to restart"
    assert not any(f" {VIP}/" in text for text in addresses.values())


def test_every_guide_is_tested() -> None:
    text = Path(__file__).read_text()
    untested = [
        guide.stem
        for guide in FOLDER.glob("*.md")
        if not re.search(rf'work_(through|under_traffic)\("{guide.stem}"', text)
    ]
    assert untested == ELSEWHERE
