"""The files that a host is asked for: all that a stack's config may have something to say of."""

from procedures import configuration
from procedures.files import clock, drivers, ldap, schedulers, services

PATHS = (
    configuration.MONITORD,
    *services.PATHS,
    *drivers.PATHS,
    *schedulers.PATHS,
    *ldap.PATHS,
    *clock.PATHS,
)
