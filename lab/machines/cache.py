"""The cache that all labs share: each entry is named after the digest of its inputs."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.machines.cgroup import lab_cgroups
from lab.machines.faults import LabFault


def cache_directory() -> Path:
    """Return the directory of the templates and repositories."""
    return Path(os.environ.get("LAB_CACHE") or "/var/cache/opennebula-ha-lab")


def digest(*parts: str) -> str:
    """Return a short name for the inputs of an entry."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def digest_of_files(root: Path) -> str:
    """Return a short name for the content of all files below a directory, except compiled ones."""
    found = (path for path in root.rglob("*") if "__pycache__" not in path.parts)
    files = sorted(path for path in found if path.is_file())
    content = (hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return digest(*(str(path.relative_to(root)) for path in files), *content)


def cached(kind: str, key: str, what: str, make: Callable[[Path], None]) -> Path:
    """Return the entry of this kind and key; make it on first use, under a lock."""
    kept = cache_directory() / f"{kind}-{key}"
    if kept.exists():
        return kept
    with locked(kind):
        if not kept.exists():
            print(f"lab: preparing {what} (once)", file=sys.stderr, flush=True)
            # A unique name, but no hidden directory: apt's sandbox user must be able to enter it.
            draft = Path(tempfile.mkdtemp(prefix=f"draft-{kind}-", dir=cache_directory()))
            try:
                draft.chmod(0o755)
                make(draft)
                draft.rename(kept)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
    return kept


@contextmanager
def locked(kind: str) -> Iterator[None]:
    """Hold the lock of one kind of entry; also remove drafts of processes that were killed."""
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove(directory.glob(f"draft-{kind}-*"))
        yield


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


def clean() -> None:
    """Empty the cache. Raises LabFault while a lab is up: it needs the cache."""
    if lab_cgroups().exists():
        raise LabFault("a lab is up and stands on what would be removed; take it `down` first")
    shutil.rmtree(cache_directory(), ignore_errors=True)
