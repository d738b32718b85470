"""Check that each host is blank, or belongs to this stack or its zone."""

from collections.abc import Iterator

from procedures.facts.signs import refusal
from procedures.preflight.context import Finding, Site, always


@always
def blank(site: Site) -> Iterator[Finding]:
    """Check that no observed host holds anything that belongs to another user or program."""
    for name, seen in site.facts.items():
        is_new = name in site.change.new
        if error := refusal(seen, site.spec.database, new=is_new, converts=site.converts):
            yield Finding(error)
