"""What others have on a host stays as it is, however unusual the host is."""

import os
import re
from pathlib import Path

import pytest

from procedures.script_text import script_text
from tests.unit.sandbox import Sandbox

OSES = 'ID=debian\nVERSION_ID="12"\n'
KINDS = (".keys.tar.zst", ".sql.zst")
BEGIN, END = "# opennebula-ha begin", "# opennebula-ha end"


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "host", OSES, "", new="7.2.0-1")


# Our part of a file

TORN = {
    "without its end": f"theirs 1\n{BEGIN}\nours\ntheirs 2\n",
    "with another end": f"theirs 1\n{BEGIN}\nours\n{END} \ntheirs 2\n",
    "twice, the first without its end": f"{BEGIN}\nours\ntheirs\n{BEGIN}\nours\n{END}\n",
}


@pytest.mark.parametrize("text", TORN.values(), ids=TORN)
def test_lines_after_a_part_without_its_end_are_not_ours(host: Sandbox, text: str) -> None:
    host.file("etc/fstab", text)
    assert host.call("blocks", 'tell found "$(block_of /etc/fstab)"').values == {"found": ""}
    for change in (
        "remove_block /etc/fstab",
        'kept=$(without_block /etc/fstab)\nput /etc/fstab "$kept"',
    ):
        refused = host.call("blocks", change).values
        assert "/etc/fstab" in refused["expected"]
        assert END in refused["expected"]
        assert host.file("etc/fstab") == text


def test_our_part_of_a_file_is_what_lies_between_its_marks(host: Sandbox) -> None:
    text = f"theirs 1\n\n{BEGIN}\nours\n{END}\ntheirs 2\n{END}\n"
    host.file("etc/fstab", text)
    seen = host.call(
        "blocks",
        'tell ours "$(block_of /etc/fstab)"\ntell theirs "$(without_block /etc/fstab)"\n'
        'tell none "$(without_block /etc/none)"\nremove_block /etc/fstab',
    ).values
    theirs = f"theirs 1\n\ntheirs 2\n{END}\n"
    assert seen == {"ours": "ours", "theirs": theirs.rstrip("\n"), "none": ""}
    assert (host.root / "etc/fstab").read_bytes().decode() == theirs


def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(host: Sandbox) -> None:
    (host.root / "etc/fstab").mkdir()
    seen = host.call("blocks", "without_block /etc/fstab 2>/dev/null >&2 || tell status $?").values
    assert seen.get("status", "0") != "0"


@pytest.mark.parametrize("name", ["authorize", "configure", "hosts_names", "storage", "uninstall"])
def test_no_script_finds_our_part_by_itself(name: str) -> None:
    own = script_text(name).replace((Path("procedures/shell/blocks.sh")).read_text(), "")
    assert "$begin\\$" not in own


# Names in /etc/hosts

ENTRIES = "10.2.50.10 n1a1\n10.2.50.11 n1a2"
HOSTS = {
    "another case": ("192.168.5.5 N1A1.example.org N1A1", "192.168.5.5 N1A1.example.org"),
    "Debian's own name": ("127.0.1.1 N1A1", ""),
    "loopback of IPv6": ("::1 n1a2.example.org n1a2", "::1 n1a2.example.org"),
    "all of it": ("0:0:0:0:0:0:0:1 n1a2 other", "0:0:0:0:0:0:0:1 other"),
    "IPv4 in IPv6": ("::FFFF:10.2.50.99 n1a2", ""),
    "the same address": ("10.2.50.11  n1a2 # ours", "10.2.50.11  n1a2 # ours"),
    "IPv6": ("2001:db8::11 n1a2", "2001:db8::11 n1a2"),
    "another IPv6 that ends alike": ("fe80::1 n1a2", "fe80::1 n1a2"),
    "a comment": ("127.0.0.1 localhost # n1a2", "127.0.0.1 localhost # n1a2"),
    "another host": ("192.168.5.5 n1a22", "192.168.5.5 n1a22"),
    "cloud-init's own name": ("127.0.1.1 {{fqdn}} {{hostname}}", "127.0.1.1 {{fqdn}}"),
}


@pytest.mark.parametrize(("line", "left"), HOSTS.values(), ids=HOSTS)
def test_names_that_glibc_would_find_elsewhere_are_taken_off(
    host: Sandbox, line: str, left: str
) -> None:
    assert names_left(host, line, "n1a1.example.org") == left


