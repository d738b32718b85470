"""From the inventory of a running zone to a stack that has adopted the zone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.zones import by_hand
from lab.machines import Lab
from settings import PROJECT
from tests.lab.conftest import MakeLab
from tests.lab.operators import DB_PASSWORD, ONE_PASS, ROOT, SERIES, Operator
from tests.lab.zones import assert_whole, assert_whole_by_hand, data, footprint, leader_seen_by

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3", "n1a4"]
"""Values that most inventories have."""
INVENTORY = """
all:
  vars:
    env_name: lab
    ansible_user: ubuntu
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: -o UserKnownHostsFile={known_hosts}
    one_version: '{series}'
    one_pass: {one_pass}
    db_password: {db_password}
    one_vip: 10.2.50.86
    one_vip_cidr: {prefix}
    one_vip_if: eth0
    ensure_hosts: true
    features: {{gui: false, flow: false, gate: false, form: false}}
    opennebula_repo_url:
      Debian: http://10.2.50.1:8080/opennebula/{series}/Debian/12
frontend:
  hosts:
    n1a1: {{ansible_host: 10.2.50.10}}
    n1a2: {{ansible_host: 10.2.50.11}}
    {third}: {{ansible_host: {address}}}
    n1a4: {{ansible_host: 10.2.50.13}}
node:
  hosts: {{k1: {{ansible_host: 10.2.50.20}}}}
"""


@pytest.fixture(scope="module")
def lab(make_module_lab: MakeLab) -> Iterator[Lab]:
    """Build four servers of a zone by hand, with what one-deploy leaves on a host."""
    subprocess.run([ROOT / "scripts/setup", "convert"], check=True)
    lab = make_module_lab(4)
    by_hand(lab, {host.name: (host.name, host.address) for host in lab.hosts})
    for host in lab.hosts:
        made = host.run(
            f"mysql -e \"CREATE USER oneadmin@'%' IDENTIFIED BY '{DB_PASSWORD}';"
            " GRANT ALL ON *.* TO oneadmin@'%'\""
        )
        assert made.returncode == 0, made.stderr
    assert_whole_by_hand(lab, NAMES)
    yield lab


def trace(lab: Lab) -> list[str]:
    """Collect everything that a change of a host would leave."""
    return [text for host in lab.hosts for text in (footprint(host), data(host))]


def converted(
    lab: Lab, folder: Path, third: str = "n1a3", address: str = "10.2.50.12", prefix: int = 24
) -> str:
    """Convert an inventory of that zone, with a look at the zone; return the report."""
    folder.mkdir(exist_ok=True)
    text = INVENTORY.format(
        key=lab.key,
        known_hosts=lab.known_hosts,
        series=SERIES,
        one_pass=ONE_PASS,
        db_password=DB_PASSWORD,
        prefix=prefix,
        third=third,
        address=address,
    )
    (folder / "inventory.yml").write_text(text, encoding="utf-8")
    return convert(lab, folder, "--look", "inventory.yml")


def convert(lab: Lab, folder: Path, *arguments: str) -> str:
    done = lab.exec(
        [sys.executable, "-m", "commands.convert", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    text: str = done.stdout
    return text


def test_a_look_reports_the_differences_and_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    if assert_whole_by_hand(lab, NAMES) == "n1a3":
        # The inventory does not have this one, so the VIP must be elsewhere.
        assert lab.host("n1a3").run("systemctl restart opennebula").returncode == 0
        leader_seen_by(lab.host("n1a1"), other_than="n1a3")
        assert_whole_by_hand(lab, NAMES)
    before = trace(lab)
    report = converted(lab, tmp_path, third="n1a9", address="10.2.50.19", prefix=16)
    assert "one_vip_cidr" in report.partition("running zone differs:")[2]
    assert "10.2.50.86/24, the stack has /16" in report
    assert "n1a3 is a server of the zone, but not in the stack" in report
    assert "n1a9 is not a server of the zone" in report
    assert ONE_PASS not in report
    assert DB_PASSWORD not in report
    assert trace(lab) == before


def test_the_converted_stack_adopts_the_zone_without_a_change(lab: Lab, tmp_path: Path) -> None:
    assert_whole_by_hand(lab, NAMES)
    before = trace(lab)
    folder = tmp_path / "project"
    report = converted(lab, folder)
    assert "valid once its secrets are set" in report
    assert "n1a9" not in report
    for problem in ("frontends:", "one_vip", "one_version", "db_"):
        assert (
            problem not in report.partition("running zone differs:")[2].partition("is written")[0]
        )
    operator = Operator(lab, tmp_path / "stack", front_ends=NAMES)
    written = yaml.safe_load((folder / "stacks/Pulumi.production.yaml").read_text("utf-8"))
    operator.config = {
        key.removeprefix(f"{PROJECT}:"): value for key, value in written["config"].items()
    }
    operator.secrets = {
        key: convert(lab, folder, "--secret", key, "inventory.yml")
        for key in ("one_pass", "db_password")
    }
    preview = operator.preview()
    assert preview.ok, preview.output
    assert "a zone that runs on these front-ends is adopted" in preview.output
    run = operator.up()
    assert run.ok, run.output
    assert trace(lab) == before
    assert_whole_by_hand(lab, NAMES)
    del operator.config["adopt"]
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
