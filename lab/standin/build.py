"""Build the stand-in's Debian packages and a signed repository of them, without network."""

import gzip
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from lab.machines.distribution import stanza
from lab.machines.shell import command

HERE = Path(__file__).resolve().parent
SUITE = "stable"
COMPONENT = "opennebula"
ARCHITECTURE = "amd64"
KEY_FILE = "repo2.key"
KEY_OWNER = "OpenNebula stand-in (lab) <lab@localhost>"

_PROGRAMS = ("oned", "onezone", "onedb", "oneuser", "onegroup", "oneacl")
_GUEST = Path("usr/lib/one/python/one_standin")
_SCRIPTS = ("/usr/share/one/", "/var/lib/one/remotes/hooks/")


@dataclass(frozen=True)
class Release:
    """One version of all packages."""

    version: str
    db_version: str
    series: str
    """Its folder in the repository: the series, or the full version."""
    flaw: str = ""
    """Python code that its programs run first."""

    @property
    def package_version(self) -> str:
        """The version in Debian's form."""
        return f"{self.version}-1"


CURRENT = Release(version="7.2.0", db_version="7.2.0", series="7.2")
PATCH = Release(version="7.2.1", db_version="7.2.0", series="7.2.1")
BROKEN = Release(
    version="7.2.2",
    db_version="7.2.0",
    series="7.2.2",
    flaw='raise SystemExit("oned: cannot open shared object file")',
)
NEXT = Release(version="7.4.0", db_version="7.4.0", series="7.4")
RELEASES = (CURRENT, PATCH, BROKEN, NEXT)


def build_repository(out: Path, releases: tuple[Release, ...] = (CURRENT,)) -> None:
    """Write a repository like OpenNebula's own: the key, and a folder for each series.

    The line for apt: `deb [signed-by=KEY] URL/SERIES/Debian/12 stable opennebula`.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="standin-") as scratch:
        signer = _Signer(Path(scratch) / "gnupg")
        (out / KEY_FILE).write_bytes(signer.public_key())
        for series in sorted({release.series for release in releases}):
            folder = out / series / "Debian" / "12"
            pool = folder / "pool" / COMPONENT
            pool.mkdir(parents=True, exist_ok=True)
            for release in releases:
                if release.series == series:
                    _build_packages(release, pool, Path(scratch))
            _write_indices(folder, signer)


def _build_packages(release: Release, pool: Path, scratch: Path) -> None:
    for package in sorted((HERE / "packages").iterdir()):
        tree = scratch / f"{package.name}_{release.package_version}"
        shutil.copytree(package / "root", tree)
        if package.name == "opennebula-gate" and release is NEXT:
            settings = tree / "etc/one/onegate-server.conf"
            settings.write_text(gate_settings_since_74(settings.read_text()))
        if package.name == "opennebula":
            shutil.copytree(package / "DEBIAN", tree / "DEBIAN")
            _add_programs(tree, release)
        else:
            _add_service(tree, package.name)
        settings_files = [*tree.glob("etc/**/*"), *tree.glob("var/lib/one/remotes/etc/**/*")]
        names = [f"/{file.relative_to(tree)}\n" for file in settings_files if file.is_file()]
        (tree / "DEBIAN/conffiles").write_text("".join(sorted(names)))
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace("@VERSION@", release.package_version))
        _set_modes(tree)
        target = pool / f"{package.name}_{release.package_version}_{ARCHITECTURE}.deb"
        command(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, target])


def gate_settings_since_74(text: str) -> str:
    """Return Gate's configuration of 7.2 in the form of 7.4, which moved the address."""
    return text.replace(
        ":host: 127.0.0.1\n:port: 5030\n", ":server:\n  :bind: 127.0.0.1\n  :port: 5030\n"
    )


def _add_service(tree: Path, package: str) -> None:
    """Write what the packages of the services have in common; FireEdge has a unit of its own."""
    values = {
        "PACKAGE": package,
        "NAME": package.removeprefix("opennebula-"),
        "CONFIGURATION": " ".join(f"/etc/one/{path.name}" for path in (tree / "etc/one").iterdir()),
    }
    unit = f"usr/lib/systemd/system/{package}.service"
    for name, place in (
        ("control", "DEBIAN/control"),
        ("postinst", "DEBIAN/postinst"),
        ("unit", unit),
    ):
        target = tree / place
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            text = (HERE / "service" / name).read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            target.write_text(text)


