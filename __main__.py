"""One stack: a highly available OpenNebula control plane, as its config describes it."""

import gc
import os

import pulumi

# A program that lives for a second has nothing to collect, and looking for it takes its time.
gc.disable()
# Nor has pydantic any plugins here, which it looks for in all that is installed.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import settings  # noqa: E402
from components.zone import HighAvailableZone  # noqa: E402
from providers import lifeline  # noqa: E402

lifeline.leave_with_engine()
with lifeline.reported_once():
    stack = settings.load()
    if stack.upgrade_database:
        pulumi.log.warn(
            f"opennebula-ha:upgrade_database is set: if OpenNebula {stack.one_version} needs another"
            " version of the database, the zone is down for some minutes during the upgrade"
        )
    if stack.convert_database:
        pulumi.log.warn(
            "opennebula-ha:convert_database is set: if a front-end has its data in SQLite, OpenNebula"
            " is unavailable until they are in MariaDB"
        )
    for text in settings.cautions(stack):
        pulumi.log.warn(text)
    zone = HighAvailableZone("zone", stack)
    for name, value in zone.outputs().items():
        pulumi.export(name, value)
