"""The repository of OpenNebula's packages that a lab serves: the stand-in's, or a given one."""

import importlib
from pathlib import Path

from lab.machines.cache import cached, digest_of_files
from lab.machines.faults import LabFault
from lab.machines.mirror import Upstream
from lab.machines.shell import REPOSITORY_ROOT


def opennebula(given: str | None) -> Path:
    """Return the directory to serve: a given one, a copy of one at a URL, or the stand-in's.

    The stand-in's packages are built on first use.
    """
    if given is not None and "://" in given:
        return Upstream.at(given).copy()
    if given is not None:
        directory = Path(given).expanduser().resolve()
        if not directory.is_dir():
            raise LabFault(
                f"--repository: expected a directory with OpenNebula's packages "
                f"(VERSION/Debian/12/dists/…) or a URL, found nothing at {given}"
            )
        return directory

    def make(draft: Path) -> None:
        standin = importlib.import_module("lab.standin.build")
        standin.build_repository(draft, standin.RELEASES)

    key = digest_of_files(REPOSITORY_ROOT / "lab/standin")
    return cached("opennebula", key, "the stand-in's packages", make)
