"""The identity of a host: its name and its keys, unpacked before its first boot."""

import io
import json
import secrets
import tarfile
from pathlib import Path

from lab.machines.shell import command
from lab.machines.template import USER, USER_ID

KEY_TYPES = ("ed25519", "ecdsa")
ONEADMIN_ID = 9869

_HOSTS = """127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
"""


def write_key(path: Path, kind: str, comment: str) -> None:
    """Make a new SSH key pair."""
    path.unlink(missing_ok=True)
    # The default of 3072 bits takes several times as long.
    bits = ("-b", "2048") if kind == "rsa" else ()
    command(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", comment, "-f", path])


def write_seed(
    directory: Path,
    name: str,
    login_key: str,
    wait_scale: float,
    package_source: str,
    *,
    with_oneadmin: bool,
) -> list[str]:
    """Write a new host's `seed.tar`; return its public host keys.

    ``with_oneadmin``: OpenNebula's package is installed; write the keys that it makes on each host.
    """
    host_keys = []
    with tarfile.open(directory / "seed.tar", "w") as seed:

        def add(path: str, content: str, mode: int = 0o644, owner: int = 0) -> None:
            member = tarfile.TarInfo(path)
            data = content.encode()
            member.size, member.mode, member.uid, member.gid = len(data), mode, owner, owner
            seed.addfile(member, io.BytesIO(data))

        def add_key(kind: str, path: str, account: str, owner: int = 0) -> str:
            key = directory / "key"
            write_key(key, kind, f"{account}@{name}")
            public = key.with_suffix(".pub").read_text()
            add(path, key.read_text(), 0o600, owner)
            add(f"{path}.pub", public, owner=owner)
            key.unlink()
            key.with_suffix(".pub").unlink()
            return public

        for kind in KEY_TYPES:
            public = add_key(kind, f"etc/ssh/ssh_host_{kind}_key", "root")
            host_keys.append(" ".join(public.split()[:2]))
        if with_oneadmin:
            home, owner = "var/lib/one", ONEADMIN_ID
            public = add_key("rsa", f"{home}/.ssh/id_rsa", "oneadmin", owner)
            add(f"{home}/.ssh/authorized_keys", public, 0o600, owner)
            password = secrets.token_hex(16)
            add(f"{home}/.one/one_auth", f"oneadmin:{password}\n", 0o600, owner)
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
