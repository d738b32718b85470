"""One stack: a highly available OpenNebula control plane, as its config describes it."""

import pulumi

from providers import runtime

runtime.speed_up()

import settings  # noqa: E402
from components.zone import HighAvailableZone  # noqa: E402

runtime.exit_with_engine()
with runtime.reported_once():
    stack = settings.load()
    if stack.upgrade_database:
        pulumi.log.warn(
            f"opennebula-ha:upgrade_database is set: if OpenNebula {stack.one_version} needs"
            " another version of the database, the zone is down for some minutes during the upgrade"
        )
    if stack.convert_database:
        pulumi.log.warn(
            "opennebula-ha:convert_database is set: if a front-end has its data in SQLite,"
            " OpenNebula is unavailable until they are in MariaDB"
        )
    for text in settings.cautions(stack):
        pulumi.log.warn(text)
    zone = HighAvailableZone("zone", stack)
    for name, value in zone.outputs().items():
        pulumi.export(name, value)
