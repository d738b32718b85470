"""Where OpenNebula's packages come from and what they are called.

Repository layout and package names: OpenNebula's documentation, "OpenNebula Repositories", and
one-deploy's roles/repository.
"""

from dataclasses import dataclass

COMMUNITY = "https://downloads.opennebula.io/repo"
ENTERPRISE = "https://enterprise.opennebula.io/repo"
KEY = "repo2.key"

_SUPPORTED = {"debian": ("11", "12", "13"), "ubuntu": ("22.04", "24.04")}
_NAMES = {"debian": "Debian", "ubuntu": "Ubuntu"}

FEATURES = {
    "gui": "opennebula-fireedge",
    "flow": "opennebula-flow",
    "gate": "opennebula-gate",
    "form": "opennebula-form",
}
"""Package and systemd unit of each feature; they have the same name."""


class UnsupportedError(ValueError):
    """A distribution that there is no repository for."""


@dataclass(frozen=True)
class Repository:
    """An apt repository: its URL, suite and component, and the URL of its key."""

    url: str
    key_url: str
    suite: str = "stable"
    component: str = "opennebula"


def repository(
    distribution: str,
    release: str,
    version: str,
    *,
    url: str | None = None,
    key_url: str | None = None,
    enterprise: bool = False,
) -> Repository:
    """OpenNebula's repository for a distribution, named as in os-release (ID and VERSION_ID).

    ``url`` is a mirror's base in place of OpenNebula's own. Raises UnsupportedError.
    """
    releases = _SUPPORTED.get(distribution, ())
    if release not in releases:
        known = "; ".join(f"{_NAMES[name]} {', '.join(of)}" for name, of in _SUPPORTED.items())
        raise UnsupportedError(known)
    base = (url or (ENTERPRISE if enterprise else COMMUNITY)).rstrip("/")
    key_base = (url or COMMUNITY).rstrip("/")
    return Repository(
        url=f"{base}/{version}/{_NAMES[distribution]}/{release}",
        key_url=key_url or f"{key_base}/{KEY}",
    )


def is_version(package: str, version: str) -> bool:
    """Whether a package's version is that one, or one of that series."""
    return package == version or package.startswith((f"{version}.", f"{version}-"))


def packages(features: tuple[str, ...], *, mariadb: bool) -> tuple[str, ...]:
    """What to install on a front-end: OpenNebula and what our own procedures use."""
    return (
        "opennebula",
        *(FEATURES[name] for name in sorted(features)),
        *(("mariadb-server",) if mariadb else ()),
        "rsync",
        "zstd",
        "openssh-client",
        "iputils-arping",
    )
