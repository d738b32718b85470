"""What front-ends share: folders, and the keys of accounts.

A folder that all hosts have is used instead of a file server.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator
from tests.lab.zones import assert_whole, connections

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
BY_HAND = "# a line of somebody else"
IMAGES = "/var/lib/one/datastores/1"


def share(path: str, **changes: Any) -> dict[str, Any]:
    return {"src": "/srv/one", "path": path, "fstype": "none", "opts": "bind", **changes}


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    lab.host("n1a1").run("mkdir /srv/shared/one")
    for host in lab.hosts:
        host.run(f"ln -s /srv/shared/one /srv/one; echo '{BY_HAND}' >>/etc/fstab")
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)


def everywhere(lab: Lab, command: str) -> set[str]:
    """Return the output of the command on each host."""
    return {host.run(command).stdout.strip() for host in lab.hosts}


def storage(lab: Lab) -> dict[str, str]:
    """Return each host's mounts, now and at its next boot, and which datastores are links."""
    look = "cat /etc/fstab; findmnt -rno TARGET | sort; find /var/lib/one -type l -ls"
    return {host.name: host.run(f"{look} | sed 's/^ *[0-9]* //'").stdout for host in lab.hosts}


def up(operator: Operator, **keys: Any) -> str:
    operator.config.update(keys)
    run = operator.up()
    print(run.output)
    assert run.ok
    return run.output


def refused(operator: Operator, **keys: Any) -> str:
    operator.config.update(keys)
    run = operator.up()
    print(run.output)
    assert not run.ok
    return run.output


