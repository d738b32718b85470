"""Mistakes before and during a bootstrap: one clear message each, with a remedy.

The tests share one lab and run in order. Each makes one mistake, checks the message of ``up``, and
reverts the mistake. At the end the same stack becomes a healthy zone, with all that the failed runs
left on its hosts.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.messages import Message, messages, only
from tests.lab.operators import ONE_PASS, Operator, Run, config
from tests.lab.zones import assert_whole, connections, footprint, one

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
REPOSITORY = "http://10.2.50.1:8080/opennebula"
SOURCES = "/etc/apt/sources.list.d/opennebula.sources"
OTHERS = "/etc/apt/sources.list.d/others.list"
Site = tuple[Lab, Operator]


def any_of(run: Run) -> Message:
    """Return the message, which is equal for all hosts but for their names: the config is wrong.

    The number of hosts that report it depends on the engine, which starts nothing after a failure.
    """
    found = messages(run)
    assert found.keys() <= set(NAMES)
    assert len({message.step for message in found.values()}) == 1
    return next(iter(found.values()))


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3, template="mariadb")
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)


def test_a_preview_lists_all_config_errors_without_a_connection(site: Site) -> None:
    lab, operator = site
    faulty = {
        "one_version": "seven",
        "one_vip_cidr": 0,
        "frontends": operator.list_of(NAMES[:2]),
        "db_backend": "SQLite",
        "one_vipp": "10.2.50.86",
    }
    before = connections(lab)
    with config(operator, **faulty):
        run = operator.preview()
    print(run.output)
    assert run.status != 0
    assert "Traceback" not in run.output
    for key in ("one_version", "one_vip_cidr", "frontends", "db_backend", "one_vipp"):
        assert f"opennebula-ha:{key}: " in run.output
    assert "did you mean one_vip?" in run.output
    assert connections(lab) == before


def test_a_private_key_that_no_host_accepts(site: Site, tmp_path: Path) -> None:
    _, operator = site
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with config(operator, ssh={"private_key_file": str(key)}):
        message = any_of(operator.up())
    assert message.step == "log in"
    assert message.expected.startswith("ubuntu@10.2.50.1")
    assert " to accept ssh-ed25519 SHA256:" in message.expected
    assert message.seen == "authentication refused"
    assert "authorized_keys" in message.remedy


@pytest.mark.campaign
def test_a_private_key_file_that_does_not_exist(site: Site) -> None:
    _, operator = site
    with config(operator, ssh={"private_key_file": "/nowhere/id_ed25519"}):
        message = any_of(operator.up())
    assert message.step == "read the SSH key"
    assert "/nowhere/id_ed25519" in message.expected + message.seen
    assert "No such file" in message.seen


@pytest.mark.campaign
def test_a_private_key_file_without_a_key(site: Site, tmp_path: Path) -> None:
    _, operator = site
    (tmp_path / "notes").write_text("not a key\n")
    with config(operator, ssh={"private_key_file": str(tmp_path / "notes")}):
        message = any_of(operator.up())
    assert message.step == "read the SSH key"
    assert str(tmp_path / "notes") in message.expected


def test_unknown_host_keys_are_refused(site: Site, tmp_path: Path) -> None:
    _, operator = site
    (tmp_path / "known_hosts").touch()
    with config(operator, ssh={"known_hosts_file": str(tmp_path / "known_hosts")}):
        message = any_of(operator.up())
    assert message.step == "verify the host key"
    assert "known_hosts" in message.expected
    assert "SHA256:" in message.seen
    assert "accept_new_host_keys" in message.remedy


@pytest.mark.campaign
def test_a_known_hosts_file_that_cannot_be_read(site: Site, tmp_path: Path) -> None:
    _, operator = site
    with config(operator, ssh={"known_hosts_file": str(tmp_path)}):
        message = any_of(operator.up())
    assert message.step == "verify the host key"
    assert str(tmp_path) in message.expected
    assert "known_hosts_file" in message.remedy


def test_new_host_keys_may_be_accepted_but_a_missing_interface_fails(
    site: Site, tmp_path: Path
) -> None:
    _, operator = site
    known_hosts = tmp_path / "new" / "known_hosts"
    ssh = {"known_hosts_file": str(known_hosts), "accept_new_host_keys": True}
    with config(operator, one_vip_if="eth9", ssh=ssh):
        message = any_of(operator.up())
    assert "10.2.50.1" in known_hosts.read_text()
    assert message.step == "check the VIP's interface"
    assert "eth9" in message.expected
    assert "eth0 10.2.50.1" in message.seen
    assert "one_vip_if" in message.remedy


@dataclass(frozen=True)
class WrongRepository:
    """A wrong config of the package repository, and parts of the message about it."""

    repository: dict[str, str]
    expected: str
    seen: str
    remedy: str


@pytest.mark.parametrize(
    "wrong",
    [
        WrongRepository(
            {"url": f"{REPOSITORY}-of-none"},
            f"the repository's key at {REPOSITORY}-of-none/repo2.key",
            "404  File not found",
            "repository url or key_url",
        ),
        WrongRepository(
            {"url": REPOSITORY, "key_url": f"{REPOSITORY}/none.key"},
            f"the repository's key at {REPOSITORY}/none.key",
            "404  File not found",
            "repository url or key_url",
        ),
        WrongRepository(
            {"url": f"{REPOSITORY}/7.2", "key_url": f"{REPOSITORY}/repo2.key"},
            f"a signed package repository at {REPOSITORY}/7.2/7.2/Debian/12",
            "does not have a Release file",
            "no packages are published there",
        ),
        WrongRepository(
            {"url": "http://10.2.50.1:9", "key_url": f"{REPOSITORY}/repo2.key"},
            "a signed package repository at http://10.2.50.1:9/7.2/Debian/12",
            "Connection refused",
            "this host reaches that address",
        ),
        WrongRepository(
            {"url": REPOSITORY, "key": "another's"},
            f"a signed package repository at {REPOSITORY}/7.2/Debian/12",
            "is not signed",
            "give the key of that repository",
        ),
    ],
    ids=["url", "key_url", "url and a key", "no server at the url", "key"],
)
def test_a_wrong_package_repository(site: Site, another_key: str, wrong: WrongRepository) -> None:
    lab, operator = site
    repository = wrong.repository
    if "key" in repository:
        repository = {**repository, "key": another_key}
    with config(operator, repository=repository):
        found = messages(operator.up())
    assert found.keys() == {*NAMES}
    for message in found.values():
        assert message.step == "check the package repository"
        assert message.expected == wrong.expected
        assert wrong.seen in message.seen
        assert wrong.remedy in message.remedy
    for name in NAMES:
        assert lab.host(name).run(f"test -e {SOURCES}").returncode != 0


BLOCKER = r"""
set -e
mkdir -p /run/site-tools/DEBIAN
printf '%s\n' 'Package: site-tools' 'Version: 1' 'Architecture: all' 'Maintainer: site' \
    'Conflicts: opennebula' 'Description: tools' >/run/site-tools/DEBIAN/control
