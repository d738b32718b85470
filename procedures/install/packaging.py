"""Which packages a host must have, and where it gets them from. Pure."""

from hosts.errors import HostError
from opennebula import families, packages
from opennebula.families import Platform
from opennebula.packages import is_version
from procedures.facts.facts import Facts
from procedures.specs import InstallationSpec, PackageSpec

_ANY = "*"
"""Pin of a host that keeps any present version."""


def platform(seen: Facts, spec: PackageSpec) -> Platform:
    """Return the platform of a host. Raises HostError if OpenNebula has no packages for it."""
    return supported(seen.host.name, seen.distribution, seen.release, spec.version)


def supported(host: str, distribution: str, release: str, version: str) -> Platform:
    """Return the platform of a host without facts, as ``platform`` does."""
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


def repository(seen: Facts, spec: PackageSpec, *, enterprise: bool) -> dict[str, str]:
    """Return OpenNebula's repository for a host, or its mirror, as variables of scripts."""
    host = platform(seen, spec)
    there = packages.repository(
        host,
        spec.version,
        url=spec.repository.url,
        key_url=spec.repository.key_url,
        enterprise=enterprise,
    )
    return {
        "url": there.url,
        "key_url": there.key_url,
        "key": spec.repository.key or "",
        "needs": "\n".join(host.release.needs if spec.repository.pre_enable else ()),
        "refresh": "yes" if spec.refresh else "no",
        "proxy": spec.proxy,
    }


def features(seen: Facts, spec: PackageSpec) -> tuple[str, ...]:
    """Return the features of the spec that are available on the host."""
    return packages.available(platform(seen, spec), spec.features, spec.version)


def wanted(seen: Facts, spec: PackageSpec) -> tuple[str, ...]:
    """Return the packages that the host must have."""
    return (
        *packages.packages(
            platform(seen, spec),
            features(seen, spec),
            mariadb=spec.mariadb and packages.MARIADB_ORG not in seen.packages,
            fstypes=spec.fstypes,
        ),
        *(("python3",) if spec.python else ()),
    )


def unwanted(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """Return the installed packages that the host must not have."""
    if not spec.unattend_disable:
        return ()
    return tuple(
        package
        for package in platform(seen, spec.packages).family.unattended
        if package in seen.packages
    )


def differing_packages(seen: Facts, spec: PackageSpec) -> dict[str, str]:
    """Return the packages to install or change, and the fault of each."""
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


def source_differences(seen: Facts, spec: InstallationSpec) -> tuple[str, ...]:
    """Return the differences in how the host gets packages."""
    found = [f"package {name}: installs upgrades automatically" for name in unwanted(seen, spec)]
    if seen.package and seen.pin not in (seen.package, _ANY):
        found.append("packages of OpenNebula: not kept from a plain upgrade")
    keeps_proxy = platform(seen, spec.packages).family.constants["proxy_file"]
    if keeps_proxy and seen.proxy != (spec.pkg_cache_proxy or ""):
        found.append(f"proxy for packages: {seen.proxy or 'none'}")
    return tuple(found)


def to_fetch(seen: Facts, spec: PackageSpec) -> list[str]:
    """Return the packages to install, as NAME or NAME=VERSION.

    Features get the version of an OpenNebula that is installed.
    """
    keeps = is_version(seen.package, spec.version)
    return [
        f"{name}={seen.package}" if keeps and name in packages.FEATURES.values() else name
        for name, fault in differing_packages(seen, spec).items()
        if fault != "held back"
    ]
