"""Remove an installation from a host."""

from opennebula import packages
from procedures.context import Access
from procedures.facts import signs
from procedures.facts.observe import facts
from procedures.install import configuration
from procedures.script_text import LOCK_PATIENCE
from procedures.specs import InstallationSpec

STOP = 240.0 + LOCK_PATIENCE
"""Seconds for oned and the services next to it to stop: a candidate took 84 s."""


def remove(access: Access, spec: InstallationSpec, *, half_installed: bool = False) -> str:
    """Stop and disable what was installed. The data stays, unless the spec says purge.

    ``half_installed``: the installation never completed, so that what the host had before must not
    be stopped. Return what is left of such an installation, in words. Raises HostError.
    """
    seen = facts(access, spec.host, spec.database, names=spec.names, even_silent=True)
    if half_installed and not seen.traces.claimed:
        return "its installation never ended, and what it had before stays as it is"
    if not seen.package and not seen.traces.claimed:
        return ""
    # Without a running MariaDB nothing can be dropped.
    answers = bool(seen.package) and not (half_installed and seen.silent)
    is_mine = answers and signs.is_own_database(seen, spec.database)
    mine = "mine" if spec.database.is_mariadb else "none"
    output = access.run(
        spec.host,
        "uninstall",
        variables={
            "features": " ".join(packages.FEATURES[name] for name in spec.features),
            "purge": "yes" if spec.purge else "no",
            "db_name": spec.database.name,
            "database": mine if is_mine else "",
            "account": (
                configuration.account_name(spec.database.owner)
                if spec.database.is_mariadb and answers
                else ""
            ),
            "grant": configuration.own_grant(spec.database),
        },
        timeout=STOP,
    )
    left = output.values.get("left", "")
    if not half_installed or not left:
        return ""
    return (
        f"its installation never ended, and of what it installed there stays {left}: remove that"
        " with the package manager there, or list the host again"
    )
