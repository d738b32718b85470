"""Whether data in SQLite can be moved to MariaDB."""

from collections.abc import Iterator

from procedures.bootstrap.convert_database import refusal
from procedures.preflight.context import Finding, Site, always


@always
def conversion(site: Site) -> Iterator[Finding]:
    """Of one front-end alone, outside any zone, with the version that is there."""
    holding = {name for name, report in site.seen.items() if report.holds_data}
    for name, seen in site.converted.items():
        if refused := refusal(seen, site.spec.version, holding - {name}):
            yield Finding(refused)
