"""Allowed paths of shares and datastores on a front-end, as a preview checks them."""

# ruff: noqa: S108 - what is in /tmp is refused

from pathlib import Path
from typing import Any

import pytest

from procedures.specs import MountSpec
from settings.places import PLACES, why_not
from settings.specs import preflight
from tests.unit.bad_configs import CANARY
from tests.unit.sandbox import Sandbox
from tests.unit.test_family_scripts import DEBIAN, host
from tests.unit.test_settings import faults, good

SHARE = {"src": "10.2.50.1:/nfs", "path": "/mnt/one", "fstype": "nfs"}


def mounted(path: str, **changes: Any) -> dict[str, Any]:
    return {"fstab": [{**SHARE, "path": path, **changes}]}


def kept(path: str, kind: str = "image") -> dict[str, Any]:
    return {"ds": {"config": {"mounts": [{"type": kind, "path": path}]}}}


REFUSED = {
    "/etc": "/etc holds the configuration of the system, MariaDB and OpenNebula",
    "/etc/one": "/etc/one is in /etc, which holds the configuration",
    "/usr": "/usr holds the programs of the system and OpenNebula",
    "/usr/lib/one": "/usr/lib/one is in /usr, which holds the programs",
    "/lib64": "/lib64 holds the programs",
    "/boot/efi": "/boot/efi is in /boot, which holds what the system starts from",
    "/dev/shm": "/dev/shm is in /dev, which is made by the system at each start",
    "/proc": "/proc is made by the system",
    "/run/one": "/run/one is in /run, which is made by the system",
    "/root": "/root is root's home, with its SSH keys",
    "/tmp": "/tmp is for the temporary files of all accounts, and is emptied",
    "/var/tmp/one": "/var/tmp/one is in /var/tmp, which is for the temporary files",
    "/home": "/home holds the accounts' homes, with the keys that log in by SSH",
    "/var": "/var holds the data of all services",
    "/var/lib": "/var/lib holds the data of all services",
    "/var/lib/one": "/var/lib/one is oneadmin's home, with the zone's keys (below it,"
    " /var/lib/one/datastores may be mounted)",
    "/var/lib/one/.one": "/var/lib/one/.one holds the zone's keys, drivers or hooks",
    "/var/lib/one/remotes/etc": "is in /var/lib/one/remotes, which holds the zone's keys, drivers",
    "/var/lib/mysql": "/var/lib/mysql holds MariaDB's data, each host's own",
    "/var/lib/mysql/opennebula": "is in /var/lib/mysql, which holds MariaDB's data",
    "/var/lib/opennebula-ha": "/var/lib/opennebula-ha is what this program knows of the host",
    "/var/backups": "/var/backups is above /var/backups/opennebula, which holds the host's dumps",
    "/var/backups/opennebula": "holds the host's dumps and keys, for root alone",
    "/var/log/one": "/var/log/one is in /var/log, which holds the logs of the host",
    "/var/cache/apt": "is in /var/cache, which is the working space of the host's services",
    "/var/spool": "/var/spool is the working space of the host's services",
    "/var/lib/dpkg": "/var/lib/dpkg is what the system knows of its packages",
    "/var/lib/systemd": "/var/lib/systemd holds the data of a service of the system",
    "/home/ops": "/home/ops is the home of ops, with the keys that log in by SSH",
    "/home/ops/.ssh": "/home/ops/.ssh holds the SSH keys of ops",
    "/home/ubuntu": "/home/ubuntu is the home of ubuntu, with the keys that log in by SSH",
}
USED = [
    *("/mnt", "/mnt/one", "/srv", "/srv/one/images", "/opt", "/opt/share", "/media/one", "/data"),
    *("/home/share", "/home/ops/images", "/var/lib/shared", "/var/opt/one", "/etcetera"),
    *("/var/backups/one", "/var/lib/mysql-files", "/mnt/..data", "/mnt/.one", "/var/lib/one/isos"),
]
BELOW = ["/var/lib/one/datastores", "/var/lib/one/datastores/1", "/var/lib/one/datastores/100"]
WHO = {"ssh": {"user": "ops"}, "ensure_keys_for": ["ubuntu"]}


