"""The files that a host is asked for: all that a stack's config may have something to say of."""

from procedures.install import configuration
from procedures.install.files import clock, drivers, ldap, leader, schedulers, services

PUBLIC_KEY = "/var/lib/one/.ssh/id_rsa.pub"
"""oneadmin's, which is only read."""
PATHS = (
    PUBLIC_KEY,
    configuration.MONITORD,
    *services.PATHS,
    *drivers.PATHS,
    *schedulers.PATHS,
    *ldap.PATHS,
    *clock.PATHS,
    *leader.PATHS,
)
