"""The identity of a host: its name and its keys, unpacked before its first boot."""

import io
import json
import secrets
import tarfile
from pathlib import Path

from lab.machines.shell import command
from lab.machines.template import USER, USER_ID

KEY_TYPES = ("ed25519", "ecdsa")

_HOSTS = """127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
"""


def write_key(path: Path, kind: str, comment: str) -> None:
    """Make a new SSH key pair."""
    path.unlink(missing_ok=True)
    command(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", path])


def write_seed(
    directory: Path, name: str, login_key: str, wait_scale: float, package_source: str
) -> list[str]:
    """Write a new host's `seed.tar`; return its public host keys."""
    host_keys = []
    with tarfile.open(directory / "seed.tar", "w") as seed:

        def add(path: str, content: str, mode: int = 0o644, owner: int = 0) -> None:
            member = tarfile.TarInfo(path)
            data = content.encode()
            member.size, member.mode, member.uid, member.gid = len(data), mode, owner, owner
            seed.addfile(member, io.BytesIO(data))

        for kind in KEY_TYPES:
            key = directory / f"ssh_host_{kind}_key"
            write_key(key, kind, f"root@{name}")
            public = key.with_suffix(".pub").read_text()
            add(f"etc/ssh/{key.name}", key.read_text(), 0o600)
            add(f"etc/ssh/{key.name}.pub", public)
            host_keys.append(" ".join(public.split()[:2]))
            key.unlink()
            key.with_suffix(".pub").unlink()
        add("etc/hostname", f"{name}\n")
        add("etc/hosts", _HOSTS)
        add("etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
        add(f"home/{USER}/.ssh/authorized_keys", login_key, 0o600, USER_ID)
        add(
            "etc/opennebula-standin.json",
            json.dumps({"wait_scale": wait_scale, "stop_race": True}) + "\n",
        )
        add("etc/apt/sources.list.d/distribution.list", package_source)
    return host_keys
