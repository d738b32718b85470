"""Times of a timer, as systemd writes them in OnCalendar. Pure.

The machine that previews may have no systemd. What is valid here and wrong for the hosts' systemd,
such as an unknown time zone, is an error when its timer starts.
"""

import re

_WORDS = frozenset(
    "hourly daily weekly monthly quarterly semiannually yearly annually".split()  # noqa: SIM905
)
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905
_DATE = ((1970, 2199), (1, 12), (1, 31))
_TIME = ((0, 23), (0, 59), (0, 59))
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]*(?:/[A-Za-z][A-Za-z0-9_+-]*)+")
_PART = re.compile(r"(?:\*|([0-9]{1,4})(?:\.\.([0-9]{1,4}))?)(?:/[1-9][0-9]{0,3})?")


def is_schedule(text: str) -> bool:
    """Return whether these are times, not every minute: WEEKDAYS DATE TIME ZONE, or a word."""
    words = text.split()
    if text.lower() in _WORDS:
        return True
    if len(words) > 1 and _ZONE.fullmatch(words[-1]):
        words.pop()
    parts = 0
    if words and words[0][0].isalpha():
        days = re.split(r",|\.\.", words.pop(0).lower())
        if not all(any(day in (name, name[:3]) for name in _DAYS) for day in days):
            return False
        parts += 1
    if words and "-" in words[0]:
        date = words.pop(0).split("-")
        if len(date) not in (2, 3) or not _are_in(date, _DATE[-len(date) :]):
            return False
        parts += 1
    if words:
        time = words.pop(0).split(":")
        if len(time) not in (2, 3) or not _are_in(time, _TIME[: len(time)]):
            return False
        # A dump every minute or every second is a mistake.
        if "*" in time[1] or not (time[2] if len(time) == 3 else "0").isdigit():
            return False
        parts += 1
    return bool(parts) and not words


def _are_in(parts: list[str], ranges: tuple[tuple[int, int], ...]) -> bool:
    for part, (first, last) in zip(parts, ranges, strict=True):
        for one in part.split(","):
            found = _PART.fullmatch(one)
            numbers = [int(number) for number in found.groups() if number] if found else [-1]
            if numbers != sorted(numbers) or any(not first <= n <= last for n in numbers):
                return False
    return True
