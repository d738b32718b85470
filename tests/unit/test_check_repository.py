"""What preflight finds out about the package repository, on a host of each family."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from procedures.context import Access, Secrets
from procedures.facts.facts import Facts, Package
from procedures.preflight.context import HostReport
from procedures.preflight.repository import unusable_repositories
from procedures.specs import PackageSpec, PreflightSpec, RepositorySource
from tests.unit.sandbox import Sandbox
from tests.unit.test_family_scripts import (
    ALMA,
    CURL,
    DEBIAN,
    FAULTS,
    KEY,
    LEAP,
    PROXY,
    PUBLISHED,
    STATUS,
    host,
)
from tests.unit.test_preflight import (
    NAMES,
    bare,
    blank,
    settled,
    site,
    spec,
)

URL = "http://m/7.2/X/9"
MIRROR = RepositorySource(url="http://m", key_url="http://m/key")
PACKAGES = PackageSpec(version="7.2", repository=MIRROR, proxy=PROXY)
EACH = pytest.mark.parametrize("os_release", [DEBIAN, ALMA, LEAP])
APT = "apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -c /run/TRIAL/apt.conf"
ALL = "-o Dir::Etc::sourceparts=/run/TRIAL/parts -o Dir::State::status=/run/TRIAL/status"
ONLY_NEW = "-o Dir::Etc::sourcelist=/run/TRIAL/opennebula.sources -o Dir::Etc::sourceparts=-"


def publishing(root: Path, os_release: str) -> Sandbox:
    """Make a host whose repository has OpenNebula 7.2.1."""
    one = host(root, os_release)
    one.file("published", PUBLISHED[os_release])
    return one


def variables(**changes: str) -> dict[str, str]:
    given = {
        "url": URL,
        "key_url": "http://m/repo2.key",
        "key": "",
        "version": "7.2",
        "packages": "opennebula opennebula-flow=7.2.1-1 rsync",
        "needs": "",
        "refresh": "no",
        "proxy": "",
    }
    return {**given, **changes}


def check(one: Sandbox, token: str = "", **changes: str) -> Output:
    return one.run("check_repository", variables(**changes), token=token, exclusive=False)


def files(one: Sandbox) -> Mapping[str, str]:
    """Return all files of the host, without what the sandbox itself records."""
    own = {one.root / name for name in ("asked", "first")}
    return {
        str(path.relative_to(one.root)): path.read_text()
        for path in one.root.rglob("*")
        if path.is_file() and path not in own
    }


@EACH
def test_a_usable_repository_is_only_read(tmp_path: Path, os_release: str) -> None:
    one = publishing(tmp_path, os_release)
    before = files(one)
    output = check(one, "user:pa:ss$")
    assert (output.values, output.steps) == ({}, ("check the package repository",))
    assert files(one) == before
    assert not any("pa:ss" in line or "--import" in line for line in one.asked())


def test_apt_uses_lists_of_its_own_and_runs_no_hook(tmp_path: Path) -> None:
    one = publishing(tmp_path, DEBIAN)
    one.answer("apt-get*update*", f'cat "{one.root}"/run/*/apt.conf >"$HOME/conf"')
    check(one, proxy=PROXY)
    assert one.asked() == [
        "apt-helper -o Acquire::Retries=2 -o Acquire::http::Timeout=15 -o APT::Sandbox::User=root"
        " -c /run/TRIAL/apt.conf download-file http://m/repo2.key /run/TRIAL/key.asc",
        f"{APT} update {ONLY_NEW} -o APT::Get::List-Cleanup=0",
        f"{APT} indextargets {ONLY_NEW} --format $(FILENAME) Identifier: Packages",
        "apt-helper cat-file Packages",
        "dpkg --audit",
        f"{APT} {ALL} install -y --allow-downgrades -q=1"
        " -o Dir::Etc::preferencesparts=/run/TRIAL"
        " --no-remove -s opennebula opennebula-flow=7.2.1-1 rsync",
    ]
    conf = one.file("conf")
    assert 'Dir::State::lists "/run/TRIAL/lists";' in conf
    assert f'Acquire::http::Proxy "{PROXY}";' in conf
    for hooks in ("APT::Update", "APT::Install"):
        assert f"#clear {hooks};" in conf


def test_dnf_and_zypper_use_caches_of_their_own(tmp_path: Path) -> None:
    for name, os_release in (("dnf", ALMA), ("zypper", LEAP)):
        one = publishing(tmp_path / name, os_release)
        check(one)
        first, *rest = one.asked("curl", "dnf", "zypper")
        assert first == f"{CURL} -o /run/TRIAL/key.asc http://m/repo2.key"
        assert rest
        for line in rest:
            assert "/run/TRIAL/cache" in line
            assert "install" not in line or "--assumeno" in line or "--dry-run" in line


@pytest.mark.parametrize(("os_release", "command", "said", "remedy"), FAULTS)
def test_an_unusable_repository_is_refused_as_by_the_installation(
    tmp_path: Path, os_release: str, command: str, said: str, remedy: str
) -> None:
    one = publishing(tmp_path, os_release)
    before = files(one)
    one.fail(command, said)
    answer = check(one).values
    assert answer["expected"] == f"a signed package repository at {URL}"
    assert said.splitlines()[-1].strip() in answer["seen"]
    assert remedy in answer["remedy"]
    assert files(one) == before


@EACH
def test_a_missing_or_unusable_key_is_refused(tmp_path: Path, os_release: str) -> None:
    one = publishing(tmp_path, os_release)
    answer = check(one, key="<html>").values
    assert answer["expected"] == "an armored OpenPGP public key"
    assert check(one, key=KEY).values == {}
    one.fail("apt-helper *download-file*", "E: Failed to fetch http://m/repo2.key  404")
    one.fail("curl *", "curl: (22) The requested URL returned error: 404")
    answer = check(one).values
    assert answer["expected"] == "the repository's key at http://m/repo2.key"
    assert "404" in answer["seen"]


@EACH
def test_another_version_or_a_missing_feature_is_refused(tmp_path: Path, os_release: str) -> None:
    one = publishing(tmp_path, os_release)
    answer = check(one, version="7.4").values
    assert answer["expected"] == f"a package of OpenNebula 7.4 at {URL}"
    assert answer["seen"].startswith("7.2.1")
    answer = check(one, packages="opennebula-gate=7.2.0-1").values
    assert answer["expected"] == f"a package opennebula-gate=7.2.0-1 at {URL}"
    assert "opennebula-ha:features" in answer["remedy"]


@EACH
def test_a_repository_that_cannot_be_listed_is_not_refused(tmp_path: Path, os_release: str) -> None:
    one = host(tmp_path, os_release)
    assert check(one, version="7.4").values == {}


# The installation, in a simulation

NO_REMOVE = "E: Packages need to be removed but remove is disabled."
UPDATE = f"{APT} {ALL} update"


def test_packages_of_others_that_would_be_removed_are_named(tmp_path: Path) -> None:
    one = publishing(tmp_path, DEBIAN)
    one.fail("apt-get *--no-remove*", NO_REMOVE)
    one.answer(
        "apt-get * -s *", "printf 'Remv %s [1]\\n' arping opennebula-tools mysql-server arping"
    )
    answer = check(one).values
    assert answer["expected"] == "apt-get to install opennebula opennebula-flow=7.2.1-1 rsync"
    assert answer["seen"] == "E: It would remove arping mysql-server"
    assert "remove it on the host" in answer["remedy"]


def test_packages_of_opennebula_may_be_removed(tmp_path: Path) -> None:
    one = publishing(tmp_path, DEBIAN)
    one.fail("apt-get *--no-remove*", NO_REMOVE)
    one.answer("apt-get * -s *", "echo 'Remv opennebula-tools [7.0]'")
    assert check(one).values == {}


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("E: Unable to correct problems, you have held broken packages.", "held back"),
        ("E: Package 'rsync' has no installation candidate", "no pin"),
        ("E: Held packages were changed and -y was used without --allow", "held back"),
    ],
)
def test_packages_that_cannot_be_installed_are_refused(
    tmp_path: Path, said: str, remedy: str
) -> None:
    one = publishing(tmp_path, DEBIAN)
    before = files(one)
    one.fail("apt-get * -s *", said)
    answer = check(one).values
    assert answer["seen"] == said
    assert remedy in answer["remedy"]
    assert one.asked().count(UPDATE) == 1
    assert files(one) == before


def test_lists_are_read_if_the_hosts_own_do_not_suffice(tmp_path: Path) -> None:
    """Those of a new host are empty until its first update."""
    one = publishing(tmp_path, DEBIAN)
    one.file("var/lib/apt/lists/deb_InRelease", "old")
    before = files(one)
    one.answer(
        "apt-get * update", 'compgen -G "$HOME/run/*/lists/deb_*" && exit 9; touch "$HOME/run/read"'
    )
    one.answer(
        "apt-get * -s *",
        '[ -e "$HOME/run/read" ] || { echo "E: Unable to locate package x"; exit 100; }',
    )
    assert check(one).values == {}
    assert one.asked().count(UPDATE) == 1
    one.file("run/read", "")
    (one.root / "run/read").unlink()
    assert files(one) == before


def test_lists_that_cannot_be_read_explain_a_missing_package(tmp_path: Path) -> None:
    one = publishing(tmp_path, DEBIAN)
    unread = "E: Failed to fetch http://deb/InRelease  Could not resolve 'deb'"
    one.fail("apt-get * update", unread)
    one.fail("apt-get * -s *", "E: Unable to locate package rsync")
    answer = check(one).values
    assert answer["seen"] == f"{unread}\nE: Unable to locate package rsync"
    assert "the host reaches that address" in answer["remedy"]


def test_what_an_interrupted_installation_left_is_not_tried(tmp_path: Path) -> None:
    one = publishing(tmp_path, DEBIAN)
    one.answer("dpkg --audit", "echo 'The following packages are only half configured'")
    one.fail("apt-get * -s *", "E: Unmet dependencies. Try 'apt --fix-broken install'")
    assert check(one).values == {}


def test_only_what_the_installation_releases_counts_as_released(tmp_path: Path) -> None:
    one = publishing(tmp_path, DEBIAN)
    one.answer("apt-get * -s *", 'cat "$HOME"/run/*/status >"$HOME/status"')
    check(one)
    assert one.file("status") == STATUS.replace("hold", "install", 1)


DNF, ZYPPER = (ALMA, "dnf *--assumeno*"), (LEAP, "zypper *--dry-run*")
RPM = pytest.mark.parametrize(("os_release", "simulation"), [DNF, ZYPPER])
LACKS = "nothing provides libnode needed by opennebula-fireedge-7.2.1-1"
CACHES = ("var/cache/dnf/baseos-0123456789abcdef/repomd", "var/cache/zypp/raw/oss/repomd")


@pytest.mark.parametrize(
    ("os_release", "simulation", "said", "remedy"),
    [
        (*DNF, LACKS, "which package blocks"),
        (*DNF, "Unable to find a match: rsync", "no pin or exclusion"),
        (*ZYPPER, LACKS, "which package blocks"),
        (*ZYPPER, "No provider of 'rsync' found.", "no pin or exclusion"),
    ],
)
def test_packages_that_rpm_cannot_install_are_refused(
    tmp_path: Path, os_release: str, simulation: str, said: str, remedy: str
) -> None:
    one = publishing(tmp_path, os_release)
    before = files(one)
    one.fail(simulation, said)
    answer = check(one).values
    assert answer["expected"].endswith("to install opennebula opennebula-flow=7.2.1-1 rsync")
    assert answer["seen"] == said
    assert remedy in answer["remedy"]
    assert files(one) == before


@RPM
def test_the_hosts_own_lists_are_tried_before_new_ones(
    tmp_path: Path, os_release: str, simulation: str
) -> None:
    one = publishing(tmp_path, os_release)
    for cache in CACHES:
        one.file(cache, "old")
    before = files(one)
    # A list of the host is there at the first attempt only.
    one.answer(
        simulation,
        'find "$HOME"/run/*/cache -type l | grep -q . && { echo "nothing provides x"; exit 4; };'
        ' case $asked in *metadata_expire*|*no-refresh*) exit 9;; esac; echo "Operation aborted."',
    )
    assert check(one).values == {}
    asked = one.asked("dnf", "zypper")
    assert sum("--assumeno" in line or "--dry-run" in line for line in asked) == 2
    assert files(one) == before


@RPM
@pytest.mark.parametrize("why", ["needs", "installed", "locked"])
def test_rpm_tries_no_installation_that_differs_from_the_real_one(
    tmp_path: Path, os_release: str, simulation: str, why: str
) -> None:
    one = publishing(tmp_path, os_release)
    one.fail(simulation, "nothing provides x")
    lacking = "repository crb" if os_release == ALMA else "repository science http://m/$release"
    if why == "installed":
        one.file("installed", "opennebula 7.2.0-1\n")
    if why == "locked":
        one.file("etc/dnf/plugins/versionlock.list", "rsync-0:3.2-1.*\n")
        one.file("etc/zypp/locks", "solvable_name: rsync\n")
    assert check(one, needs=lacking if why == "needs" else "").values == {}


@EACH
def test_all_repositories_must_be_readable_if_they_are_refreshed(
    tmp_path: Path, os_release: str
) -> None:
    one = publishing(tmp_path, os_release)
    assert check(one, refresh="yes").values == {}
    before = files(one)
    for command in (f"{APT} {ALL} update", "dnf *makecache --refresh", "zypper * refresh"):
        one.fail(command.replace("/run/TRIAL", "*"), "E: x.invalid cannot be resolved")
    answer = check(one, refresh="yes").values
    assert answer["expected"].endswith("to read all package repositories")
    assert answer["seen"] == "E: x.invalid cannot be resolved"
    assert "opennebula-ha:update_pkg_cache" in answer["remedy"]
    assert files(one) == before


# The hosts on which it is checked


class Hosts:
    """Hosts that reach their repository, except those that are listed."""

    def __init__(self, *refusing: str, token: str | None = None) -> None:
        self.secrets = Secrets(one_pass="", db_password="", one_token=token)
        self.refusing = refusing
        self.asked: dict[str, Mapping[str, str]] = {}

    def run(self, host: Host, name: str, *, exclusive: bool, **given: Any) -> None:
        assert (name, exclusive) == ("check_repository", False)
        assert given["secrets"] == {"token": self.secrets.one_token or ""}
        self.asked[host.name] = given["variables"]
        if host.name in self.refusing:
            raise HostError(host.name, "check", expected="this", seen="that", remedy="do it")


def faulty(hosts: Hosts, *changed: Facts, before: PreflightSpec | None = None) -> list[str]:
    """Check three blank hosts, or these instead; return the hosts with a fault."""
    known = {name: blank(name) for name in NAMES} | {seen.host.name: seen for seen in changed}
    answers = {name: HostReport(bare(name), seen) for name, seen in known.items()}
    found = unusable_repositories(
        cast(Access, hosts), site(answers, spec(packages=PACKAGES), before)
    )
    return [error.host for error in found]


def packaged(name: str, **changes: Any) -> Facts:
    there = {"opennebula": Package("7.2.0-1", held=False)} | {
        name: Package("1", held=False)
        for name in ("mariadb-server", "rsync", "zstd", "openssh-client", "iputils-arping")
    }
    return settled(name, **{"packages": there, **changes})


def test_each_new_host_tries_its_repository() -> None:
    hosts = Hosts("n1a1", "n1a3", token="user:pass")
    assert faulty(hosts) == ["n1a1", "n1a3"]
    assert hosts.asked["n1a2"] == {
        "url": "http://m/7.2/Debian/12",
        "key_url": "http://m/key",
        "key": "",
        "version": "7.2",
        "packages": "opennebula mariadb-server rsync zstd openssh-client iputils-arping",
        "needs": "",
        "refresh": "no",
        "proxy": PROXY,
    }


def test_a_host_that_has_all_packages_needs_no_repository() -> None:
    hosts = Hosts("n1a1", "n1a2", "n1a3")
    whole = [packaged(name, has_content=False, active=False) for name in ("n1a1", "n1a2")]
    lacking = packaged("n1a3", has_content=False, active=False)
    del cast(dict[str, Package], lacking.packages)["zstd"]
    assert faulty(hosts, *whole, lacking) == ["n1a3"]
    assert hosts.asked["n1a3"]["packages"] == "zstd"


def test_servers_that_are_adopted_are_not_tried() -> None:
    hosts = Hosts("n1a1", "n1a2", "n1a3")
    conf = 'FEDERATION = [ MODE = "STANDALONE", SERVER_ID = 1 ]\n'
    servers = [settled(name, packages={}, oned_conf=conf) for name in NAMES]
    assert faulty(hosts, *servers) == []
    assert hosts.asked == {}


def test_another_version_is_tried_where_it_will_be_staged() -> None:
    hosts = Hosts("n1a1", "n1a2", "n1a3")
    older = {"opennebula": Package("7.0.0-1", held=False)}
    one = packaged("n1a1", packages=older)
    staged = packaged("n1a2", packages=older, staged="7.2.0-1")
    upgrading = packaged("n1a3", packages=older, upgrading="n1a1 7.2.0-1 7.2.0")
    found = faulty(hosts, one, staged, upgrading, before=spec(version="7.0"))
    assert found == ["n1a1"]
    assert [*hosts.asked] == ["n1a1"]


def test_a_removed_package_of_the_zone_does_not_block_other_changes() -> None:
    hosts = Hosts("n1a1", "n1a2", "n1a3")
    conf = 'FEDERATION = [ MODE = "STANDALONE", SERVER_ID = 1 ]\n'
    servers = [settled(name, packages={}, oned_conf=conf) for name in ("n1a1", "n1a2")]
    for before in (spec("n1a1", "n1a2"), spec("n1a1", "n1a2", packages=PACKAGES)):
        assert faulty(hosts, *servers, before=before) == ["n1a3"]
    other = PackageSpec(version="7.2", proxy=PROXY)
    before = spec("n1a1", "n1a2", packages=other)
    assert faulty(hosts, *servers, before=before) == ["n1a1", "n1a2", "n1a3"]


def test_a_distribution_without_packages_is_left_to_its_own_check() -> None:
    hosts = Hosts("n1a1")
    assert faulty(hosts, blank("n1a1", distribution="slackware", release="15")) == []
