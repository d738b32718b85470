"""Signs of a host: its reachability, its disks, its differences from the stack. Pure."""

from collections.abc import Iterator

from commands.status.signs.sign import Found
from commands.status.signs.zone import no_zone
from commands.status.situation import Situation
from hosts.connection import LEAST_ROOM
from hosts.errors import NO_ROOM
from procedures.facts.snapshot import Snapshot

LOW = 0.05
"""Share of a file system below which little is free."""


def unreachable(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.fault and snapshot.fault.step == "connect":
            yield Found(name, f"expected {snapshot.fault.expected}, saw {snapshot.fault.seen}")


def unreadable(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.fault and snapshot.fault.step != "connect" and not _has_no_room(snapshot):
            fault = snapshot.fault
            yield Found(
                name,
                f"{fault.step}: expected {fault.expected}, saw {fault.seen}",
                (_sentence(fault.remedy),),
                fault.step,
            )


def disk_full(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        if snapshot.fault is not None and _has_no_room(snapshot):
            yield Found(name, f"no {snapshot.fault.expected}")
        for disk in snapshot.disks:
            if disk.free < LEAST_ROOM:
                yield Found(name, f"{disk.mount} has {disk.free >> 20} MiB left")


def disk_low(now: Situation) -> Iterator[Found]:
    for name, snapshot in now.hosts.items():
        for disk in snapshot.disks:
            if LEAST_ROOM <= disk.free < LOW * disk.size:
                yield Found(name, f"{disk.mount} has {disk.free >> 20} MiB left")


def _has_no_room(seen: Snapshot) -> bool:
    """Return whether the observation itself failed for lack of space."""
    return seen.fault is not None and seen.fault.expected.startswith(NO_ROOM)


def drift(now: Situation) -> Iterator[Found]:
    if any(no_zone(now)):
        # Everything differs, also on hosts whose image has OpenNebula's packages.
        return
    for name, facts in now.facts.items():
        # On a host without OpenNebula, or during a change, everything differs.
        if not facts.package or facts.upgrading:
            continue
        if found := now.drift(name):
            yield Found(name, _listed(found))
    ours = [
        text for text in now.zone_drift if " left over on " not in text and " missing " not in text
    ]
    if ours:
        yield Found("", _listed(tuple(ours)))


def _listed(found: tuple[str, ...]) -> str:
    number = f"{len(found)} difference{'s' if len(found) > 1 else ''}"
    return f"{number}: {'; '.join(found)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