@pytest.mark.parametrize("path", REFUSED)
def test_no_share_or_datastore_hides_what_the_host_needs(path: str) -> None:
    (found,) = faults(**mounted(path), **WHO)
    assert found.startswith(f"fstab.0.path: {path} ")
    assert REFUSED[path] in found
    assert found.endswith(": mount it somewhere else, such as /mnt/one")
    (found,) = faults(**kept(path), **WHO)
    assert found.startswith(f"ds.config.mounts.0.path: {path} ")
    assert found.endswith(": keep the datastore somewhere else, such as /mnt/one")


@pytest.mark.parametrize("path", [*USED, *BELOW])
def test_a_share_may_have_any_other_path(path: str) -> None:
    good(**mounted(path), **WHO)


@pytest.mark.parametrize("path", USED)
def test_a_datastore_may_have_any_other_path(path: str) -> None:
    good(**kept(path), **WHO)


def test_no_parent_folder_of_a_needed_path_may_be_used() -> None:
    for place in PLACES:
        folders = place.path.split("/")
        for depth in range(2, len(folders)):
            assert why_not("/".join(folders[:depth])), place


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "mnt/one", "/mnt/one/", "/mnt//one", "/mnt/../etc", "/mnt/.", "./mnt", "~/one"),
        *(
            "/mnt/o ne",
            "/mnt/o\tne",
            "/mnt/o\\040ne",
            "/mnt/one\n",
            "/mnt/*",
            "/mnt/$HOME",
            "/mnt/'",
        ),
        *("//etc", "/mnt/one\r", "/mnt/o#ne"),
    ],
)
def test_a_path_is_absolute_and_unambiguous(path: str) -> None:
    for changes, key in ((mounted(path), "fstab.0.path"), (kept(path), "ds.config.mounts.0.path")):
        (found,) = faults(**changes)
        assert found.startswith(
            f"{key}: expected an absolute path such as /mnt/one: no blanks, quotes or backslashes,"
            " no . or .. in it, no //, no / at its end, saw "
        )


@pytest.mark.parametrize("src", ["/etc", "/", "/var", "/home", "/var/lib/one", "/home/ops/.ssh"])
@pytest.mark.parametrize("opts", ["bind", "rw,rbind"])
def test_a_bind_mount_does_not_expose_system_folders(src: str, opts: str) -> None:
    for spelled in (src, f"/{src}", f"{src}/", f"/srv/..{src}"):
        (found,) = faults(**mounted("/mnt/one", src=spelled, fstype="none", opts=opts), **WHO)
        assert found.startswith(f"fstab.0.src: {src} ")
    assert "it would get the owner and mode of this entry; name a folder" in found


def test_other_bind_mounts_and_devices_are_accepted() -> None:
    good(**mounted("/mnt/one", src="/usr/share", fstype="none", opts="bind,ro"))
    good(**mounted("/mnt/one", src="/srv/one", fstype="none", opts="bind"))
    good(**mounted("/mnt/one", src="/dev/vdb1", fstype="xfs"))
    good(**mounted("/mnt/one", src="//nas/a\\040b$", fstype="cifs"))


def test_shares_and_links_that_conflict_are_refused() -> None:
    twice = {"type": "image", "path": "/mnt/one"}
    inside = {"type": "file", "path": "/var/lib/one/datastores/2"}
    assert faults(fstab=[SHARE, SHARE])[0].startswith("fstab: /mnt/one is listed 2 times")
    found = faults(ds={"config": {"mounts": [twice, twice, inside]}})
    assert found[0].startswith("ds.config.mounts: image is listed 2 times")
    assert found[1].startswith("ds.config.mounts.2.path: /var/lib/one/datastores/2 is where")
    assert faults(**mounted("/var/lib/one/datastores/1"), **kept("/mnt/one")) == [
        "ds.config.mounts: /var/lib/one/datastores/1 is also mounted by fstab; remove it from one"
        " of them"
    ]
    good(**mounted("/var/lib/one/datastores/2"), **kept("/mnt/one"))


def test_all_errors_of_a_share_are_reported_at_once() -> None:
    assert [one.split(": ")[0] for one in faults(**mounted("/etc", mode="x", owner=-1))] == [
        *("fstab.0.path", "fstab.0.owner", "fstab.0.mode"),
    ]


@pytest.mark.parametrize("opts", [f"user=a,password={CANARY}", f"pass={CANARY} x"])
def test_a_password_among_the_options_is_refused_and_not_shown(opts: str) -> None:
    (found,) = faults(**mounted("/mnt/one", fstype="cifs", opts=opts))
    assert found.startswith("fstab.0.opts: ")
    good(**mounted("/mnt/one", fstype="cifs", opts="credentials=/etc/one-share"))


