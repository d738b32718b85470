"""What the tables of the distributions are made of: see debian.py, redhat.py and suse.py."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """One release of a distribution, by the number that it has in OpenNebula's repository."""

    name: str
    since: str = "0"
    """The first series of OpenNebula with packages for it."""
    until: str = ""
    """The last one; empty if there is no last one yet."""
    needs: tuple[str, ...] = ()
    """What OpenNebula's packages need before them, in order: a word that the family's script
    knows, and what it is about."""

    def has(self, version: str) -> bool:
        """Whether that version of OpenNebula has packages for it."""
        asked = series(version)
        return series(self.since) <= asked and (not self.until or asked <= series(self.until))


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
        """What os-release calls VERSION_ID, as the repository has it."""
        return version_id.partition(".")[0] if self.by_major else version_id


@dataclass(frozen=True)
class WebServerPackages:
    """A web server, as a family packages it."""

    packages: str
    unit: str
    site: str
    """File for a site of ours."""
    check: str
    """Command that reads its configuration, and says what is wrong with it."""
    link: str = ""
    """Link to that file, where it counts only with one."""
    modules: str = ""
    """What has to be switched on for it."""


@dataclass(frozen=True)
class Family:
    """Distributions whose packages have the same names, formats and tools."""

    name: str
    like: tuple[str, ...]
    """Words of ID and ID_LIKE in os-release that tell its hosts."""
    scripts: tuple[str, ...]
    """Its shell functions: files in procedures/shell/families."""
    distributions: tuple[Distribution, ...]
    tools: tuple[str, ...]
    """Packages that our own procedures use."""
    database: str
    """Package of MariaDB."""
    database_service: str
    """Its systemd unit."""
    shares: Mapping[str, str]
    """Packages that mount a type of file system, where the distribution alone does not."""
    unattended: tuple[str, ...]
    """Packages that install upgrades by themselves."""
    locale_file: str
    """Where the language of its services stands."""
    web: Mapping[str, WebServerPackages]
    """By the name that the config has for it."""
    constants: Mapping[str, str]
    """Paths and other names, by the variables that scripts know them by."""
    lacks: tuple[str, ...] = ()
    """Features that OpenNebula has no package of."""


@dataclass(frozen=True)
class Platform:
    """What a host runs: a release that a version of OpenNebula has packages for."""

    family: Family
    distribution: Distribution
    release: Release


def series(version: str) -> tuple[int, ...]:
    """The series of a version, to be compared: 7.2 of 7.2.1."""
    return tuple(int(part) for part in version.split(".")[:2])
