"""Check the data that hosts hold: whose they are, and whether they can be moved to MariaDB."""

from collections.abc import Iterator

from procedures.bootstrap import convert_database
from procedures.facts import signs
from procedures.preflight.context import Finding, Site, always, fault


@always
def blank(site: Site) -> Iterator[Finding]:
    """Check that no observed host holds anything that belongs to another user or program."""
    for name, seen in site.facts.items():
        is_new = name in site.change.new
        if error := signs.refusal(seen, site.spec.database, new=is_new, converts=site.converts):
            yield Finding(error)


@always
def conversion(site: Site) -> Iterator[Finding]:
    """Check for one standalone front-end, the version in the config, and Python."""
    for name, seen in site.converted.items():
        others = site.holding - {name}
        if error := convert_database.refusal(seen, site.spec.version, others):
            yield Finding(error)
        if not site.seen[name].probe.has_python:
            yield fault(
                name,
                convert_database.STEP,
                expected="Python 3 with its module for SQLite, which the conversion needs",
                seen="no python3",
                remedy="install the package python3 there, then run again",
            )
