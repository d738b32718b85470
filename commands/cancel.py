"""Cancel a killed run, so that the next `up` can continue.

A killed run leaves its lock, and creates and updates that were interrupted. In a `file://` backend
it can also leave a state that no command can read: the CLI replaces the file of the state in one
step, but not the file with its checksum. A kill in between leaves the checksum empty, and each
later command fails with `failed to load checkpoint: EOF`.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from commands.pending import settle

CHECKSUMS = "*.attrs"


def make_readable(backend: str) -> list[Path]:
    """Remove incomplete checksums of states from the backend with this URL, and return their files.

    Without a checksum the CLI reads the state as it is. Only a `file://` backend has such files.
    """
    url = urlsplit(backend)
    if url.scheme != "file":
        return []
    states = Path(url.netloc + url.path).expanduser().absolute() / ".pulumi" / "stacks"
    incomplete = [file for file in states.rglob(CHECKSUMS) if not _is_json(file)]
    for file in incomplete:
        file.unlink(missing_ok=True)
    return incomplete


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return False
    return True


def main(options: Sequence[str]) -> int:
    """Run `pulumi cancel` with these options, settle the stack, and return the exit status."""
    backend = subprocess.run(["pulumi", "whoami", "--json"], check=True, capture_output=True)
    for file in make_readable(json.loads(backend.stdout)["url"]):
        print(f"Removed an incomplete checksum that a killed run left: {file}", flush=True)
    if status := subprocess.run(["pulumi", "cancel", *options], check=False).returncode:
        return status
    settle()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.decode())