dpkg-deb --build /run/site-tools /run/site-tools.deb
dpkg --install /run/site-tools.deb
apt-get -qq update
"""


PINNED = "Package: opennebula*\\nPin: release *\\nPin-Priority: -1\\n"
DISTRIBUTION = "/etc/apt/sources.list.d/distribution.list"


def test_packages_that_cannot_be_installed(site: Site) -> None:
    lab, operator = site
    breaks = {
        "n1a1": f"printf '{PINNED}' >/etc/apt/preferences.d/site",
        "n1a2": f"cp {DISTRIBUTION} /root && sed -i 's,//[^/]*,//x.invalid,' {DISTRIBUTION}",
        "n1a3": BLOCKER,
    }
    for name, script in breaks.items():
        assert lab.host(name).run(script).returncode == 0
    found = messages(operator.up())
    assert found.keys() == {*NAMES}
    for message in found.values():
        assert message.step == "check the package repository"
        assert message.expected == "apt-get to install opennebula"
    assert found["n1a1"].seen == "E: Package 'opennebula' has no installation candidate"
    assert "no pin or exclusion on the host forbids it" in found["n1a1"].remedy
    assert "Failed to fetch http://x.invalid/" in found["n1a2"].seen
    assert "opennebula : Depends: " in found["n1a2"].seen
    assert "the host reaches that address" in found["n1a2"].remedy
    assert found["n1a3"].seen == "E: It would remove site-tools"
    assert "release or remove it on the host" in found["n1a3"].remedy

    # The same package, held back.
    corrections = {
        "n1a1": "rm /etc/apt/preferences.d/site",
        "n1a2": f"mv /root/distribution.list {DISTRIBUTION}",
        "n1a3": "apt-mark hold site-tools",
    }
    for name, script in corrections.items():
        assert lab.host(name).run(script).returncode == 0
    message = only(operator.up(), "n1a3")
    assert "site-tools" in message.seen
    assert "release or remove it on the host" in message.remedy
    assert lab.host("n1a3").run("dpkg --remove site-tools").returncode == 0
    for name in NAMES:
        assert lab.host(name).run(f"test -e {SOURCES}").returncode != 0


@pytest.fixture(scope="module")
def another_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an OpenPGP public key that signed nothing."""
    home = tmp_path_factory.mktemp("gnupg")
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    made = [*gpg, "--passphrase", "", "--quick-generate-key", "somebody@localhost", "ed25519"]
    subprocess.run(made, check=True, capture_output=True)
    shown = subprocess.run(
        [*gpg, "--armor", "--export"], check=True, capture_output=True, text=True
    )
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return shown.stdout


