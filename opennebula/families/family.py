"""The types of the tables in debian.py, redhat.py and suse.py."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """A release of a distribution, named as in OpenNebula's repository."""

    name: str
    since: str = "0"
    """The first series of OpenNebula with packages for it."""
    until: str = ""
    """The last one; empty if there are still packages."""
    needs: tuple[str, ...] = ()
    """What OpenNebula's packages need first, in order: an action of the family's script, and its
    argument."""

    def has(self, version: str) -> bool:
        """Return whether that version of OpenNebula has packages for it."""
        wanted = series(version)
        return series(self.since) <= wanted and (not self.until or wanted <= series(self.until))


@dataclass(frozen=True)
class Distribution:
    """A distribution: its ID in os-release, its name, and its folder in the repository."""

    id: str
    name: str
    folder: str
    releases: tuple[Release, ...]
    by_major: bool = False
    """The repository has one folder for 9.1, 9.2 and so on."""

    def release(self, version_id: str) -> str:
        """Return the repository's name of a release, from VERSION_ID in os-release."""
        return version_id.partition(".")[0] if self.by_major else version_id


@dataclass(frozen=True)
class WebServerPackages:
    """A web server, as a family packages it."""

    packages: str
    unit: str
    site: str
    """File for our site."""
    check: str
    """Command that checks its configuration."""
    link: str = ""
    """Link that enables the site, if it needs one."""
    modules: str = ""
    """Modules to enable."""


NGINX = WebServerPackages(
    packages="nginx",
    unit="nginx.service",
    site="/etc/nginx/conf.d/opennebula-ssl.conf",
    check="nginx -t",
)


@dataclass(frozen=True)
class Family:
    """Distributions whose packages have the same names, formats and tools."""

    name: str
    like: tuple[str, ...]
    """Words of ID and ID_LIKE in os-release that identify its hosts."""
    scripts: tuple[str, ...]
    """Its shell functions: files in procedures/shell/families."""
    distributions: tuple[Distribution, ...]
    tools: tuple[str, ...]
    """Packages that our scripts use."""
    database: str
    """Package of MariaDB."""
    shares: Mapping[str, str]
    """Type of file system to the package that mounts it, if it needs one."""
    unattended: tuple[str, ...]
    """Packages that install upgrades automatically."""
    locale_file: str
    """File with the locale of its services."""
    web: Mapping[str, WebServerPackages]
    """Web servers by their name in the config."""
    constants: Mapping[str, str]
    """Variable of the scripts to a path or another name."""
    database_service: str = "mariadb"
    """MariaDB's systemd unit."""
    lacks: tuple[str, ...] = ()
    """Features without a package."""


@dataclass(frozen=True)
class Platform:
    """The distribution and release of a host, which OpenNebula has packages for."""

    family: Family
    distribution: Distribution
    release: Release


def series(version: str) -> tuple[int, ...]:
    """Return the series of a version for comparisons, such as (7, 2) of 7.2.1."""
    return tuple(int(part) for part in version.split(".")[:2])
