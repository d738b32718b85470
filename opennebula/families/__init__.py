"""What the distributions call things, and which of them OpenNebula has packages for.

A table each: debian.py, redhat.py, suse.py. Sources: OpenNebula's documentation ("Platform Notes",
"OpenNebula Repositories", "Front-end Installation") and one-deploy's roles/repository,
roles/database and helper/fstab.
"""

from collections.abc import Iterator

from opennebula.families.debian import DEBIAN
from opennebula.families.family import Distribution, Family, Platform, Release, series
from opennebula.families.redhat import REDHAT
from opennebula.families.suse import SUSE

__all__ = [
    "FAMILIES",
    "Distribution",
    "Family",
    "Platform",
    "Release",
    "UnsupportedError",
    "platform",
    "series",
]

FAMILIES = (DEBIAN, REDHAT, SUSE)


class UnsupportedError(ValueError):
    """A distribution, or a release of one, that there are no packages for; says which there are."""


def platform(distribution: str, release: str, version: str) -> Platform:
    """What a host runs, by its os-release (ID and VERSION_ID), for a version of OpenNebula.

    Raises UnsupportedError.
    """
    for found_platform in _platforms(version):
        named = found_platform.distribution
        if (named.id, found_platform.release.name) == (distribution, named.release(release)):
            return found_platform
    raise UnsupportedError(supported(version))


def supported(version: str) -> str:
    """The releases with packages of that version of OpenNebula."""
    found: dict[str, list[str]] = {}
    for found_platform in _platforms(version):
        found.setdefault(found_platform.distribution.name, []).append(found_platform.release.name)
    return "; ".join(f"{name} {', '.join(releases)}" for name, releases in found.items())


def _platforms(version: str) -> Iterator[Platform]:
    for family in FAMILIES:
        for distribution in family.distributions:
            for release in distribution.releases:
                if release.has(version):
                    yield Platform(family, distribution, release)
