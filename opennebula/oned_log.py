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
    """Yield the messages of a log. ``offset``: the offset of its times from UTC, such as +0100."""
    last: LogLine | None = None
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            if last is not None and line.strip():
                last = replace(last, text=f"{last.text}\n{line}")
            continue
        if last is not None:
            yield last
        at = datetime.strptime(f"{found[1]} {offset}", "%b %d %H:%M:%S %Y %z")
        last = LogLine(at, found["module"], found["level"], found["text"].rstrip())
    if last is not None:
        yield last
