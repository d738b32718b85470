"""What packages a host must have, and how it gets them. Pure: facts in, names and reasons out."""

from collections.abc import Iterable

from hosts.errors import HostError
from opennebula import families, packages
from opennebula.families import Platform
from opennebula.packages import is_version
from procedures.facts.facts import Facts
from procedures.install.files import leader
from procedures.specs import InstallationSpec

_ANY = "*"
"""Whatever version is there is kept."""


def platform(seen: Facts, spec: InstallationSpec) -> Platform:
    """What the host runs. Raises HostError where OpenNebula has no packages for that."""
    return supported(seen.host.name, seen.distribution, seen.release, spec.version)


def supported(host: str, distribution: str, release: str, version: str) -> Platform:
    """The same of a host that there are no facts of."""
    try:
        return families.platform(distribution, release, version)
    except families.UnsupportedError as known:
        raise HostError(
            host,
            "choose the package repository",
            expected=f"one that OpenNebula {version} has packages for: {known}",
            seen=f"{distribution} {release}".strip() or "a system without /etc/os-release",
            remedy="use one of those, or set opennebula-ha:one_version to a version that has"
            " packages for this one",
        ) from None


def features(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """Those of the spec that can be had on the host."""
    return packages.available(platform(seen, spec), spec.features, spec.version)


def wanted(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """The packages that the host must have."""
    return (
        *packages.packages(
            platform(seen, spec),
            features(seen, spec),
            mariadb=spec.database.is_mariadb,
            fstypes=[mount.fstype for mount in spec.mounts],
        ),
        *leader.wanted_packages(spec),
    )


def unwanted(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """The packages that the host is not to have."""
    if not spec.unattend_disable:
        return ()
    return tuple(
        package for package in platform(seen, spec).family.unattended if package in seen.packages
    )


def differing_packages(seen: Facts, spec: InstallationSpec) -> dict[str, str]:
    """The packages to repair, and what is wrong with each."""
    found: dict[str, str] = {}
    for name in wanted(seen, spec):
        package = seen.packages.get(name)
        if package is None:
            found[name] = "not installed"
        elif name.startswith("opennebula") and not is_version(package.version, spec.version):
            found[name] = f"version {package.version}"
        elif package.held:
            found[name] = "held back"
    return found


def unsettled(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """What differs in how the host gets packages, by name."""
    found = [f"package {name}: installs upgrades by itself" for name in unwanted(seen, spec)]
    if seen.package and seen.pin not in (seen.package, _ANY):
        found.append("packages of OpenNebula: not kept from a plain upgrade")
    keeps_proxy = platform(seen, spec).family.constants["proxy_file"]
    if keeps_proxy and seen.proxy != (spec.pkg_cache_proxy or ""):
        found.append(f"proxy for packages: {seen.proxy or 'none'}")
    return tuple(found)


def to_fetch(seen: Facts, spec: InstallationSpec) -> list[str]:
    """NAME, or NAME=VERSION: what goes with an OpenNebula that is there has the version of that."""
    there = is_version(seen.package, spec.version)
    return [
        f"{name}={seen.package}" if there and name in packages.FEATURES.values() else name
        for name, fault in differing_packages(seen, spec).items()
        if fault != "held back"
    ]


def held(seen: Facts, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the packages that are held back on the host."""
    return tuple(name for name in names if name in seen.packages and seen.packages[name].held)
