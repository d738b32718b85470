"""From blank hosts to a zone: next to a plain script, with more hosts, with high latency."""

from collections.abc import Iterator
from statistics import median

from bench.figures import Figure, Point
from bench.zones import blank_lab, by_hand, say, zone_of

FRONT_ENDS = "front-ends, cold up"
LATENCY = "milliseconds between hosts, cold up"
ROUND_TRIPS = (40, 80)
"""Milliseconds, for hosts with high latency."""
MANY = 9
"""From this number of front-ends on, the cores of the lab set the time, not the program."""


def figures(rounds: int) -> Iterator[Figure]:
    """Yield the lines of the table for blank hosts, with the median of that number of rounds."""
    floor = median(floors(3, rounds))
    three = median(ups(3, rounds))
    yield Figure(
        "cold up of three front-ends",
        three,
        1.15 * floor,
        "1.15 floor",
        points=(Point(FRONT_ENDS, 3, three, floor), Point(LATENCY, 0, three, floor)),
    )
    for hosts in (5, 7, MANY):
        alone = median(floors(hosts, rounds))
        seconds = median(ups(hosts, rounds))
        if hosts < MANY:
            yield Figure(
                f"cold up of {hosts} front-ends", seconds, 1.2 * three, "1.2 that of three"
            )
        yield Figure(
            f"cold up of {hosts} front-ends, against the floor",
            seconds,
            1.15 * alone,
            f"1.15 floor of {hosts}",
            points=(Point(FRONT_ENDS, hosts, seconds, alone),),
        )
    for delay in ROUND_TRIPS:
        far_floor = median(floors(3, rounds, delay=delay))
        far = median(ups(3, rounds, delay=delay))
        yield Figure(
            f"cold up of three at {delay} ms",
            far,
            1.25 * three + max(0.0, far_floor - floor),
            "1.25 near + what the floor loses",
            points=(Point(LATENCY, delay, far, far_floor),),
        )


def floors(hosts: int, rounds: int, *, delay: int = 0) -> Iterator[float]:
    """Return the seconds of the plain script in each round."""
    for _ in range(rounds):
        with blank_lab(hosts, delay=delay) as lab:
            seconds = by_hand(lab)
        say(f"floor, {hosts} hosts at {delay} ms: {seconds:.1f} s")
        yield seconds


def ups(hosts: int, rounds: int, *, delay: int = 0) -> Iterator[float]:
    """Return the seconds of an up in each round, without the preview before it."""
    for _ in range(rounds):
        with blank_lab(hosts, delay=delay) as lab, zone_of(lab) as zone:
            preview, seconds = zone.preview(), zone.up()
            zone.draw()
        say(f"cold up, {hosts} hosts at {delay} ms: {seconds:.1f} s; its preview: {preview:.1f} s")
        yield seconds
