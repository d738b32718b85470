"""What this machine needs to run a lab."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from lab.machines import cgroup
from lab.machines.shell import environment

PACKAGES = {
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tar": "tar",
    "nsenter": "util-linux",
}
"""Each command that the lab needs, and its Debian package."""


def obstacles() -> list[str]:
    """Return the reasons why a lab cannot run here, one sentence each."""
    if not Path("/proc/self/ns").is_dir():
        return ["the lab needs Linux"]
    found = []
    if os.geteuid() != 0:
        found.append("the lab needs root, for network namespaces and mounts; use sudo")
    path = environment()["PATH"]
    missing = [name for tool, name in PACKAGES.items() if shutil.which(tool, path=path) is None]
    if missing:
        found.append(
            f"the lab needs packages that are missing: `apt-get install {' '.join(missing)}`"
        )
    if cgroup.mount_point() is None:
        found.append("the lab needs a cgroup2 hierarchy; mount one with `mount -t cgroup2`")
    if not _has_overlayfs():
        found.append("the lab needs overlayfs, which this kernel does not have")
    if not Path("/dev/loop-control").exists():
        found.append("the lab needs loop devices; load them with `modprobe loop`")
    return found


INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_INOTIFY = 1024
"""Each host's systemd uses some; three labs use more than the kernel's default of 128."""


def raise_limits() -> None:
    """Raise limits of this machine until its next boot, for the hosts of several labs."""
    with suppress(OSError, ValueError):
        if int(INOTIFY.read_text()) < ENOUGH_INOTIFY:
            INOTIFY.write_text(str(ENOUGH_INOTIFY))


def _has_overlayfs() -> bool:
    """Return whether the kernel has it, or loads its module with the first mount."""
    if "\toverlay" in Path("/proc/filesystems").read_text():
        return True
    modprobe = shutil.which("modprobe", path=environment()["PATH"])
    trial = [modprobe, "--dry-run", "--quiet", "overlay"] if modprobe else ["false"]
    return subprocess.run(trial, check=False).returncode == 0
