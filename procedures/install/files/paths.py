"""The files whose content is a fact: all that a stack's config may change."""

from procedures.install import configuration
from procedures.install.files import backup, clock, drivers, ldap, leader, schedulers, services

PUBLIC_KEY = "/var/lib/one/.ssh/id_rsa.pub"
"""oneadmin's public key, which is only read."""
PATHS = (
    PUBLIC_KEY,
    configuration.MONITORD,
    *services.PATHS,
    *drivers.PATHS,
    *schedulers.PATHS,
    *ldap.PATHS,
    *clock.PATHS,
    *leader.PATHS,
    *backup.PATHS,
)