@pytest.mark.parametrize(
    ("own", "left"),
    [("n1a1", ""), ("bastion", "127.0.1.1 {{fqdn}} {{hostname}}")],
)
def test_cloud_inits_template_keeps_the_name_of_another_host(
    host: Sandbox, own: str, left: str
) -> None:
    assert names_left(host, "127.0.1.1 {{fqdn}} {{hostname}}", own) == left


def test_cloud_inits_full_name_may_be_the_front_ends(host: Sandbox) -> None:
    entries = ENTRIES.replace("n1a1", "n1a1.example.org")
    left = names_left(host, "127.0.1.1 {{fqdn}} {{hostname}}", "n1a1", entries)
    assert left == "127.0.1.1 {{hostname}}"


def names_left(host: Sandbox, line: str, own: str, entries: str = ENTRIES) -> str:
    host.file("etc/hosts", f"{line}\n")
    text = f"tell left \"$(without_names /etc/hosts '{entries}' {own})\""
    return host.call("blocks family hosts_files", text).values["left"]


# Files that are something else


def test_a_link_to_a_device_is_replaced_and_the_device_stays(host: Sandbox) -> None:
    """As /dev/null, to which operators link a file of systemd that they want to be ignored."""
    device = host.root / "device"
    os.mkfifo(device, 0o666)
    device.chmod(0o666)
    link = host.root / "etc/unit.conf"
    link.symlink_to(device)
    host.call("blocks", "put /etc/unit.conf text")
    assert link.read_text() == "text\n"
    assert not link.is_symlink()
    assert device.is_fifo()
    assert device.stat().st_mode & 0o777 == 0o666


def test_a_link_to_another_file_stays(host: Sandbox) -> None:
    host.file("etc/central", "old\n")
    link = host.root / "etc/unit.conf"
    link.symlink_to("central")
    host.call("blocks", "put /etc/unit.conf text")
    assert (link.is_symlink(), host.file("etc/central")) == (True, "text\n")


def test_a_prepared_file_next_to_ours_stays(host: Sandbox) -> None:
    host.file("etc/hosts", "old\n")
    host.file("etc/hosts.new", "prepared\n")
    host.call("blocks", "put /etc/hosts text")
    assert host.file("etc/hosts") == "text\n"
    assert host.file("etc/hosts.new") == "prepared\n"


# Dumps of others


def test_only_our_own_dumps_are_counted_and_removed(host: Sandbox) -> None:
    folder = host.root / "var/backups/opennebula"
    folder.mkdir(parents=True)
    others = ["zone-of-2019.sql.zst", "upload.partial", "precious data.sql.zst", "-x.sql.zst"]
    own = [f"2026010{n}T000000Z-on-demand" for n in (1, 2, 3)]
    left = "20260101T000000Z-timed.sql.zst.partial"
    for name in (*others, left, *(f"{name}{kind}" for name in own for kind in KINDS)):
        (folder / name).touch()
    (folder / "rsync").mkdir()
    (folder / "rsync" / "20260101T000000Z-x.sql.zst.partial").touch()
    host.call(
        "dumps",
        "keep=2\nkeep_newest /var/backups/opennebula ! -name '*-timed.sql.zst'\n"
        "our_files /var/backups/opennebula '\\.sql\\.zst\\.partial' -delete",
    )
    kept = [f"{name}{kind}" for name in own[1:] for kind in KINDS]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, *kept, "rsync"])
    assert [path.name for path in (folder / "rsync").iterdir()]


# The data of a stopped server


@pytest.mark.parametrize("linked", [False, True])
def test_databases_of_a_stopped_server_are_seen_through_links(
    host: Sandbox, tmp_path: Path, linked: bool
) -> None:
    data = tmp_path / "disk" / "mysql"
    (data / "mysql").mkdir(parents=True)
    (data / "shop").mkdir()
    (tmp_path / "disk2" / "archive").mkdir(parents=True)
    (data / "archive").symlink_to(tmp_path / "disk2" / "archive")
    folder = tmp_path / "mysql"
    if linked:
        folder.symlink_to(data)
    else:
        data.rename(folder)
    (function,) = re.findall(r"(?ms)^database_folders\(\) \{.*?^\}", script_text("observe"))
    seen = host.call(
        "family",
        f"my_print_defaults() {{ echo --datadir={folder}; }}\n{function}\n"
        'tell seen "$(database_folders | sort)"',
    )
    assert seen.values == {"seen": "archive\nshop"}


