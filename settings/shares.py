"""Check the shares and datastores of a front-end. Pure: values in, faults out."""

import posixpath
import re
from collections.abc import Iterator

from settings.faults import of, repeated
from settings.model import Mount, Settings
from settings.places import (
    DATASTORES,
    KEEP_ELSEWHERE,
    MOUNT_ELSEWHERE,
    PLACES,
    Place,
    is_in,
    why_not,
)


def storage_faults(config: Settings) -> Iterator[str]:
    """Yield the faults of fstab and ds."""
    fstab, mounts = config.fstab, config.ds.config.mounts
    homes = list(_homes(config))
    paths = [mount.path for mount in fstab]
    for path, times in repeated(paths):
        yield of("fstab", f"{path} is listed {times} times; expected one entry per path")
    for kind, times in repeated(mount.type for mount in mounts):
        yield of("ds.config.mounts", f"{kind} is listed {times} times; expected it once")
    for index, share in enumerate(fstab):
        if why := why_not(share.path, places=homes):
            yield of(f"fstab.{index}.path", f"{why}: {MOUNT_ELSEWHERE}")
        if re.search(r"\bpass(word)?2?=", share.opts):
            yield of(
                f"fstab.{index}.opts",
                "contains a password, which others could read there; put it into a file on the"
                " hosts that only root can read, and set credentials=/etc/one-share",
            )
        src = "/" + posixpath.normpath(share.src).lstrip("/")
        if _is_bound(share) and (why := why_not(src, places=(*PLACES, *homes))):
            yield of(
                f"fstab.{index}.src",
                f"{why}: it would get the owner and mode of this entry; name a folder of the"
                " share's own, such as /srv/one",
            )
    for index, mount in enumerate(mounts):
        key = f"ds.config.mounts.{index}.path"
        if is_in(f"{mount.path}/", DATASTORES):
            yield of(
                key,
                f"{mount.path} is where the datastores themselves are: mount the share there with"
                " fstab, and remove this entry",
            )
        elif why := why_not(mount.path, places=homes):
            yield of(key, f"{why}: {KEEP_ELSEWHERE}")
    links = {f"{DATASTORES}/{number}" for number in config.ds.links}
    for path in sorted(links & {*paths}):
        yield of("ds.config.mounts", f"{path} is also mounted by fstab; remove it from one of them")


def _is_bound(share: Mount) -> bool:
    """Tell whether a share is a folder of the host, whose owner and mode would change."""
    options = set(share.opts.split(","))
    return share.src.startswith("/") and bool(options & {"bind", "rbind"}) and "ro" not in options


def _homes(config: Settings) -> Iterator[Place]:
    """Yield the homes of the accounts that this stack logs in as, or creates keys for."""
    users = {config.ssh.user, *config.ensure_keys_for}
    users |= {front_end.ssh.user for front_end in config.frontends.values() if front_end.ssh.user}
    for user in sorted(users):
        why = f"is the home of {user}, with the keys that log in by SSH"
        yield Place(f"/home/{user}", why, inside=False)
        yield Place(f"/home/{user}/.ssh", f"holds the SSH keys of {user}")
