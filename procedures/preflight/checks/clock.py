"""Compare the clocks of the front-ends.

Raft uses no clock. But operators compare logs, and what one server issues with an expiry time must
be valid on all others: login tokens, which GUI, Gate and Flow use all the time.
"""

from collections.abc import Iterator
from statistics import median_low

from hosts.errors import HostError
from procedures.host_drift import require_time_service
from procedures.preflight.context import Finding, Site, Weight, always, fault, skippable
from procedures.preflight.probe import ClockReading

CLOSE = 2.0
"""Seconds of difference that cause a warning. With a time server it is about 0.01 s."""
APART = 30.0
"""Seconds of difference that are refused. After a failover, one-time codes of the GUI's login would
be invalid, and without a time server the difference grows each day."""


@skippable
def clock(site: Site) -> Iterator[Finding]:
    """Compare all clocks. Only new hosts are refused: servers of the zone get a warning."""
    clocks = {name: report.probe.clock for name, report in site.seen.items()}
    if not site.change.new or len(clocks) < 2:
        return
    # Use the smallest difference that the measurement permits.
    first = max(clocks, key=lambda name: clocks[name].least)
    last = min(clocks, key=lambda name: clocks[name].most)
    apart = clocks[first].least - clocks[last].most
    if apart <= CLOSE:
        return
    usual = median_low(reading.ahead for reading in clocks.values())
    # The time settings in the config will correct it.
    refuses = apart > APART and bool(site.fresh & {first, last}) and not site.spec.sets_clocks
    wrong = max((first, last), key=lambda name: abs(clocks[name].ahead - usual))
    yield fault(
        # Of two clocks, either may be wrong.
        wrong if len(clocks) > 2 else ", ".join(sorted(clocks)),
        "compare the clocks",
        expected=f"at most {APART if refuses else CLOSE:.0f} s between the front-ends",
        seen=", ".join(_offset(name, reading, usual) for name, reading in sorted(clocks.items())),
        remedy="let all front-ends use the same time servers: timedatectl shows whether they"
        " do, and opennebula-ha:ntp configures chrony or systemd-timesyncd",
        weight=Weight.REFUSAL if refuses else Weight.WARNING,
    )


@always
def time_service(site: Site) -> Iterator[Finding]:
    """Check for what will use the stack's time servers, as each installation does."""
    for name, facts in site.facts.items() if site.spec.sets_clocks else ():
        if name in site.change.new or not site.change.was.sets_clocks:
            try:
                require_time_service(facts)
            except HostError as error:
                yield Finding(error)


def _offset(name: str, reading: ClockReading, usual: float) -> str:
    offset = round(reading.ahead - usual, 1) or 0.0
    return f"{name} {offset:+.1f} s (± {reading.doubt:.1f} s)"
