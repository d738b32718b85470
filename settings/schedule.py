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
    # It becomes one line of a file.
    if not words or text != " ".join(words):
        return False
    if len(words) > 1 and _ZONE.fullmatch(words[-1]):
        words.pop()
    days = words.pop(0) if words[0][0].isalpha() else ""
    date = words.pop(0) if words and "-" in words[0] else ""
    time = words.pop(0) if words else ""
    return text.lower() in _WORDS or (
        not words
        and (not days or _are_days(days))
        and (not date or _are_in(date.split("-"), _DATE))
        and (not time or _are_times(time.split(":")))
    )


def _are_days(text: str) -> bool:
    days = re.split(r",|\.\.", text.lower())
    return all(any(day in (name, name[:3]) for name in _DAYS) for day in days)


def _are_times(parts: list[str]) -> bool:
    # A dump every minute or every second is a mistake.
    literal = len(parts) > 1 and "*" not in parts[1] and all(part.isdigit() for part in parts[2:])
    return literal and len(parts) <= len(_TIME) and _are_in([*parts, "0"][:3], _TIME)


def _are_in(parts: list[str], ranges: tuple[tuple[int, int], ...]) -> bool:
    """Return whether each part is within the range at its place, counted from the end."""
    if not 1 < len(parts) <= len(ranges):
        return False
    for part, (first, last) in zip(parts, ranges[-len(parts) :], strict=True):
        for item in part.split(","):
            found = _PART.fullmatch(item)
            numbers = [int(number) for number in found.groups() if number] if found else [-1]
            if numbers != sorted(numbers) or any(not first <= n <= last for n in numbers):
                return False
    return True