# Options of MariaDB's clients

OPTIONS = r"""
--socket=/run/mysqld/mysqld.sock
--user=root
--password=a#b \ c=d"
--ssl
--ssl_ca=/etc/ca.pem
--skip-ssl-verify-server-cert
--table
--userx=y
--init-command=SELECT 1
--ignore-table=opennebula.logdb
--max_allowed_packet=1M
"""
CONNECTION = r"""[client]
socket="/run/mysqld/mysqld.sock"
user="root"
password="a#b \\ c=d\""
ssl
ssl_ca="/etc/ca.pem"
skip-ssl-verify-server-cert
"""
CLIENT = r"""#!/bin/bash
case $1 in
    --defaults-file=*) cat "${1#*=}" >"$HOME/${0##*/}.options"; shift ;;
esac
echo "$*" >"$HOME/${0##*/}.asked"
"""


@pytest.mark.parametrize(
    ("client", "call"),
    [("mariadb", 'sql -e "DO 0"'), ("mariadb-dump", "client mariadb-dump mysqldump opennebula")],
)
def test_only_how_to_connect_comes_from_the_files_of_a_host(
    host: Sandbox, client: str, call: str
) -> None:
    """What else they set may change what a client prints, so that data is missing in an answer."""
    for name, text in ((client, CLIENT), ("my_print_defaults", f"cat <<'END'\n{OPTIONS}END\n")):
        host.file(f"bin/{name}", text if text.startswith("#!") else f"#!/bin/bash\n{text}")
        (host.root / "bin" / name).chmod(0o755)
    host.call("mariadb", call)
    assert (host.root / f"{client}.options").read_text() == CONNECTION
    asked = host.file(f"{client}.asked")
    assert asked.startswith("--host=localhost --protocol=socket")
    assert "password" not in asked
    if client == "mariadb":
        assert "sql_mode" in asked


# A purge


def removed(host: Sandbox, mounted: str) -> None:
    """Remove a folder as a purge does, with these mount points in it."""
    found = re.findall(
        r"(?ms)^(?:mount_points|remove_folder)\(\) \{.*?^\}", script_text("uninstall")
    )
    (host.root / "mountinfo").write_text(
        "".join(f"1 0 0:1 / {host.root}{path} rw - ext4 x rw\n" for path in mounted.split())
    )
    text = "\n".join(found).replace("/proc/self/mountinfo", str(host.root / "mountinfo"))
    host.call("family", f"{text}\nremove_folder /var/lib/one")


def test_a_purge_keeps_what_is_mounted(host: Sandbox) -> None:
    """Also a folder of the same file system: it has the same device number."""
    for path in ("0/disk", "1/image", "[2] x/image", "-r"):
        host.file(f"var/lib/one/datastores/{path}", "x\n")
    host.file("srv/one/image", "x\n")
    (host.root / "var/lib/one/link").symlink_to(host.root / "srv/one")
    points = r"/var/lib/one/datastores/1 /var/lib/one/datastores/[2]\040x /var/lib/one2 /srv/one"
    removed(host, points)
    left = sorted(str(path.relative_to(host.root)) for path in host.root.rglob("image"))
    assert left == [
        "srv/one/image",
        "var/lib/one/datastores/1/image",
        "var/lib/one/datastores/[2] x/image",
    ]
    assert {path.name for path in (host.root / "var/lib/one").iterdir()} == {"datastores"}
    assert len(list((host.root / "var/lib/one/datastores").iterdir())) == 2


def test_a_purge_removes_all_of_a_folder(host: Sandbox) -> None:
    host.file("var/lib/one/.one/one_auth", "x\n")
    host.file("var/lib/one/datastores/ a\nb/-x", "x\n")
    removed(host, "/proc")
    assert not (host.root / "var/lib/one").exists()
    removed(host, "/proc")


def test_a_purge_follows_no_link(host: Sandbox) -> None:
    host.file("srv/one/image", "x\n")
    (host.root / "var/lib/one").symlink_to(host.root / "srv/one")
    removed(host, "/proc")
    assert host.file("srv/one/image") == "x\n"
    assert not (host.root / "var/lib/one").is_symlink()
