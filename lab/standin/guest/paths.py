"""Where OpenNebula keeps its files: under / or, when ONE_LOCATION is set, all under one folder."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The places that oned and its tools read and write."""

    etc: Path
    var: Path
    log: Path
    lock: Path
    remotes: Path
    pace: Path

    @property
    def oned_conf(self) -> Path:
        """The operator's configuration."""
        return self.etc / "oned.conf"

    @property
    def saved_config(self) -> Path:
        """The configuration of oned's last start; the follower clean-up reads it."""
        return self.var / "config"


def find_paths() -> Paths:
    """Return the paths of this installation."""
    location = os.environ.get("ONE_LOCATION")
    if location:
        root = Path(location)
        return Paths(
            etc=root / "etc",
            var=root / "var",
            log=root / "var",
            lock=root / "var/lock/.lock",
            remotes=root / "var/remotes",
            pace=root / "etc/opennebula-standin.json",
        )
    return Paths(
        etc=Path("/etc/one"),
        var=Path("/var/lib/one"),
        log=Path("/var/log/one"),
        lock=Path("/var/lock/one/one"),
        remotes=Path("/var/lib/one/remotes"),
        pace=Path("/etc/opennebula-standin.json"),
    )


def one_auth_file() -> Path:
    """Return the file with `user:password` for the logins of the daemon and the command line."""
    chosen = os.environ.get("ONE_AUTH")
    if chosen:
        return Path(chosen)
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".one/one_auth"


def read_one_auth() -> str:
    """Return the session string of this user. Raises ValueError, which names the file."""
    path = one_auth_file()
    try:
        secret = path.read_text().split("\n", 1)[0]
    except OSError as error:
        raise ValueError(f"Could not open file {path}") from error
    if not secret:
        raise ValueError(f"Error reading file {path}")
    return secret
