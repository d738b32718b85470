"""The distributions: names of packages, files and services, and what OpenNebula supports.

One table per family: debian.py, redhat.py, suse.py. Sources: OpenNebula's documentation ("Platform
Notes", "OpenNebula Repositories", "Front-end Installation") and one-deploy's roles/repository,
roles/database and helper/fstab.
"""

from collections.abc import Iterator

from opennebula.families.debian import DEBIAN
from opennebula.families.family import Family, Platform, series
from opennebula.families.redhat import REDHAT
from opennebula.families.suse import SUSE

__all__ = ["FAMILIES", "Family", "Platform", "UnsupportedError", "platform", "series"]

FAMILIES = (DEBIAN, REDHAT, SUSE)


class UnsupportedError(ValueError):
    """OpenNebula has no packages for that distribution or release; names those that it has."""


def platform(distribution: str, release: str, version: str) -> Platform:
    """Return the platform of a host for a version of OpenNebula.

    ``distribution`` and ``release``: ID and VERSION_ID in its os-release. Raises UnsupportedError.
    """
    for candidate in _platforms(version):
        known = candidate.distribution
        if (known.id, candidate.release.name) == (distribution, known.release(release)):
            return candidate
    raise UnsupportedError(supported(version))


def supported(version: str) -> str:
    """Return the releases with packages of that version of OpenNebula, in words."""
    by_name: dict[str, list[str]] = {}
    for known in _platforms(version):
        by_name.setdefault(known.distribution.name, []).append(known.release.name)
    return "; ".join(f"{name} {', '.join(releases)}" for name, releases in by_name.items())


def _platforms(version: str) -> Iterator[Platform]:
    for family in FAMILIES:
        for distribution in family.distributions:
            for release in distribution.releases:
                if release.has(version):
                    yield Platform(family, distribution, release)
