"""One stack: a highly available OpenNebula control plane, as its config describes it."""

import pulumi

from providers import runtime

runtime.hurry()

import settings  # noqa: E402
from components.zone import HighAvailableZone  # noqa: E402

runtime.leave_with_engine()
with runtime.reported_once():
    stack = settings.load()
    if stack.upgrade_database:
        pulumi.log.warn(
            f"opennebula-ha:upgrade_database is set: where OpenNebula {stack.one_version} needs"
            " another version of the database, nobody can use the zone for some minutes while that"
            " is changed"
        )
    if stack.convert_database:
        pulumi.log.warn(
            "opennebula-ha:convert_database is set: where a front-end has its data in SQLite,"
            " nobody can use OpenNebula for a while, until they are in MariaDB"
        )
    for text in settings.cautions(stack):
        pulumi.log.warn(text)
    zone = HighAvailableZone("zone", stack)
    for name, value in zone.outputs().items():
        pulumi.export(name, value)
