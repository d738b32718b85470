"""Which folders of a front-end fstab and ds may use: those that the host does not need.

A mounted share hides what is in its mount point, and gives it the owner and mode in the config; a
datastore writes and deletes files in its folder.
"""

from collections.abc import Iterable
from dataclasses import dataclass

DATASTORES = "/var/lib/one/datastores"
MOUNT_ELSEWHERE = "mount it somewhere else, such as /mnt/one"
COPY_ELSEWHERE = "copy the dumps somewhere else, such as /mnt/backups"
KEEP_ELSEWHERE = "keep the datastore somewhere else, such as /mnt/one"


@dataclass(frozen=True)
class Place:
    """A folder that must stay as it is. So nothing above it may be hidden either."""

    path: str
    why: str
    inside: bool = True
    """Whether everything below it must stay visible, too."""


def _places(paths: str, why: str, *, inside: bool = True) -> list[Place]:
    return [Place(path, why, inside) for path in paths.split()]


PLACES: tuple[Place, ...] = (
    Place("/", "is the whole system", inside=False),
    Place("/home", "holds the accounts' homes, with the keys that log in by SSH", inside=False),
    *_places("/var /var/lib", "holds the data of all services", inside=False),
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
"""The first match gives the reason. All others are free: /mnt, /srv, /opt, /media, /home/…."""


def why_not(path: str, places: Iterable[Place] = PLACES) -> str:
    """Return why that path must stay as it is; empty if it may be used."""
    places = tuple(places)
    for place in places:
        if path == place.path or (place.inside and is_in(path, place.path)):
            within = "" if path == place.path else f" is in {place.path}, which"
            return f"{path}{within} {place.why}"
    above = next((place for place in places if is_in(place.path, path)), None)
    return f"{path} is above {above.path}, which {above.why}" if above else ""


def is_in(path: str, folder: str) -> bool:
    """Tell whether a path is below that folder."""
    return path.startswith(f"{folder.rstrip('/')}/")
