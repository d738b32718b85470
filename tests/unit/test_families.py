"""The names of packages and services on each distribution, and OpenNebula's support for it."""

from typing import Any

import pytest

from hosts.errors import HostError
from hosts.models import Host
from opennebula import families, packages
from opennebula.families import FAMILIES, UnsupportedError, platform
from procedures.facts.facts import Package
from procedures.install.packaging import platform as platform_of
from procedures.install.packaging import source_differences, unwanted, wanted
from procedures.specs import InstallationSpec
from tests.unit.test_procedures import facts, spec

EVERYTHING = tuple(packages.FEATURES)

# From OpenNebula's platform notes: supported distributions, and their place in the repository.
SUPPORTED = [
    ("7.0", "debian", "11", "Debian/11"),
    ("7.2", "debian", "12", "Debian/12"),
    ("7.2.1", "debian", "13", "Debian/13"),
    ("7.2", "ubuntu", "22.04", "Ubuntu/22.04"),
    ("7.4", "ubuntu", "24.04", "Ubuntu/24.04"),
    ("7.0", "almalinux", "8.10", "AlmaLinux/8"),
    ("7.2", "almalinux", "9.4", "AlmaLinux/9"),
    ("7.4", "almalinux", "10.0", "AlmaLinux/10"),
    ("7.0.1", "rhel", "8.9", "RedHat/8"),
    ("7.2", "rhel", "9.6", "RedHat/9"),
    ("7.2", "rhel", "10", "RedHat/10"),
    ("7.4", "rocky", "9.5", "RedHat/9"),
    ("7.2", "sles", "15.7", "SLES/15"),
    ("7.2", "opensuse-leap", "16.0", "openSUSE/16"),
]
REFUSED = [
    ("7.2", "debian", "11"),
    ("7.2", "debian", ""),
    ("6.10", "debian", "13"),
    ("7.2", "ubuntu", "24.10"),
    ("7.2", "almalinux", "8.10"),
    ("7.2", "rocky", "9.5"),
    ("7.2", "opensuse-leap", "15.6"),
    ("7.2", "sles", "16.0"),
    ("7.0", "sles", "15.7"),
    ("7.2", "fedora", "42"),
    ("7.2", "linuxmint", "22"),
]


@pytest.mark.parametrize(("version", "distribution", "release", "path"), SUPPORTED)
def test_the_repository_follows_version_and_distribution(
    version: str, distribution: str, release: str, path: str
) -> None:
    there = platform(distribution, release, version)
    community = packages.repository(there, version)
    assert community.url == f"https://downloads.opennebula.io/repo/{version}/{path}"
    assert community.key_url == "https://downloads.opennebula.io/repo/repo2.key"
    enterprise = packages.repository(there, version, enterprise=True)
    assert enterprise.url == f"https://enterprise.opennebula.io/repo/{version}/{path}"
    assert enterprise.key_url == community.key_url
    mirror = packages.repository(there, version, url="http://m/x/", enterprise=True)
    assert mirror.url == f"http://m/x/{version}/{path}"
    assert mirror.key_url == "http://m/x/repo2.key"
    other = packages.repository(there, version, url="http://m", key_url="http://k")
    assert other.key_url == "http://k"


@pytest.mark.parametrize(("version", "distribution", "release"), REFUSED)
def test_a_distribution_without_packages_is_refused_with_a_list(
    version: str, distribution: str, release: str
) -> None:
    with pytest.raises(UnsupportedError, match=r"Debian .*12.*; Ubuntu 22\.04, 24\.04; AlmaLinux"):
        platform(distribution, release, version)


def test_the_list_is_that_of_the_version() -> None:
    assert families.supported("7.2") == (
        "Debian 12, 13; Ubuntu 22.04, 24.04; AlmaLinux 9, 10; RHEL 9, 10; SLES 15; openSUSE Leap 16"
    )
    assert families.supported("7.0.1") == (
        "Debian 11, 12, 13; Ubuntu 22.04, 24.04; AlmaLinux 8, 9, 10; RHEL 8, 9, 10"
    )
    assert "Rocky Linux 9, 10" in families.supported("7.4")


def test_a_refusal_names_a_distribution_that_is_supported() -> None:
    seen = facts(host=Host(name="n1", address="10.0.0.1"), distribution="fedora", release="42")
    with pytest.raises(HostError) as caught:
        platform_of(seen, spec().packages)
    assert caught.value.host == "n1"
    assert caught.value.seen == "fedora 42"
    assert caught.value.expected.startswith("one that OpenNebula 7.2 has packages for: Debian 12,")