def _add_programs(tree: Path, release: Release) -> None:
    guest = tree / _GUEST
    shutil.copytree(HERE / "guest", guest, ignore=shutil.ignore_patterns("__pycache__"))
    (guest / "version.py").write_text(
        '"""Which OpenNebula this stands in for."""\n\n'
        f'VERSION = "{release.version}"\nDB_VERSION = "{release.db_version}"\n{release.flaw}\n'
    )
    # Where the original has it: the program reads it before it installs a package.
    schema = tree / "usr/lib/one/ruby/onedb/database_schema.rb"
    schema.parent.mkdir(parents=True, exist_ok=True)
    schema.write_text(
        f"    LATEST_DB_VERSION = '{release.db_version}'\n"
        f"    LATEST_LOCAL_DB_VERSION = '{release.db_version}'\n"
    )
    binaries = tree / "usr/bin"
    binaries.mkdir(parents=True, exist_ok=True)
    for program in _PROGRAMS:
        (binaries / program).write_text(
            "#!/usr/bin/python3\n"
            "import sys\n\n"
            f'sys.path.insert(0, "/{_GUEST.parent}")\n'
            "from one_standin.__main__ import main\n\n"
            f'sys.exit(main(["{program}", *sys.argv[1:]]))\n'
        )


def _set_modes(tree: Path) -> None:
    """Set the mode of each file for its installation, independently of the checkout's umask."""
    for path in tree.rglob("*"):
        inside = f"/{path.relative_to(tree)}"
        runs = inside.startswith(("/usr/bin/", *_SCRIPTS)) or path.name in (
            "postinst",
            "prerm",
            "postrm",
        )
        if path.is_dir() or runs:
            path.chmod(0o755)
        else:
            path.chmod(0o440 if inside.startswith("/etc/sudoers.d/") else 0o644)
    tree.chmod(0o755)


def _write_indices(folder: Path, signer: "_Signer") -> None:
    suite = folder / "dists" / SUITE
    index = suite / COMPONENT / f"binary-{ARCHITECTURE}"
    index.mkdir(parents=True, exist_ok=True)
    debs = sorted((folder / "pool" / COMPONENT).glob("*.deb"))
    packages = "\n".join(stanza(deb, str(deb.relative_to(folder))) for deb in debs).encode()
    (index / "Packages").write_bytes(packages)
    (index / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    release = suite / "Release"
    release.write_text(_release(suite, [index / "Packages", index / "Packages.gz"]))
    signer.sign(release)


def _release(suite: Path, files: list[Path]) -> str:
    lines = [
        "Origin: OpenNebula stand-in",
        "Label: OpenNebula stand-in",
        f"Suite: {SUITE}",
        f"Codename: {SUITE}",
        f"Date: {formatdate(usegmt=True)}",
        f"Architectures: {ARCHITECTURE}",
        f"Components: {COMPONENT}",
        "SHA256:",
    ]
    for file in files:
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f" {digest} {len(content):>10} {file.relative_to(suite)}")
    return "\n".join(lines) + "\n"


class _Signer:
    """A key for one build."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self._home = home
        self._gpg("--passphrase", "", "--quick-generate-key", KEY_OWNER, "rsa3072", "sign", "never")

    def public_key(self) -> bytes:
        """Return the armored public key, as a repository publishes it."""
        return self._gpg("--armor", "--export").encode()

    def sign(self, release: Path) -> None:
        """Write InRelease and Release.gpg next to a Release file."""
        for option, name in (("--clearsign", "InRelease"), ("--detach-sign", "Release.gpg")):
            target = release.parent / name
            target.unlink(missing_ok=True)
            self._gpg("--armor", option, "--output", target, release)

    def _gpg(self, *arguments: str | Path) -> str:
        options = ("--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback")
        environment = {**os.environ, "GNUPGHOME": str(self._home)}
        return command(["gpg", *options, *arguments], env=environment, timeout=300)
