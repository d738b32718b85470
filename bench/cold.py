"""From blank hosts to a zone: next to a plain script, with more hosts, with high latency."""

from collections.abc import Iterator
from statistics import median

from bench.figures import Figure
from bench.zones import blank_lab, by_hand, say, zone_of

ROUND_TRIP = 80
"""Milliseconds, for hosts with high latency."""


def figures(rounds: int) -> Iterator[Figure]:
    """Yield the lines of the table for blank hosts, with the median of that number of rounds."""
    floor = median(floors(3, rounds))
    three = median(ups(3, rounds))
    yield Figure("cold up of three front-ends, preview included", three, 1.15 * floor, "1.15 floor")
    for hosts in (5, 7):
        alone = median(floors(hosts, rounds))
        seconds = median(ups(hosts, rounds))
        yield Figure(f"cold up of {hosts} front-ends", seconds, 1.2 * three, "1.2 that of three")
        yield Figure(f"the same, against the floor of {hosts}", seconds, 1.15 * alone, "1.15 floor")
    far_floor = median(floors(3, rounds, delay=ROUND_TRIP))
    far = median(ups(3, rounds, delay=ROUND_TRIP))
    allowed = 1.25 * three + max(0.0, far_floor - floor)
    yield Figure(
        f"cold up of three at {ROUND_TRIP} ms", far, allowed, "1.25 near + what the floor loses"
    )


def floors(hosts: int, rounds: int, *, delay: int = 0) -> Iterator[float]:
    """Return the seconds of the plain script in each round."""
    for _ in range(rounds):
        with blank_lab(hosts, delay=delay) as lab:
            seconds = by_hand(lab)
        say(f"floor, {hosts} hosts at {delay} ms: {seconds:.1f} s")
        yield seconds


def ups(hosts: int, rounds: int, *, delay: int = 0) -> Iterator[float]:
    """Return the seconds of a preview and of an up in each round."""
    for _ in range(rounds):
        with blank_lab(hosts, delay=delay) as lab, zone_of(lab) as zone:
            seconds = zone.preview() + zone.up()
            zone.draw()
        say(f"cold preview and up, {hosts} hosts at {delay} ms: {seconds:.1f} s")
        yield seconds
