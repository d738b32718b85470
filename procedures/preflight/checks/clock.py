"""How far the clocks of the front-ends are apart.

Raft uses no clock. But logs are compared, and what one server issues with an expiry time must be
valid on all of them: login tokens, of which GUI, Gate and Flow have many.
"""

from collections.abc import Iterator
from statistics import median_low

from hosts.errors import HostError
from procedures.preflight.context import Finding, Site, Weight, skippable
from procedures.preflight.probe import ClockReading

CLOSE = 2.0
"""Seconds that are worth a warning: hosts that ask a time server are a hundredth of that apart."""
APART = 30.0
"""Seconds that are too many: after a failover a one-time code of the GUI's login is invalid.
And who asks no time server is further apart each day.
"""


@skippable
def clock(site: Site) -> Iterator[Finding]:
    """Hosts that have their place in the zone already are not refused for it."""
    clocks = {name: report.ground.clock for name, report in site.seen.items()}
    if not site.change.new or len(clocks) < 2:
        return
    # Beyond doubt: the least that one is ahead, and the most that another is.
    first = max(clocks, key=lambda name: clocks[name].least)
    last = min(clocks, key=lambda name: clocks[name].most)
    apart = clocks[first].least - clocks[last].most
    if apart <= CLOSE:
        return
    usual = median_low(reading.ahead for reading in clocks.values())
    # The time settings in the config are about to correct it.
    refuses = apart > APART and bool(site.fresh & {first, last}) and not site.spec.sets_clocks
    wrong = max((first, last), key=lambda name: abs(clocks[name].ahead - usual))
    yield Finding(
        HostError(
            # Of two, it is unknown which one.
            wrong if len(clocks) > 2 else ", ".join(sorted(clocks)),
            "compare the clocks",
            expected=f"at most {APART if refuses else CLOSE:.0f} s between the front-ends",
            seen=", ".join(
                _offset(name, reading, usual) for name, reading in sorted(clocks.items())
            ),
            remedy="have all front-ends ask the same time servers: timedatectl says whether they"
            " do, and opennebula-ha:ntp tells chrony or systemd-timesyncd whom to ask",
        ),
        Weight.REFUSAL if refuses else Weight.WARNING,
    )


def _offset(name: str, reading: ClockReading, usual: float) -> str:
    offset = round(reading.ahead - usual, 1) or 0.0
    return f"{name} {offset:+.1f} s (give or take {reading.doubt:.1f} s)"
