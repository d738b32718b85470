"""The packages of the distribution that a front-end needs, as a repository inside the lab."""

import hashlib
import re
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.machines.cache import cached, digest
from lab.machines.faults import LabFault
from lab.machines.shell import command, environment
from lab.machines.sources import own_sources

# What the program, or a person who explores the lab, installs on a front-end.
PACKAGES = (
    "acl",
    "apache2",
    "chrony",
    "curl",
    "gnupg",
    "haproxy",
    "iputils-arping",
    "mariadb-server",
    "nfs-common",
    "nginx",
    "openssl",
    "rsync",
    "sudo",
    "tzdata",
    "zstd",
)

_NEEDS = re.compile(r"^(?:Package|Version|Depends|Pre-Depends|Recommends): .+", re.MULTILINE)


def distribution(template: Path, opennebula: Path) -> Path:
    """Return a flat apt repository with `PACKAGES` and the dependencies of OpenNebula."""
    sources = "".join(f"{source}\n" for source in own_sources())
    indexes = sorted(opennebula.rglob("Packages"))
    # Only the names, versions and dependencies of these packages matter.
    declared = [line for path in indexes for line in _NEEDS.findall(path.read_text())]

    def make(draft: Path) -> None:
        apt = _Apt(draft / "apt", template, sources, indexes)
        for group in [PACKAGES, *((name,) for name in _names(declared))]:
            apt.download(group)
        apt.repack(draft, foreign=_names(declared))
        write_index(draft)

    key = digest(str(template), sources, *PACKAGES, *declared)
    return cached("distribution", key, "the distribution's packages for the lab", make)


def write_index(directory: Path) -> None:
    """Write `Packages` and `Release` of a flat repository."""
    with ThreadPoolExecutor() as pool:
        packages = sorted(directory.glob("*.deb"))
        index = "\n".join(pool.map(lambda file: stanza(file, f"./{file.name}"), packages))
    (directory / "Packages").write_text(index)
    data = index.encode()
    entry = f"{hashlib.sha256(data).hexdigest()} {len(data)} Packages"
    (directory / "Release").write_text(f"Origin: lab\nSuite: lab\nSHA256:\n {entry}\n")


def stanza(package: Path, filename: str) -> str:
    """Return the entry of a package in an index."""
    control = command(["dpkg-deb", "--field", package])
    with package.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return (
        f"{control.rstrip()}\nFilename: {filename}\n"
        f"Size: {package.stat().st_size}\nSHA256: {checksum}\n"
    )


class _Apt:
    """This machine's apt, with the template's packages as the installed ones."""

    def __init__(self, home: Path, template: Path, sources: str, indexes: list[Path]) -> None:
        self._archives = home / "cache/archives"
        for path in ("lists/partial", "cache/archives/partial", "parts"):
            (home / path).mkdir(parents=True)
        local = "".join(
            f"deb [trusted=yes] file:{root} {rest}\n" for root, rest in _suites(indexes)
        )
        (home / "sources.list").write_text(sources + local)
        self._options = [
            f"-oDir::State::lists={home}/lists",
            f"-oDir::State::status={template}/var/lib/dpkg/status",
            f"-oDir::Cache={home}/cache",
            f"-oDir::Etc::sourcelist={home}/sources.list",
            f"-oDir::Etc::sourceparts={home}/parts",
            f"-oDir::Etc::preferences={home}/preferences",
            f"-oDir::Etc::preferencesparts={home}/parts",
            "-oAPT::Sandbox::User=root",
            "-oAPT::Update::Post-Invoke-Success::=",
            "-oAcquire::Languages=none",
            "-oDebug::NoLocking=1",
        ]
        command(["apt-get", *self._options, "-q", "update"], timeout=300)

    def download(self, packages: tuple[str, ...]) -> None:
        """Download these packages with all that they depend on and recommend."""
        argv = ["apt-get", *self._options, "-q", "-y", "--download-only", "install", *packages]
        try:
            command(argv, timeout=900, env=environment() | {"DEBIAN_FRONTEND": "noninteractive"})
        except LabFault as fault:
            if packages == PACKAGES:
                raise
            print(f"lab: {packages[0]} will not be installable: {fault}", file=sys.stderr)

    def repack(self, directory: Path, foreign: Iterable[str]) -> None:
        """Repack the downloaded packages, except those of another repository; delete the rest."""
        others = set(foreign)
        files = [f for f in self._archives.glob("*.deb") if f.name.partition("_")[0] not in others]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda file: _repack(file, directory), files))
        shutil.rmtree(self._archives.parents[1])


def _repack(package: Path, directory: Path) -> None:
    """Compress a package with zstd: all hosts of a lab share the processors, and xz takes them six
    times as long to unpack.
    """
    tree = package.with_suffix("")
    command(["dpkg-deb", "--raw-extract", package, tree])
    name = package.name.replace("%3a", ":")
    command(["dpkg-deb", "--build", "-Zzstd", "-z3", tree, directory / name])
    shutil.rmtree(tree)


def _suites(indexes: list[Path]) -> list[tuple[str, str]]:
    """Return the repositories of these index files, as `(root, "suite component")`."""
    found = []
    for index in indexes:
        match = re.fullmatch(r"(.+)/dists/(.+)/([^/]+)/binary-[^/]+/Packages", str(index))
        if match:
            found.append((match[1], f"{match[2]} {match[3]}"))
    return list(dict.fromkeys(found))


def _names(declared: list[str]) -> list[str]:
    return sorted(
        {line.removeprefix("Package: ") for line in declared if line.startswith("Package: ")}
    )