def test_another_repository_that_is_broken(site: Site) -> None:
    lab, operator = site
    for name in NAMES:
        lab.host(name).run(f"echo 'deb http://x.invalid/nothing ./' >{OTHERS}")
    with config(operator, update_pkg_cache=True):
        found = messages(operator.up())
    assert found.keys() == {*NAMES}
    for name, message in found.items():
        assert message.step == "refresh the lists of all package repositories"
        assert "http://x.invalid/nothing" in message.seen
        assert lab.host(name).run(f"rm {OTHERS}").returncode == 0
        assert lab.host(name).run("dpkg-query -W opennebula").returncode != 0


def test_a_host_that_is_off_does_not_block_other_installations(site: Site) -> None:
    lab, operator = site
    preflight = operator.up("--target", "**opennebula:Preflight::zone")
    assert preflight.ok, preflight.output
    lab.host("n1a2").kill()
    message = only(operator.up(), "n1a2")
    lab.host("n1a2").start()
    assert message.step == "connect"
    assert message.expected == "an SSH server at 10.2.50.11 port 22"
    assert "No route to host" in message.seen or message.seen == "no answer in time"
    assert "host is up" in message.remedy
    for name in ("n1a1", "n1a3"):
        assert lab.host(name).run("dpkg-query -W opennebula").returncode == 0


@pytest.mark.campaign
def test_a_host_that_is_cut_off(site: Site) -> None:
    lab, operator = site
    lab.host("n1a2").partition()
    message = only(operator.up(), "n1a2")
    lab.host("n1a2").heal()
    assert message.step == "connect"
    assert "10.2.50.11" in message.expected


@pytest.mark.parametrize("bastion", [None, "ubuntu@10.2.50.10"])
def test_a_host_without_an_ssh_server(site: Site, bastion: str | None) -> None:
    lab, operator = site
    lab.host("n1a2").run("systemctl stop ssh.socket ssh.service")
    with config(operator, ssh={"bastion": bastion} if bastion else {}):
        message = only(operator.up(), "n1a2")
    lab.host("n1a2").run("systemctl start ssh.service")
    assert message.step == "connect"
    assert "10.2.50.11 port 22" in message.expected
    if bastion:
        assert "the bastion 10.2.50.10" in message.expected
        assert message.seen == "connect failed"
    else:
        assert message.seen == "Connection refused"


