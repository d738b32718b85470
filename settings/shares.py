"""Check the shares and datastores of a front-end. Pure: values in, faults out."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hosts.models import SshSettings
from settings.faults import of
from settings.model import Datastores, FrontEnd, Mount
from settings.places import (
    DATASTORES,
    KEEP_ELSEWHERE,
    MOUNT_ELSEWHERE,
    PLACES,
    Place,
    is_in,
    why_not,
)


def storage_faults(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults of fstab and ds."""
    fstab: list[Mount] = values.get("fstab", [])
    datastores: Datastores = values.get("ds", Datastores())
    mounts = datastores.config.mounts
    homes = list(_homes(values))
    for path, times in Counter(mount.path for mount in fstab).items():
        if times > 1:
            yield of("fstab", f"{path} is listed {times} times; expected one entry per path")
    for kind, times in Counter(mount.type for mount in mounts).items():
        if times > 1:
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
    links = {f"{DATASTORES}/{number}" for number in datastores.links}
    for path in sorted(links & {mount.path for mount in fstab}):
        yield of("ds.config.mounts", f"{path} is also mounted by fstab; remove it from one of them")


def _is_bound(share: Mount) -> bool:
    """Tell whether a share is a folder of the host, whose owner and mode would change."""
    options = set(share.opts.split(","))
    return share.src.startswith("/") and bool(options & {"bind", "rbind"}) and "ro" not in options


def _homes(values: Mapping[str, Any]) -> Iterator[Place]:
    """Yield the homes of the accounts that this stack logs in as, or creates keys for."""
    ssh: SshSettings = values.get("ssh", SshSettings())
    front_ends: Mapping[str, FrontEnd] = values.get("frontends", {})
    users = {ssh.user, *values.get("ensure_keys_for", ())}
    users |= {front_end.ssh.user for front_end in front_ends.values() if front_end.ssh.user}
    for user in sorted(users):
        why = f"is the home of {user}, with the keys that log in by SSH"
        yield Place(f"/home/{user}", why, inside=False)
        yield Place(f"/home/{user}/.ssh", f"holds the SSH keys of {user}")
