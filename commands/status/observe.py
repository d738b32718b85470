"""Observe the zone of a stack: the only module here that connects to hosts."""

from collections.abc import Callable
from datetime import UTC, datetime

from commands import stack
from commands.status.build import report
from commands.status.report import Report
from commands.status.situation import Situation, web_spec
from procedures.facts.snapshot import take_snapshot


def observe(
    target: stack.Target, *, compare: bool = False, note: Callable[[str], None] = stack.note
) -> Report:
    """Observe the zone and return the report. ``compare``: also compare the data with the leader's.

    ``note`` is called with what takes long.
    """
    seen = take_snapshot(
        target.access,
        target.hosts,
        target.zone.database,
        web_server=web_spec(target),
        compare=compare,
        note=note,
    )
    return report(Situation(target, seen, datetime.now(UTC)), stack.name())