@pytest.mark.parametrize(
    ("src", "fstype", "opts", "server"),
    [
        ("nfs1:/one", "nfs", "defaults", "nfs1 2049"),
        ("[fd00::5]:/one", "nfs4", "vers=4.2,port=3049", "fd00::5 3049"),
        ("nfs1:/one", "nfs", "vers=3,proto=udp", ""),
        ("nfs1:/one", "nfs", "vers=3,udp", ""),
        ("nfs1:/one", "nfs", "port=0", ""),
        ("//files/one", "cifs", "credentials=/root/c", "files 445"),
        ("/srv/one", "none", "bind", ""),
        ("mon1,mon2:/one", "ceph", "name=one", ""),
    ],
)
def test_the_server_of_a_share(src: str, fstype: str, opts: str, server: str) -> None:
    line = {"path": "/mnt/one", "owner": "oneadmin", "group": "oneadmin", "mode": "0750"}
    assert MountSpec(src=src, fstype=fstype, opts=opts, **line).server == server


def test_what_is_mounted_must_be_there_before_the_installation() -> None:
    """Unless another share or a package brings it, or a front-end itself serves it."""
    fstab = [
        {"src": "/srv/one", "path": "/mnt/a", "fstype": "none", "opts": "bind"},
        {"src": "/mnt/a/b", "path": "/mnt/b", "fstype": "none", "opts": "bind"},
        {"src": "/var/lib/one/x", "path": "/mnt/c", "fstype": "none", "opts": "bind"},
        {"src": "//files/one", "path": "/mnt/d", "fstype": "cifs"},
        {"src": "10.2.50.10:/one", "path": "/mnt/e", "fstype": "nfs"},
        {"src": "nfs1:/one", "path": "/mnt/f", "fstype": "nfs"},
    ]
    links = [{"type": "image", "path": "/mnt/a/i"}, {"type": "file", "path": "/srv/files"}]
    ds = {"mode": "shared", "config": {"mounts": links}}
    prepared = preflight(good(fstab=fstab, ds=ds)).prepared
    assert prepared is not None
    assert prepared.sources == ("/srv/files", "/srv/one")
    assert prepared.servers == ("files 445", "nfs1 2049")
    assert prepared.shares == (
        "cifs rw,relatime,ro //files/one",
        "nfs rw,relatime,ro,fg,retry=0,nolock nfs1:/one",
    )


TRIAL = """#!/bin/bash
[ "$*" = "-m --propagation private mount -t nfs -o ro nfs1:/two /mnt" ] && exit
echo "mount.nfs: access denied by server while mounting ${@: -2:1}" >&2
echo "for $*" >&2
exit 32
"""


def with_programs(tmp_path: Path, **programs: str) -> Sandbox:
    """Make a host with these programs, and one that mounts NFS."""
    one = host(tmp_path, DEBIAN)
    for name, text in {**programs, "mount.nfs": ""}.items():
        one.file(f"bin/{name}", text)
        (one.root / "bin" / name).chmod(0o755)
    return one


def test_a_share_is_tried_in_a_namespace_of_its_own(tmp_path: Path) -> None:
    one = with_programs(tmp_path, unshare=TRIAL, findmnt='#!/bin/bash\n[ "$2" = nfs1:/three ]')
    shares = ("nfs ro nfs1:/one", "nfs ro nfs1:/two", "nfs ro nfs1:/three", "cifs ro //smb/one")
    lines = "\n".join(shares)
    output = one.call("prepared", f"shares='{lines}'; tell refused \"$(refused_shares)\"")
    command = "-m --propagation private mount -t nfs -o ro nfs1:/one /mnt"
    assert output.values["refused"] == (
        f"nfs1:/one\tmount.nfs: access denied by server while mounting nfs1:/one for {command}"
    )


def test_a_host_that_cannot_try_a_share_is_not_refused(tmp_path: Path) -> None:
    refuses = "#!/bin/bash\necho 'unshare: unshare failed: Operation not permitted'\nexit 1"
    one = with_programs(tmp_path, unshare=refuses, findmnt="#!/bin/bash\nexit 1")
    text = "shares='nfs ro nfs1:/one'; tell refused \"$(refused_shares)\""
    assert one.call("prepared", text).values["refused"] == ""
