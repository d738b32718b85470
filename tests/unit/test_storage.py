"""Shared folders: fstab lines, packages, links, differences, and hosts with another share."""

from typing import Any

import pytest

from hosts.errors import HostError
from hosts.models import Host
from procedures.facts.fact import parsed
from procedures.install.storage import Mounted, Storage, differences, require_same
from procedures.specs import InstallationSpec, MountSpec

PATH = "/var/lib/one/datastores/1"
LINE = f"10.2.50.1:/nfs/one {PATH} nfs rw,relatime 0 0"
STAMPS = {"n1a1": "a", "n1a2": "b"}


def mount(**changes: Any) -> MountSpec:
    given = {
        "src": "10.2.50.1:/nfs/one",
        "path": PATH,
        "fstype": "nfs",
        "opts": "rw,relatime",
        "owner": "9869",
        "group": "9869",
        "mode": "0750",
    }
    return MountSpec(**{**given, **changes})


def spec(*mounts: MountSpec, links: dict[str, str] | None = None) -> InstallationSpec:
    return InstallationSpec(
        host=Host(name="n1a1", address="10.2.50.10"),
        version="7.2",
        gate_endpoint="http://10.2.50.86:5030",
        mounts=mounts,
        links=links or {},
    )


def mounted(**changes: Any) -> dict[str, Mounted]:
    given = {
        "owner": frozenset({"9869", "oneadmin"}),
        "group": frozenset({"9869", "oneadmin"}),
        "mode": "750",
        "stamps": STAMPS,
    }
    return {PATH: Mounted(**{**given, **changes})}


def test_the_output_of_a_host_is_read() -> None:
    reports = {
        "fstab": LINE,
        "mounted": f"{PATH} 9869 oneadmin 9869 oneadmin 750 n1a1=a n1a2=b\n/mnt 0 root 0 root 755",
        "links": "1 /mnt/one\n105 /mnt/b",
        "own_links": "1 /mnt/one",
    }
    seen = Storage(**parsed(Storage, reports))
    assert seen.fstab == (LINE,)
    assert seen.mounted[PATH] == mounted()[PATH]
    assert seen.mounted["/mnt"].stamps == {}
    assert seen.links == {"1": "/mnt/one", "105": "/mnt/b"}
    assert seen.own_links == {"1": "/mnt/one"}
    assert Storage(**parsed(Storage, {})) == Storage()


@pytest.mark.parametrize(
    ("seen", "wanted", "found"),
    [
        (Storage(), spec(), ()),
        (Storage((LINE,), mounted()), spec(mount()), ()),
        (Storage((LINE,), mounted()), spec(mount(owner="oneadmin", group="oneadmin")), ()),
        (Storage(), spec(mount()), ("/etc/fstab", f"mount {PATH}")),
        (Storage((), mounted()), spec(mount()), ("/etc/fstab",)),
        (Storage((LINE,)), spec(mount()), (f"mount {PATH}",)),
        (Storage((LINE,), mounted(mode="755")), spec(mount()), (f"mount {PATH}",)),
        (Storage((LINE,), mounted()), spec(mount(owner="root")), (f"mount {PATH}",)),
        (Storage((LINE,), mounted(stamps={"n1a2": "b"})), spec(mount()), (f"mount {PATH}",)),
        (Storage((LINE,)), spec(), ("/etc/fstab",)),
        (Storage((LINE,), mounted()), spec(mount(src="x:/y")), ("/etc/fstab",)),
        # Links: ours, an unmanaged one, one that was made but not recorded, one that will be
        # removed.
        (Storage(links={"1": "/a"}, own_links={"1": "/a"}), spec(links={"1": "/a"}), ()),
        (Storage(links={"1": "/a"}), spec(), ()),
        (Storage(links={"1": "/a"}), spec(links={"1": "/a"}), ("datastore 1",)),
        (Storage(own_links={"1": "/a"}), spec(links={"1": "/a"}), ("datastore 1",)),
        (Storage(links={"1": "/a"}, own_links={"1": "/a"}), spec(), ("datastore 1",)),
        (
            Storage(links={"1": "/a"}, own_links={"1": "/a"}),
            spec(links={"1": "/b", "2": "/c"}),
            ("datastore 1", "datastore 2"),
        ),
    ],
)
def test_differences_are_named(
    seen: Storage, wanted: InstallationSpec, found: tuple[str, ...]
) -> None:
    assert differences(seen, wanted) == found


def test_a_read_only_mount_needs_no_stamp() -> None:
    one = mount(opts="ro,relatime")
    assert differences(Storage((one.line,), mounted(stamps={})), spec(one)) == ()


def shared(line: str = LINE, **changes: Any) -> Storage:
    return Storage((line,), mounted(**changes))


NAMES = ("n1a1", "n1a2", "n1a3")
OTHER = {"n1a3": "c"}


def test_front_ends_with_equal_stamps_have_the_same_share() -> None:
    require_same({name: shared() for name in NAMES})
    require_same({"n1a1": Storage()})


@pytest.mark.parametrize("stranger", NAMES)
def test_a_front_end_with_another_share_is_named(stranger: str) -> None:
    seen = {name: shared(stamps=OTHER) if name == stranger else shared() for name in NAMES}
    others = ", ".join(name for name in NAMES if name != stranger)
    with pytest.raises(HostError, match=f"{stranger}: .*that {others} mounted there, saw another"):
        require_same(seen)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        (LINE, False),
        (f"//filer/one {PATH} cifs rw 0 0", False),
        (f"/srv/one {PATH} none bind 0 0", False),
        (f"one@.fs=/images {PATH} ceph rw 0 0", False),
        (f"/dev/vdb {PATH} ext4 rw 0 0", True),
        (f"UUID=7d2a {PATH} ext4 rw 0 0", True),
        (f"images {PATH} tmpfs rw 0 0", True),
    ],
)
def test_local_folders_of_each_host_may_differ(line: str, same: bool) -> None:
    seen = {"n1a1": shared(line), "n1a3": shared(line, stamps=OTHER)}
    if same:
        require_same(seen)
    else:
        with pytest.raises(HostError, match="with stamps of n1a3"):
            require_same(seen)


def test_a_front_end_without_the_share_is_named() -> None:
    with pytest.raises(HostError, match=f"n1a2: compare {PATH}: .*saw nothing mounted"):
        require_same({"n1a1": shared(), "n1a2": Storage((LINE,))})


def test_a_front_end_that_will_mount_other_shares_is_not_compared() -> None:
    """A leader that leaves has those of the config before."""
    require_same({"n1a1": shared(), "n1a2": Storage()})
