"""Check what each host needs by itself."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from hosts.errors import HostError
from opennebula import packages
from opennebula import ports as at
from procedures.install.packaging import supported
from procedures.preflight.context import Finding, Site, Weight, always, fault, skippable

MIB = 1 << 20
GIB = 1 << 30

LEAST_MEMORY = 512 * MIB
"""MariaDB, oned and its drivers need at least this, in addition to the system."""
GOOD_MEMORY = 2 * GIB
"""What one-deploy gives to front-ends that it creates."""
UNCOUNTED = 0.1
"""Share of the memory that a kernel reserves before it counts."""


@dataclass(frozen=True)
class RoomNeed:
    """Free space that this program's work needs."""

    path: str
    what: str
    size: int


PACKAGES = (
    RoomNeed("/usr", "packages", 1536 * MIB),
    RoomNeed("/var/cache", "downloaded packages", 512 * MIB),
)
"""OpenNebula with Ruby and Node.js, MariaDB, and their dependencies."""
MARIADB = RoomNeed("/var/lib/mysql", "the database", GIB)
"""MariaDB's own files, a log of 250000 records, and a second copy of the database."""
SQLITE = RoomNeed("/var/lib/one", "the database", GIB)
DUMPS = RoomNeed("/var/backups", "dumps", 512 * MIB)
STAGED = (
    RoomNeed("/usr", "packages", 512 * MIB),
    RoomNeed("/var/lib/opennebula-ha", "staged packages, and the former ones", GIB),
)
LEAST_DUMP = 64 * MIB
PATHS = sorted({item.path for item in (*PACKAGES, MARIADB, SQLITE, DUMPS, *STAGED)})

MARIADB_PORT = 3306


@always
def distribution(site: Site) -> Iterator[Finding]:
    """Check that OpenNebula has packages for the distribution."""
    for name, probe in site.fresh_probes.items():
        try:
            supported(name, probe.distribution, probe.release, site.spec.version)
        except HostError as error:
            yield Finding(error)


@always
def systemd(site: Site) -> Iterator[Finding]:
    """Check that systemd runs, which manages the services."""
    for name, probe in site.fresh_probes.items():
        if not probe.has_systemd:
            yield fault(
                name,
                "check for systemd",
                expected="a system that was booted with systemd",
                seen="no /run/systemd/system",
                remedy="use a whole server, or a container with systemd as its first process",
            )


@always
def unit_files(site: Site) -> Iterator[Finding]:
    """Check that OpenNebula's units can be masked while its packages change."""
    for name in site.facts if site.change.is_upgrade else site.fresh & site.facts.keys():
        known = site.facts[name].units
        for unit in ("opennebula", *packages.FEATURES.values()):
            if unit in known and (file := known[unit].replacement):
                yield fault(
                    name,
                    "check the systemd units",
                    expected=f"{unit}.service from its package, with your changes in a drop-in:"
                    " it is masked while packages are installed",
                    seen=f"the whole unit in {file}",
                    remedy=f"on {name}: 'mv {file} /root/' and 'systemctl daemon-reload', then set"
                    f" what you changed there with 'systemctl edit {unit}'; then run again",
                )


@always
def mandatory_access(site: Site) -> Iterator[Finding]:
    """Report SELinux or AppArmor: a note, since it matters only if it denies something."""
    for name, probe in site.fresh_probes.items():
        if probe.is_enforcing:
            yield _access(name, "SELinux enforcing", "ausearch -m avc", Weight.WARNING)
        if probe.has_apparmor:
            yield _access(name, "AppArmor on", "journalctl -k -g apparmor", Weight.NOTE)


def _access(name: str, what: str, how: str, weight: Weight) -> Finding:
    return fault(
        name,
        "check mandatory access control",
        expected="no policy that denies OpenNebula access to its files",
        seen=what,
        remedy=f"if a service is denied access, {how} shows it",
        weight=weight,
    )


@skippable
def memory(site: Site) -> Iterator[Finding]:
    """Check the memory against the least that works, and against the usual size."""
    for name, probe in site.fresh_probes.items():
        there = probe.memory
        if there >= GOOD_MEMORY * (1 - UNCOUNTED):
            continue
        refuses = there < LEAST_MEMORY * (1 - UNCOUNTED)
        yield fault(
            name,
            "check the memory",
            expected=f"{_size(LEAST_MEMORY if refuses else GOOD_MEMORY)} for a front-end",
            seen=_size(there),
            remedy=f"give {name} more memory",
            weight=Weight.REFUSAL if refuses else Weight.WARNING,
        )


@skippable
def disk(site: Site) -> Iterator[Finding]:
    """Check the free space. Needs on the same file system are added up."""
    for name, seen in site.seen.items():
        by_mount: dict[str, list[RoomNeed]] = defaultdict(list)
        for need in _needs(site, name):
            if need.path not in seen.probe.room:
                continue  # Its free space is unknown.
            by_mount[seen.probe.room[need.path].mount].append(need)
        for mount, needs in by_mount.items():
            free = seen.probe.room[needs[0].path].free
            wanted = sum(item.size for item in needs)
            if free < wanted:
                parts = ", ".join(
                    f"{_size(item.size)} in {item.path}: {item.what}" for item in needs
                )
                yield fault(
                    name,
                    "check the free space",
                    expected=f"{_size(wanted)} of free space on {mount} ({parts})",
                    seen=_size(free),
                    remedy=f"free some space on {mount} of {name}, or make it larger",
                )


def _needs(site: Site, name: str) -> Iterator[RoomNeed]:
    if name in site.fresh:
        yield from PACKAGES
        yield MARIADB if site.spec.database.is_mariadb else SQLITE
        yield DUMPS
    elif name in site.converted:
        yield from (MARIADB, DUMPS)
    elif site.change.is_upgrade and name in site.facts:
        yield from STAGED
        largest = max((dump.size for dump in site.facts[name].dumps), default=0)
        yield RoomNeed(DUMPS.path, "one more dump", max(largest, LEAST_DUMP))


@skippable
def listeners(site: Site) -> Iterator[Finding]:
    """Check that no other program uses the port of a service."""
    wanted = dict.fromkeys(site.spec.core_ports, "opennebula")
    wanted |= {at.FEATURES[name]: packages.FEATURES[name] for name in site.spec.features}
    if site.spec.database.is_mariadb:
        wanted[MARIADB_PORT] = "MariaDB"
    for name in site.fresh & site.facts.keys():
        there = {*site.facts[name].packages}
        if any(map(packages.is_mariadb, there)):
            there.add("MariaDB")
        taken = {
            port: listener.process
            for port, listener in sorted(site.seen[name].probe.listening.items())
            if port in wanted and wanted[port] not in there
        }
        if taken:
            yield fault(
                name,
                "check that the ports of its services are free",
                expected=", ".join(f"{port} free for {wanted[port]}" for port in taken),
                seen=", ".join(f"{process} at {port}" for port, process in taken.items()),
                remedy="stop that program, or let it listen at another port",
            )


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size // MIB} MiB"