def test_a_host_that_replaced_a_known_one(site: Site) -> None:
    lab, operator = site
    lab.replace("n1a2")
    message = only(operator.up(), "n1a2")
    assert message.step == "verify the host key"
    assert "SHA256:" in message.expected
    assert "SHA256:" in message.seen
    assert str(lab.known_hosts) in message.remedy
    # The operator checked the key on the console, and pins it.
    operator.config["ssh"]["host_keys"] = {"n1a2": lab.host("n1a2").record.host_keys[0]}


@pytest.mark.parametrize("bastion", [None, "ubuntu@10.2.50.10"])
def test_a_login_that_cannot_become_root(site: Site, bastion: str | None) -> None:
    lab, operator = site
    lab.host("n1a2").run("sed -i 's/NOPASSWD: //' /etc/sudoers.d/ubuntu")
    with config(operator, ssh={"bastion": bastion} if bastion else {}):
        message = only(operator.up(), "n1a2")
    lab.host("n1a2").run("sed -i 's/ALL$/NOPASSWD: ALL/' /etc/sudoers.d/ubuntu")
    assert message.step == "become root"
    assert "sudo without a password for ubuntu" in message.expected
    assert "password is required" in message.seen
    assert "NOPASSWD" in message.remedy


def test_a_full_disk_before_the_installation(site: Site) -> None:
    lab, operator = site
    lab.host("n1a2").fill_disk()
    message = only(operator.up(), "n1a2")
    lab.host("n1a2").free_disk()
    assert "space" in message.expected + message.seen
    assert "/" in message.seen
    assert "free" in message.remedy


def test_a_version_that_the_repository_does_not_have(site: Site) -> None:
    lab, operator = site
    with config(operator, one_version="9.9"):
        message = any_of(operator.up())
    assert message.step == "check the package repository"
    assert f"{REPOSITORY}/9.9/Debian/12" in message.expected
    assert "one_version" in message.remedy
    assert "/7.2/" in lab.host("n1a1").run(f"cat {SOURCES}").stdout


@pytest.mark.parametrize(
    "moment", ["n1a1: send the database and the keys", "n1a2: restore the database"]
)
def test_a_disk_that_fills_up_during_the_bootstrap(site: Site, moment: str) -> None:
    lab, operator = site
    process = operator.start_up()
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if moment in line:
            lab.host("n1a2").fill_disk()
    message = only(Run(process.wait(), "".join(said)), "n1a2")
    lab.host("n1a2").free_disk()
    assert "space" in message.expected + message.seen
    assert "free" in message.remedy


def test_the_same_stack_becomes_a_zone_after_all_mistakes(site: Site) -> None:
    lab, operator = site
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES)
    assert operator.up("--expect-no-changes").ok


def test_a_password_that_differs_from_the_existing_zones(site: Site) -> None:
    lab, operator = site
    before = [footprint(lab.host(name)) for name in NAMES]
    operator.forget()
    operator.secrets["one_pass"] = "canary-another-pass-77aa"
    run = operator.up()
    operator.secrets["one_pass"] = ONE_PASS
    message = only(run, ", ".join(NAMES))
    assert message.step == "log in to oned"
    assert "opennebula-ha:one_pass" in message.remedy
    assert "canary-another-pass-77aa" not in run.output
    assert [footprint(lab.host(name)) for name in NAMES] == before

    run = operator.up()
    assert run.ok, run.output
    assert [footprint(lab.host(name)) for name in NAMES] == before
    assert_whole(lab, NAMES)
    assert "oneadmin" in one(lab.host("n1a1"), "oneuser list")
