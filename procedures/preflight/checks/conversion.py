"""Check whether data in SQLite can be moved to MariaDB."""

from collections.abc import Iterator

from procedures.bootstrap.convert_database import STEP, refusal
from procedures.preflight.context import Finding, Site, always, fault


@always
def conversion(site: Site) -> Iterator[Finding]:
    """Check for one standalone front-end, the version in the config, and Python."""
    for name, seen in site.converted.items():
        if refused := refusal(seen, site.spec.version, site.holding - {name}):
            yield Finding(refused)
        if not site.seen[name].probe.has_python:
            yield fault(
                name,
                STEP,
                expected="Python 3 with its module for SQLite, which the conversion needs",
                seen="no python3",
                remedy="install the package python3 there, then run again",
            )
