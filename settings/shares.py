"""Where fstab and ds may reach on a front-end, and where not: what the system needs stays free.

A share that is mounted over a folder hides what is in it, and its top folder gets the owner and
mode of the config; a datastore writes into its folder and deletes there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hosts.connection import SshSettings
from settings.faults import of
from settings.model import Datastores, FrontEnd, Mount

DATASTORES = "/var/lib/one/datastores"


@dataclass(frozen=True)
class Place:
    """A folder that must stay as it is; so nothing above it may be hidden, either."""

    path: str
    why: str
    inside: bool = True
    """Nor may anything below it be hidden."""


def _places(paths: str, why: str, *, inside: bool = True) -> list[Place]:
    return [Place(path, why, inside) for path in paths.split()]


PLACES: tuple[Place, ...] = (
    Place("/", "is the whole system", inside=False),
    Place("/home", "holds the accounts' homes, with the keys that log in by SSH", inside=False),
    Place("/var", "holds the data of all services", inside=False),
    Place("/var/lib", "holds the data of all services", inside=False),
    Place(
        "/var/lib/one",
        f"is oneadmin's home, with the zone's keys (below it, {DATASTORES} may be mounted)",
        inside=False,
    ),
    *_places(
        "/var/lib/one/.one /var/lib/one/.ssh /var/lib/one/remotes /var/lib/one/config",
        "holds the zone's keys, drivers or hooks, which are each host's own",
    ),
    *_places("/etc", "holds the configuration of the system, MariaDB and OpenNebula"),
    *_places(
        "/usr /bin /sbin /lib /lib32 /lib64 /libx32",
        "holds the programs of the system and OpenNebula",
    ),
    *_places("/boot /efi", "holds what the system starts from"),
    *_places("/dev /proc /sys /run /var/run /var/lock", "is made by the system at each start"),
    *_places("/root", "is root's home, with its SSH keys"),
    *_places(
        "/tmp /var/tmp",  # noqa: S108 - refused here
        "is for the temporary files of all accounts, and is emptied",
    ),
    *_places("/var/lib/mysql", "holds MariaDB's data, each host's own"),
    *_places("/var/lib/opennebula-ha", "is what this program knows of the host"),
    *_places("/var/backups/opennebula", "holds the host's dumps and keys, for root alone"),
    *_places("/var/log", "holds the logs of the host"),
    *_places("/var/cache /var/spool", "is the working space of the host's services"),
    *_places(
        "/var/lib/apt /var/lib/dpkg /var/lib/rpm /var/lib/dnf /var/lib/zypp",
        "is what the system knows of its packages",
    ),
    *_places(
        "/var/lib/systemd /var/lib/dbus /var/lib/private /var/lib/cloud /var/lib/chrony"
        " /var/lib/NetworkManager /var/lib/sudo /var/lib/polkit-1 /var/lib/sss",
        "holds the data of a service of the system",
    ),
)
"""The first that fits says why. All else may be used: /mnt, /srv, /opt, /media, and below /home."""


def why_not(path: str, homes: Iterable[Place] = ()) -> str:
    """Why that path must stay as it is; empty: it may be used. ``homes``: further places."""
    places = (*PLACES, *homes)
    for place in places:
        if path == place.path or (place.inside and _is_in(path, place.path)):
            within = "" if path == place.path else f" is in {place.path}, which"
            return f"{path}{within} {place.why}"
    above = next((place for place in places if _is_in(place.path, path)), None)
    return f"{path} is above {above.path}, which {above.why}" if above else ""


def storage_faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Faults of fstab and ds."""
    fstab: list[Mount] = given.get("fstab", [])
    mounts = given["ds"].config.mounts if "ds" in given else Datastores().config.mounts
    homes = list(_homes(given))
    for path, times in Counter(one.path for one in fstab).items():
        if times > 1:
            yield of("fstab", f"{path} is there {times} times; expected one entry a path")
    for kind, times in Counter(one.type for one in mounts).items():
        if times > 1:
            yield of("ds.config.mounts", f"{kind} is there {times} times; expected it once")
    for index, share in enumerate(fstab):
        if why := why_not(share.path, homes):
            yield of(f"fstab.{index}.path", f"{why}: mount it somewhere else, such as /mnt/one")
        if re.search(r"\bpass(word)?2?=", share.opts):
            yield of(
                f"fstab.{index}.opts",
                "holds a password, which everybody could read there; put it into a file on the"
                " hosts that only root reads, and name that: credentials=/etc/one-share",
            )
        if _is_bound(share) and (why := why_not(share.src, homes)):
            yield of(
                f"fstab.{index}.src",
                f"{why}: it would get the owner and mode of this entry; name a folder of the"
                " share's own, such as /srv/one",
            )
    for index, one in enumerate(mounts):
        key = f"ds.config.mounts.{index}.path"
        if _is_in(f"{one.path}/", DATASTORES):
            yield of(
                key,
                f"{one.path} is where the datastores themselves are: mount the share there with"
                " fstab, and leave this entry out",
            )
        elif why := why_not(one.path, homes):
            yield of(key, f"{why}: keep the datastore somewhere else, such as /mnt/one")
    links = given["ds"].links if "ds" in given else {}
    for path in sorted(
        {f"{DATASTORES}/{number}" for number in links} & {one.path for one in fstab}
    ):
        yield of("ds.config.mounts", f"{path} is mounted by fstab, too; take it out of one of them")


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")


def _is_bound(share: Mount) -> bool:
    """Whether it is a folder of the host, whose owner and mode may change."""
    options = set(share.opts.split(","))
    return share.src.startswith("/") and bool(options & {"bind", "rbind"}) and "ro" not in options


def _homes(given: Mapping[str, Any]) -> Iterator[Place]:
    """Of the accounts that this stack needs."""
    ssh: SshSettings = given.get("ssh", SshSettings())
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    users = {ssh.user, *given.get("ensure_keys_for", ())}
    users |= {one.ssh.user for one in front_ends.values() if one.ssh.user}
    for user in sorted(users):
        why = f"is the home of {user}, with the keys that log in by SSH"
        yield Place(f"/home/{user}", why, inside=False)
        yield Place(f"/home/{user}/.ssh", f"holds the SSH keys of {user}")
