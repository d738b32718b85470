"""oned's log: ``Sun Nov 22 10:00:00 2026 [Z0][RCM][I]: text``, in the host's local time. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

ELECTIONS_AND_ERRORS = (
    "[[](RCM|RRM)[]]|[[]E[]]:|[Nn]ew term|RAFT_|raft/"
    "|[[]ONE[]][[]I[]]: (Stopping oned|All modules finalized|oned started)"
)
"""Regular expression for awk: lines of Raft and its hooks, errors, starts and stops."""

_LINE = re.compile(
    r"\w{3} (\w{3} +\d+ [\d:]+ \d{4}) \[Z\d+\]\[(?P<module>\w+)\]\[(?P<level>\w)\]: ?(?P<text>.*)"
)


@dataclass(frozen=True)
class LogLine:
    """A message, which may have several lines."""

    at: datetime
    module: str
    level: str
    """E (error), W (warning), I (information) or D (debug)."""
    text: str


def parse(text: str, offset: str) -> Iterator[LogLine]:
    """Yield the messages of a log. ``offset``: the offset of its times from UTC, such as +0100.

    A line without a valid time belongs to the message before it. Raises ValueError for an offset of
    another form.
    """
    last: LogLine | None = None
    zone = datetime.strptime(offset, "%z").tzinfo
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        at = _time(found[1]) if found else None
        if found is None or at is None:
            if last is not None and line.strip():
                last = replace(last, text=f"{last.text}\n{line}")
            continue
        if last is not None:
            yield last
        at = at.replace(tzinfo=zone)
        last = LogLine(at, found["module"], found["level"], found["text"].rstrip())
    if last is not None:
        yield last


def _time(text: str) -> datetime | None:
    """Read a time; None if there is no such time."""
    try:
        return datetime.strptime(text, "%b %d %H:%M:%S %Y")
    except ValueError:
        return None
