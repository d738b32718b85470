"""A copy of one version of a package repository: a lab has no access to other networks."""

import gzip
import hashlib
import re
import shutil
import urllib.request
import urllib.response
from dataclasses import dataclass
from pathlib import Path

from lab.machines.cache import cached, digest
from lab.machines.faults import LabFault
from lab.machines.sources import architecture

KEY_FILE = "repo2.key"
SUITE = "dists/stable"


@dataclass(frozen=True)
class Upstream:
    """The repository of one version for one release of a distribution."""

    base: str
    path: str

    @classmethod
    def at(cls, url: str) -> "Upstream":
        """Return the repository at BASE/VERSION/DISTRIBUTION/RELEASE."""
        match = re.fullmatch(r"(https?://.+)/([^/]+/(?:Debian|Ubuntu)/[^/]+)/?", url)
        if match is None:
            raise LabFault(
                f"--repository: expected a directory or a URL that ends in VERSION/Debian/RELEASE "
                f"(like https://packages.example.org/repo/7.2/Debian/12), got {url}"
            )
        return cls(match[1], match[2])

    def copy(self) -> Path:
        """Return the directory with the copy; make it if this version of the repository is new."""
        release = self._get(f"{self.path}/{SUITE}/Release")
        key = digest(self.base, self.path, release.decode())
        return cached("mirror", key, f"a copy of {self.base}/{self.path}", self._copy_to)

    def _copy_to(self, directory: Path) -> None:
        self._save(directory, KEY_FILE)
        for name in ("InRelease", "Release", "Release.gpg"):
            self._save(directory, f"{self.path}/{SUITE}/{name}")
        release = (directory / self.path / SUITE / "Release").read_text()
        listed = rf"^ ([0-9a-f]{{64}}) +\d+ (\S+/binary-{architecture()}/Packages\.gz)$"
        for checksum, name in re.findall(listed, release, re.MULTILINE):
            index = self._save(directory, f"{self.path}/{SUITE}/{name}", checksum)
            packages = gzip.decompress(index.read_bytes()).decode()
            index.with_suffix("").write_text(packages)
            for stanza in packages.strip().split("\n\n"):
                fields = dict(re.findall(r"^(Filename|SHA256): (.+)$", stanza, re.MULTILINE))
                self._save(directory, f"{self.path}/{fields['Filename']}", fields["SHA256"])

    def _save(self, directory: Path, path: str, checksum: str | None = None) -> Path:
        file = directory / path
        if not file.resolve().is_relative_to(directory.resolve()):
            raise LabFault(f"{self.base} names a file outside of itself: {path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._open(path) as source, file.open("wb") as target:
            shutil.copyfileobj(source, target)
        with file.open("rb") as saved:
            if checksum not in (None, hashlib.file_digest(saved, "sha256").hexdigest()):
                raise LabFault(f"{self.base}/{path} is not what the repository's index says")
        return file

    def _get(self, path: str) -> bytes:
        with self._open(path) as source:
            return bytes(source.read())

    def _open(self, path: str) -> "urllib.response.addinfourl":
        try:
            # `at` accepts only http and https.
            return urllib.request.urlopen(f"{self.base}/{path}", timeout=30)  # type: ignore[no-any-return]  # noqa: S310
        except OSError as error:
            raise LabFault(f"--repository: cannot read {self.base}/{path}: {error}") from None