def test_a_new_front_end_with_another_share_is_refused(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    other = lab.host("n1a3")
    other.run("rm /srv/one; mkdir /srv/one")
    said = refused(operator, fstab=[share("/mnt/one")])
    assert "n1a3: compare /mnt/one: expected the share that n1a1, n1a2 mounted there" in said
    assert everywhere(lab, "test -e /var/lib/one/.one/one_key || echo none") == {"none"}
    assert "active" not in everywhere(lab, "systemctl is-active opennebula")
    other.run("umount /mnt/one; rm -r /srv/one; ln -s /srv/shared/one /srv/one; mount /mnt/one")


def test_shares_are_mounted_and_datastores_are_links_to_them(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    links = [{"type": "image", "path": "/mnt/one"}, {"type": "system", "path": "/mnt/system"}]
    up(operator, ds={"mode": "shared", "config": {"mounts": links}})
    assert_whole(lab, NAMES)
    assert everywhere(lab, "stat -c '%U %G %a' /mnt/one") == {"oneadmin oneadmin 750"}
    assert everywhere(lab, f"readlink {IMAGES}") == {"/mnt/one"}
    written = lab.host("n1a1").run(f"runuser -u oneadmin -- touch {IMAGES}/image")
    assert written.returncode == 0, written.stderr
    assert everywhere(lab, f"ls {IMAGES}") == {"image"}
    assert everywhere(lab, f"grep -c '{BY_HAND}' /etc/fstab") == {"1"}
    assert everywhere(lab, "ls -d /var/lib/one/datastores/0 2>/dev/null") == {""}


def test_an_up_without_a_change_opens_no_connection(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    before = connections(lab)
    up(operator)
    assert connections(lab) == before
    run = operator.refresh()
    assert run.ok, run.output
    assert "drift:" not in run.output


def test_a_missing_mount_is_reported_and_mounted_again(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    lab.host("n1a2").run(f"umount /mnt/one; rm {IMAGES}; mkdir {IMAGES}")
    lab.host("n1a3").run("chmod 0700 /mnt/one")
    assert operator.refresh().ok
    assert "mount /mnt/one" in operator.state()
    assert "datastore 1" in operator.state()
    up(operator)
    assert everywhere(lab, f"ls {IMAGES}") == {"image"}
    assert everywhere(lab, "stat -c %a /mnt/one") == {"750"}


@pytest.mark.campaign
def test_a_mount_that_fails_is_an_error_that_names_it(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    before, config = storage(lab), dict(operator.config)
    nothing = share("/mnt/none", src="none", fstype="tmpfs", opts="size=nothing")
    said = refused(operator, fstab=[share("/mnt/one"), nothing])
    assert "n1a1: mount /mnt/none: expected /mnt/none to be mounted" in said
    assert storage(lab) == before
    # Nothing is left for the next boot, and nothing to restore.
    operator.config = config
    up(operator)
    assert storage(lab) == before


def test_a_share_that_hides_files_is_refused(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    lab.host("n1a2").run("mkdir -p /mnt/two && touch /mnt/two/old")
    nothing = share("/mnt/three", src="/srv/none")
    server = {"src": "10.2.50.1:/one", "path": "/mnt/four", "fstype": "nfs"}
    said = refused(operator, fstab=[share("/mnt/two"), nothing, server], ds={})
    for name in NAMES:
        assert f"{name}: check the shares: expected /srv/none, which a share or a da" in said
        answer = "an answer of the server 10.2.50.1 at port 2049, saw Connection refused"
        assert f"{name}: check the shares: expected {answer}" in said
    assert "n1a2: check the mount point /mnt/two: expected an empty folder to mount on" in said
    assert "saw /mnt/two/old" in said
    assert "/mnt/two" not in lab.host("n1a2").run("cat /etc/fstab").stdout
    lab.host("n1a2").run("rm /mnt/two/old")


# The kernel of a lab's machine may have no NFS: this program decides like a file server.
MOUNT_NFS = """dpkg-divert --quiet --local --add --no-rename /sbin/mount.nfs
cat >/sbin/mount.nfs <<'END'
#!/bin/sh
[ -e /srv/shared/exported ] && exec mount --bind /srv/one "$2"
echo "mount.nfs: access denied by server while mounting $1" >&2
exit 32
END
chmod 0755 /sbin/mount.nfs"""


def test_a_server_that_refuses_a_share(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    links = [{"type": "image", "path": "/mnt/one"}]
    of_server = {"src": "10.2.50.1:/one", "path": "/mnt/four", "fstype": "nfs", "opts": "port=8080"}
    before = storage(lab)
    everywhere(lab, MOUNT_NFS)
    said = refused(operator, fstab=[share("/mnt/one"), of_server], ds={"config": {"mounts": links}})
    for name in NAMES:
        denied = "saw mount.nfs: access denied by server while mounting 10.2.50.1:/one"
        assert f"{name}: check the shares: expected 10.2.50.1:/one to be mounted, {denied}" in said
    assert "have its server let this host in" in said
    assert storage(lab) == before
    # As the remedy says. The first trials leave nothing behind either.
    lab.host("n1a1").run("touch /srv/shared/exported")
    up(operator)
    assert everywhere(lab, "findmnt -rno TARGET | grep -c '^/mnt'") == {"2"}
    up(operator, fstab=[share("/mnt/one")])
    assert everywhere(lab, "findmnt -rno TARGET | grep -c '^/mnt'") == {"1"}


def test_another_path_replaces_the_previous_one(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    links = [{"type": "image", "path": "/mnt/two"}]
    up(operator, fstab=[share("/mnt/two")], ds={"config": {"mounts": links}})
    assert everywhere(lab, f"readlink {IMAGES}; ls {IMAGES}") == {"/mnt/two\nimage"}
    assert everywhere(lab, "mountpoint /mnt/one") == {"/mnt/one is not a mountpoint"}
    assert everywhere(lab, "grep -c /mnt/ /etc/fstab") == {"1"}


def test_a_share_in_use_is_not_removed(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    user = lab.host("n1a3")
    user.run("systemd-run -u user --working-directory=/mnt/two sleep infinity")
    said = refused(operator, fstab=[], ds={})
    assert "n1a3: unmount /mnt/two: expected no process using /mnt/two" in said
    assert "used by sleep (" in said
    user.run("systemctl stop user")
    up(operator)
    assert everywhere(lab, "mountpoint /mnt/two") == {"/mnt/two is not a mountpoint"}
    assert everywhere(lab, f"ls -d {IMAGES} 2>/dev/null") == {""}
    assert everywhere(lab, "tail -n 1 /etc/fstab") == {BY_HAND}
    assert_whole(lab, NAMES)


def strangers(lab: Lab, user: str) -> list[str]:
    """Return which front-ends cannot log in as that account to which others."""
    command = "ssh -o BatchMode=yes -o ConnectTimeout=5 {} true"
    return [
        f"{one.name} to {other.name}"
        for one in lab.hosts
        for other in lab.hosts
        if one.name != other.name
        and one.run(f"runuser -u {user} -- {command.format(other.name)}").returncode != 0
    ]


def test_accounts_log_in_from_each_front_end_to_all_others(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    assert len(strangers(lab, "ubuntu")) == 6
    up(operator, ensure_keys_for=["ubuntu"])
    assert strangers(lab, "ubuntu") == []
    before = connections(lab)
    up(operator)
    assert connections(lab) == before
    run = operator.refresh()
    assert run.ok, run.output
    assert "drift:" not in run.output


@pytest.mark.campaign
def test_removed_keys_are_reported_and_restored(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    keys = everywhere(lab, "cat ~ubuntu/.ssh/id_ed25519.pub")
    lab.host("n1a2").run("sed -i '/opennebula-ha/,$d' ~ubuntu/.ssh/authorized_keys")
    assert operator.refresh().ok
    assert "n1a2: keys of ubuntu" in operator.state()
    up(operator)
    assert strangers(lab, "ubuntu") == []
    assert everywhere(lab, "cat ~ubuntu/.ssh/id_ed25519.pub") == keys


@pytest.mark.campaign
def test_an_account_removed_from_the_config_loses_access(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    said = refused(operator, ensure_keys_for=["other"])
    assert "expected an account other, saw none" in said
    everywhere(lab, "useradd --create-home other")
    up(operator)
    assert strangers(lab, "other") == []
    assert len(strangers(lab, "ubuntu")) == 6
    up(operator, ensure_keys_for=[])
    assert len(strangers(lab, "other")) == 6


def test_an_unmanaged_fstab_line_for_the_same_path_is_refused(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    host = lab.host("n1a1")
    host.run(f"echo '/srv/one {IMAGES} none bind 0 0' >>/etc/fstab")
    said = refused(operator, fstab=[share(IMAGES)])
    assert f"no other line for it in /etc/fstab, saw the line /srv/one {IMAGES}" in said
    host.run("sed -i '$d' /etc/fstab")


def test_not_even_a_purge_deletes_files_on_a_share(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    up(operator, purge=True)
    assert everywhere(lab, f"ls {IMAGES}") == {"image"}
    run = operator.destroy()
    assert run.ok, run.output
    assert everywhere(lab, "ls -d /var/lib/one 2>/dev/null") == {""}
    assert everywhere(lab, "ls /srv/one/image") == {"/srv/one/image"}
    assert everywhere(lab, "tail -n 1 /etc/fstab") == {BY_HAND}
