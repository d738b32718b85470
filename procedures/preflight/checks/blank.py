"""Nothing is written on a host before it is known to be blank, ours, or the zone's."""

from collections.abc import Iterator

from procedures.facts.signs import refusal
from procedures.preflight.context import Finding, Site, always


@always
def blank(site: Site) -> Iterator[Finding]:
    """No host that is looked at holds something that is not this stack's."""
    for name, seen in site.seen.items():
        if seen.facts is None:
            continue
        error = refusal(
            seen.facts,
            site.spec.database,
            new=name in site.change.new,
            converts=site.converts,
        )
        if error is not None:
            yield Finding(error)