@pytest.mark.parametrize(
    ("distribution", "release", "names"),
    [
        (
            "debian",
            "12",
            "opennebula opennebula-flow opennebula-form opennebula-gate opennebula-fireedge"
            " mariadb-server rsync zstd openssh-client iputils-arping nfs-common",
        ),
        (
            "ubuntu",
            "24.04",
            "opennebula opennebula-flow opennebula-form opennebula-gate opennebula-fireedge"
            " mariadb-server rsync zstd openssh-client iputils-arping nfs-common",
        ),
        (
            "almalinux",
            "9.4",
            "opennebula opennebula-flow opennebula-form opennebula-gate opennebula-fireedge"
            " mariadb-server rsync zstd openssh-clients iputils cpio nfs-utils",
        ),
        (
            "opensuse-leap",
            "16.0",
            "opennebula opennebula-flow opennebula-gate opennebula-fireedge"
            " mariadb rsync zstd openssh-clients iputils cpio nfs-client",
        ),
    ],
)
def test_each_family_has_its_names_for_the_packages(
    distribution: str, release: str, names: str
) -> None:
    seen = facts(distribution=distribution, release=release)
    assert wanted(seen, shared(features=EVERYTHING).packages) == tuple(names.split())


def test_packages_are_those_of_the_features_and_the_database() -> None:
    there = platform("debian", "12", "7.2")
    assert packages.packages(there, (), mariadb=False)[0] == "opennebula"
    assert "mariadb-server" not in packages.packages(there, (), mariadb=False)
    assert "nfs-common" not in packages.packages(there, (), mariadb=True, fstypes=["none"])


def test_an_unavailable_feature_is_left_out() -> None:
    assert packages.available(platform("debian", "12", "7.2"), EVERYTHING, "7.2") == EVERYTHING
    assert "form" not in packages.available(platform("debian", "12", "7.0"), EVERYTHING, "7.0")
    leap = platform("opensuse-leap", "16.0", "7.2")
    assert "form" not in packages.available(leap, EVERYTHING, "7.2")


def test_requirements_of_a_distribution_are_in_its_table() -> None:
    def needs(distribution: str, release: str, version: str = "7.2") -> tuple[str, ...]:
        return platform(distribution, release, version).release.needs

    assert needs("debian", "12") == needs("ubuntu", "24.04") == ()
    assert needs("almalinux", "9.4") == (
        "package dnf-plugins-core",
        "package epel-release",
        "repository epel",
        "repository crb",
        "repository highavailability",
    )
    assert needs("almalinux", "8.10", "7.0") == (
        "module mariadb:10.5",
        "package dnf-plugins-core",
        "package epel-release",
        "repository epel",
        "repository powertools",
        "repository ha",
    )
    assert needs("rhel", "9.4") == (
        "package dnf-plugins-core",
        "subscription codeready-builder-for-rhel-9-$basearch-rpms",
        "subscription rhel-9-for-$basearch-highavailability-rpms",
        "package epel-release"
        " https://dl.fedoraproject.org/pub/epel/epel-release-latest-9.noarch.rpm",
        "repository epel",
    )
    assert needs("sles", "15.7")[0] == "product PackageHub"
    assert needs("opensuse-leap", "16.0")[0].startswith("repository science https://")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_family_defines_the_names_that_scripts_use(family: families.Family) -> None:
    names = {"manager", "extension", "source_file", "key_file", "database_folder", "clashes"}
    assert names <= family.constants.keys()
    assert family.web.keys() == {"apache", "nginx"}
    for distribution in family.distributions:
        assert distribution.releases


def test_each_family_names_its_unattended_upgrades() -> None:
    off = spec(unattend_disable=True)
    there = {**facts().packages, "dnf-automatic": Package("4.14.0-1.el9")}
    seen = facts(distribution="almalinux", release="9.4", packages=there)
    assert unwanted(seen, off) == ("dnf-automatic",)
    assert unwanted(seen, spec()) == ()
    assert unwanted(facts(), off) == ()


def test_zypper_has_no_proxy_setting_of_its_own() -> None:
    leap = facts(distribution="opensuse-leap", release="16.0")
    assert source_differences(leap, spec(pkg_cache_proxy="http://10.2.50.1:3142")) == ()


def test_an_rpm_has_its_version_as_a_deb_has() -> None:
    assert packages.is_version("7.2.1-1.el9", "7.2")
    assert packages.is_version("7.2.1-1.el9", "7.2.1")
    assert not packages.is_version("7.2.10-1.el9", "7.2.1")


def shared(**changes: Any) -> InstallationSpec:
    """Make a spec with a share in it."""
    mount = {"src": "n:/a", "path": "/a", "fstype": "nfs", "opts": "rw", "owner": "9869"}
    return spec(mounts=({**mount, "group": "9869", "mode": "0750"},), **changes)
