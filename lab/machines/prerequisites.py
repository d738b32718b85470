"""What this machine must have to carry a lab."""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.machines import cgroup
from lab.machines.shell import environment


@dataclass(frozen=True)
class Prerequisite:
    """A Debian package, a command that it brings, and what the lab needs it for."""

    package: str
    command: str
    purpose: str


PREREQUISITES = (
    Prerequisite("e2fsprogs", "mkfs.ext4", "makes the hosts' disks"),
    Prerequisite("iproute2", "ip", "makes the network namespaces and the cables"),
    Prerequisite("mmdebstrap", "mmdebstrap", "makes the hosts' template"),
    Prerequisite("nftables", "nft", "partitions the network"),
    Prerequisite("openssh-client", "ssh-keygen", "makes the hosts' and the operator's keys"),
    Prerequisite("systemd-container", "systemd-nspawn", "boots the hosts"),
    Prerequisite("tar", "tar", "gives a host its identity"),
    Prerequisite("util-linux", "nsenter", "enters namespaces"),
)


def missing_packages() -> list[Prerequisite]:
    """Those that are not installed."""
    path = environment()["PATH"]
    return [
        prerequisite
        for prerequisite in PREREQUISITES
        if shutil.which(prerequisite.command, path=path) is None
    ]


def obstacles() -> list[str]:
    """Why a lab cannot run here, one sentence each; nothing if it can."""
    if not Path("/proc/self/ns").is_dir():
        return ["the lab needs Linux"]
    found = []
    if os.geteuid() != 0:
        found.append("the lab needs root, for network namespaces and mounts; use sudo")
    missing = missing_packages()
    if missing:
        names = " ".join(prerequisite.package for prerequisite in missing)
        found.append(f"the lab needs packages that are missing: `apt-get install {names}`")
    if cgroup.mount_point() is None:
        found.append("the lab needs a cgroup2 hierarchy; mount one with `mount -t cgroup2`")
    if not _has_overlayfs():
        found.append("the lab needs overlayfs, which this kernel does not have")
    if not Path("/dev/loop-control").exists():
        found.append("the lab needs loop devices; load them with `modprobe loop`")
    return found


INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_INOTIFY = 1024
"""Each host's systemd takes some; the kernel's default of 128 is gone with three labs."""


def raise_limits() -> None:
    """Let this machine, until it boots again, carry the hosts of several labs."""
    with suppress(OSError, ValueError):
        if int(INOTIFY.read_text()) < ENOUGH_INOTIFY:
            INOTIFY.write_text(str(ENOUGH_INOTIFY))


def _has_overlayfs() -> bool:
    """Whether it is there or comes by itself, as a module, with the first mount."""
    if "\toverlay" in Path("/proc/filesystems").read_text():
        return True
    modprobe = shutil.which("modprobe", path=environment()["PATH"])
    trial = [modprobe, "--dry-run", "--quiet", "overlay"] if modprobe else ["false"]
    return subprocess.run(trial, check=False).returncode == 0
