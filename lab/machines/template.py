"""The disk of every new lab host: a plain server, and layers with packages."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from platform import freedesktop_os_release

from lab.machines.cache import cached, digest
from lab.machines.shell import ADMINISTRATION, BOUND_TO_US, command, environment
from lab.machines.sources import architecture, own_sources

USER = "ubuntu"
USER_ID = 1000

PACKAGES = (
    "adduser",
    "apt",
    "ca-certificates",
    "dbus",
    "gnupg",
    "init",
    "iproute2",
    "iputils-ping",
    "less",
    "libpam-systemd",
    "netbase",
    "openssh-server",
    "procps",
    # Dependencies of the stand-in that OpenNebula does not have.
    "python3",
    "python3-cryptography",
    "python3-pymysql",
    "python3-yaml",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# Excluded from a host's disk, also on later installations: nothing runs it.
_NOT_UNPACKED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")

_CUSTOMIZE = rf"""
set -eu
root=$1
chroot "$root" useradd --uid {USER_ID} --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/{USER}"
chmod 0440 "$root/etc/sudoers.d/{USER}"
install -d -m 0700 -o {USER_ID} -g {USER_ID} "$root/home/{USER}/.ssh"
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<'END'
LogLevel VERBOSE
PermitRootLogin no
PasswordAuthentication no
END
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/machine-id "$root"/etc/resolv.conf
: > "$root/etc/resolv.conf"
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
rm -f "$root"/etc/hostname "$root"/etc/hosts
printf 'path-exclude=%s\n' {" ".join(f"'{glob}'" for glob in _NOT_UNPACKED)} \
    > "$root/etc/dpkg/dpkg.cfg.d/lab"
echo 'Acquire::Languages "none";' > "$root/etc/apt/apt.conf.d/90lab"
install -d -m 2755 "$root/var/log/journal"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer console-getty.service getty.target; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Each boot and each reload of systemd runs all generators: those for disks, consoles and the
# kernel's command line find nothing on these hosts.
mkdir -p "$root/etc/systemd/system-generators"
for name in cryptsetup debug getty gpt-auto hibernate-resume integritysetup rc-local run \
    system-update veritysetup; do
    ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$name-generator"
done
"""


def blank() -> Path:
    """Return the root directory of a plain server; make it on first use."""
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--architectures={architecture()}",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={glob}" for glob in _NOT_UNPACKED),
    ]
    sources = "".join(f"{source}\n" for source in own_sources())

    def make(draft: Path) -> None:
        hook = draft / "customize"
        hook.write_text(_CUSTOMIZE)
        command(
            [
                *BOUND_TO_US,
                *argv,
                *_proxies(),
                f'--customize-hook=sh "{hook}" "$1"',
                freedesktop_os_release()["VERSION_CODENAME"],
                draft / "root",
                "-",
            ],
            stdin=sources,
            timeout=1200,
            env=environment() | {"DEBIAN_FRONTEND": "noninteractive"},
        )

    key = digest(*argv, sources, _CUSTOMIZE)
    return cached("template", key, "the template of the lab's hosts", make) / "root"


def with_packages(
    lower: Sequence[Path], sources: Mapping[Path, str], packages: Sequence[str], customize: str = ""
) -> Path:
    """Return the layer with these packages above `lower`, the top one first; make it on first use.

    ``sources``: directories of repositories, and what follows the directory in apt's line.
    ``customize``: a script that runs in the new root at the end.
    """

    def make(draft: Path) -> None:
        binds = "".join(
            f'mkdir run/source{number}\nmount --bind -o ro "{directory}" run/source{number}\n'
            for number, directory in enumerate(sources)
        )
        lines = "".join(
            f"deb [trusted=yes] file:/run/source{number}{rest}\n"
            for number, rest in enumerate(sources.values())
        )
        script = f"""
set -eu
mkdir "{draft}/work" "{draft}/merged" "{draft}/root"
mount -t overlay overlay \\
    -o "lowerdir={":".join(map(str, lower))},upperdir={draft}/root,workdir={draft}/work" \\
    "{draft}/merged"
cd "{draft}/merged"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
{binds}printf '#!/bin/sh\\nexit 101\\n' > usr/sbin/policy-rc.d
chmod +x usr/sbin/policy-rc.d
cat > etc/apt/sources.list <<'END'
{lines}END
chroot . apt-get -q update
chroot . apt-get -q -y --no-install-recommends install {" ".join(packages)}
rm -rf usr/sbin/policy-rc.d etc/apt/sources.list var/lib/apt/lists/* var/cache/apt/*.bin
{customize}
"""
        command(
            [*BOUND_TO_US, "unshare", "--net", "sh", "-c", script],
            timeout=600,
            env={"PATH": f"{os.defpath}:{ADMINISTRATION}", "DEBIAN_FRONTEND": "noninteractive"},
        )

    content = [path.read_text() for source in sources for path in sorted(source.rglob("Packages"))]
    parts = [*map(str, (*lower, *sources)), *sources.values(), *packages, customize, *content]
    name = f"the layer with {packages[0]} of a lab's front-end"
    return cached("layer", digest(*parts), name, make) / "root"


def _proxies() -> list[str]:
    lines = command(["apt-config", "dump"]).splitlines()
    return [
        f"--aptopt={line}" for line in lines if line.startswith("Acquire::http") and "roxy" in line
    ]
