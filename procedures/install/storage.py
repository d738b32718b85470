"""The shared folders of a front-end: mounts, and datastores that are links to them.

Our lines in /etc/fstab are between two marks, and a file on the host lists our links. Each
front-end writes a stamp to each share, in a file with its name: front-ends that see the same stamps
see the same share.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hosts.errors import HostError
from procedures.context import Access
from procedures.facts.fact import lines, pairs, reported
from procedures.specs import InstallationSpec, MountSpec

_DEVICES = ("/dev/", "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=")
MOUNT = 300.0
"""Seconds for all mounts of a host."""


@dataclass(frozen=True)
class Mounted:
    """A mount: its top folder, and the stamps of the front-ends that mounted it."""

    owner: frozenset[str]
    """Number and name."""
    group: frozenset[str]
    mode: str
    stamps: Mapping[str, str]


def _fstab(text: str) -> tuple[str, ...]:
    if any(len(line.split()) < len(("src", "path", "type")) for line in lines(text)):
        raise ValueError("a line of fstab without its fields")
    return lines(text)


def _mounted(text: str) -> dict[str, Mounted]:
    found = {}
    for line in lines(text):
        path, uid, user, gid, group, mode, *stamps = line.split()
        int(mode, 8)  # Raises ValueError here, where the answer is read.
        given = dict(stamp.split("=", 1) for stamp in stamps if "=" in stamp)
        found[path] = Mounted(frozenset({uid, user}), frozenset({gid, group}), mode, given)
    return found


@dataclass(frozen=True)
class Storage:
    """The observed shared folders of a host."""

    fstab: tuple[str, ...] = reported(_fstab)
    """Our lines in /etc/fstab."""
    mounted: Mapping[str, Mounted] = reported(_mounted)
    links: Mapping[str, str] = reported(pairs)
    """ID of a datastore to the target of its link."""
    own_links: Mapping[str, str] = reported(pairs)
    """The links that this program created."""


def differences(seen: Storage, spec: InstallationSpec) -> tuple[str, ...]:
    """Return the names of the mounts and datastores that differ from the spec."""
    found = []
    if seen.fstab != _lines(spec):
        found.append("/etc/fstab")
    found += [
        f"mount {entry.path}"
        for entry in _in_order(spec)
        if not _is_right(seen, entry, spec.host.name)
    ]
    stale = seen.own_links.items() - spec.links.items()
    for number in sorted({number for number, _ in stale} | spec.links.keys()):
        target = spec.links.get(number)
        if not target == seen.links.get(number) == seen.own_links.get(number):
            found.append(f"datastore {number}")
    return tuple(found)


def mount(access: Access, spec: InstallationSpec, seen: Storage) -> None:
    """Unmount, mount and link what differs. Raises HostError."""
    if not differences(seen, spec):
        return
    kept = {line.split()[1] for line in set(seen.fstab) & set(_lines(spec))}
    before = {line.split()[1] for line in seen.fstab}
    access.run(
        spec.host,
        "storage",
        variables={
            "name": spec.host.name,
            # Unmount nested mounts first.
            "leaving": "\n".join(sorted(before - kept, reverse=True)),
            "fstab": "\n".join(_lines(spec)),
            "mounts": "\n".join(
                f"{entry.path} {entry.owner} {entry.group} {entry.mode}"
                f" {'yes' if entry.is_writable else 'no'}"
                for entry in _in_order(spec)
            ),
            "unlinked": _text(dict(seen.own_links.items() - spec.links.items())),
            "links": _text(spec.links),
        },
        timeout=MOUNT,
    )


def require_same(seen: Mapping[str, Storage]) -> None:
    """Check that all hosts mount the same shares. Raises HostError."""
    for path in sorted(set.intersection(*({*_shares(shown.fstab)} for shown in seen.values()))):
        for name, shown in sorted(seen.items()):
            if path not in shown.mounted:
                raise HostError(
                    name,
                    f"compare {path}",
                    expected="what opennebula-ha:fstab says to be mounted there",
                    seen="nothing mounted",
                    remedy=f"mount {path} there, then run again",
                )
        views = {
            name: frozenset(shown.mounted[path].stamps.items()) for name, shown in seen.items()
        }
        usual, _ = Counter(view for _, view in sorted(views.items())).most_common(1)[0]
        others = ", ".join(sorted(name for name, view in views.items() if view == usual))
        for name, view in sorted(views.items()):
            if view != usual:
                raise HostError(
                    name,
                    f"compare {path}",
                    expected=f"the share that {others} mounted there",
                    seen="another one, with stamps of "
                    + (", ".join(sorted(stamp for stamp, _ in view)) or "no front-end"),
                    remedy="see where the src of that entry of opennebula-ha:fstab leads to on"
                    f" {name}; then umount {path} and mount {path} there, and run again",
                )


def _shares(fstab: Iterable[str]) -> Iterator[str]:
    """Yield the mount points of shares, without a host's own disks."""
    for line in fstab:
        src, path, fstype, *_ = line.split()
        if not src.startswith(_DEVICES) and fstype != "tmpfs":
            yield path


def _lines(spec: InstallationSpec) -> tuple[str, ...]:
    return tuple(entry.line for entry in _in_order(spec))


def _in_order(spec: InstallationSpec) -> list[MountSpec]:
    return sorted(spec.mounts, key=lambda entry: entry.path)


def _is_right(seen: Storage, wanted: MountSpec, name: str) -> bool:
    there = seen.mounted.get(wanted.path)
    return (
        there is not None
        and wanted.owner in there.owner
        and wanted.group in there.group
        and int(wanted.mode, 8) == int(there.mode, 8)
        and (name in there.stamps or not wanted.is_writable)
    )


def _text(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{key} {value}" for key, value in sorted(pairs.items()))
