"""OpenNebula's package repositories and the names of its packages, for all families."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opennebula.families import Platform, series

COMMUNITY = "https://downloads.opennebula.io/repo"
ENTERPRISE = "https://enterprise.opennebula.io/repo"
KEY = "repo2.key"

FEATURES = {
    "gui": "opennebula-fireedge",
    "flow": "opennebula-flow",
    "gate": "opennebula-gate",
    "form": "opennebula-form",
}
"""Feature to the name of its package and systemd unit."""
HOOK_MANAGER = "opennebula-hem"
"""The unit that runs the users' hooks. It belongs to oned's package."""
LED_UNITS = frozenset({*FEATURES.values(), HOOK_MANAGER} - {FEATURES["gui"]})
"""Units that run only on the leader; FireEdge runs on every front-end."""
_SINCE = {"form": "7.2"}
MARIADB_ORG = "MariaDB-server"
"""MariaDB.org's RPM, which replaces the distribution's."""
_MARIADB = re.compile("mariadb(-server(-core)?(-[0-9.]+)?)?", re.IGNORECASE)


@dataclass(frozen=True)
class PackageRepository:
    """A package repository: its URL, and the URL of its key."""

    url: str
    key_url: str


def repository(
    platform: Platform,
    version: str,
    *,
    url: str | None = None,
    key_url: str | None = None,
    enterprise: bool = False,
) -> PackageRepository:
    """Return OpenNebula's repository for a platform. ``url``: base URL of a mirror instead."""
    base = (url or (ENTERPRISE if enterprise else COMMUNITY)).rstrip("/")
    key_base = (url or COMMUNITY).rstrip("/")
    return PackageRepository(
        url=f"{base}/{version}/{platform.distribution.folder}/{platform.release.name}",
        key_url=key_url or f"{key_base}/{KEY}",
    )


def is_version(package: str, version: str) -> bool:
    """Return whether a package has that version, or one of that series."""
    return package == version or package.startswith((f"{version}.", f"{version}-"))


def packages(
    platform: Platform, features: Iterable[str], *, mariadb: bool, fstypes: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the packages to install on a front-end: OpenNebula, and what our scripts use."""
    family = platform.family
    return (
        "opennebula",
        *(FEATURES[name] for name in sorted(features)),
        *((family.database,) if mariadb else ()),
        *family.tools,
        *sorted({family.shares[mount] for mount in fstypes if mount in family.shares}),
    )


def is_mariadb(package: str) -> bool:
    """Return whether a package is MariaDB's server, or the client that needs the same release."""
    return bool(_MARIADB.fullmatch(package))


def available(platform: Platform, features: Iterable[str], version: str) -> tuple[str, ...]:
    """Return the features that this version of OpenNebula has packages of."""
    return tuple(
        name
        for name in features
        if name not in platform.family.lacks and series(version) >= series(_SINCE.get(name, "0"))
    )
