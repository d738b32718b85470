"""One stack: a highly available OpenNebula control plane, as its config describes it."""

import os
import signal
from types import FrameType

import pulumi

import settings
from components.zone import HighAvailableZone


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """End at once: the engine interrupts the program when a resource failed and has said why."""
    os._exit(1)


signal.signal(signal.SIGINT, _leave)

stack = settings.load()
if stack.upgrade_database:
    pulumi.log.warn(
        f"opennebula-ha:upgrade_database is set: where OpenNebula {stack.one_version} needs another"
        " version of the database, nobody can use the zone for some minutes while that is changed"
    )
zone = HighAvailableZone("zone", stack)
for name, value in zone.outputs().items():
    pulumi.export(name, value)
