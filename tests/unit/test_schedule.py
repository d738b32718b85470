"""Times of a timer: what systemd takes, and what a preview refuses."""

import shutil
import subprocess

import pytest

from settings.schedule import is_schedule

GOOD = (
    *("daily", "hourly", "Weekly", "monthly", "quarterly", "annually"),
    *("03:00", "03:00:30", "*-*-* 03:00", "Sat", "Mon..Fri 22:30", "mon,thu *-*-1..7 04:05"),
    *("*-*-01 04:00", "2026-*-* 00:00", "*:0/15", "0/6:00", "1,13:30", "Sunday 02:00 UTC"),
    *("*-*-* 03:00 Europe/Berlin", "*-1/3-15", "12-24", "Mon..Wed,Sat 01:00"),
)
BAD = (
    *("", " ", "nightly", "minutely", "24:00", "03:60", "3", "03:00:00:00", "*-13-* 03:00"),
    *("*-*-32", "Foo 03:00", "*-*-* 03:00 03:00", "*:*", "03:*", "03:00:*", "*-*-* *:*:*"),
    *(
        "daily; reboot",
        "daily\nOnCalendar=hourly",
        "@daily",
        "0 3 * * *",
        "5..3:00",
        "Mon 03:00 here",
    ),
    *("+1d", "Mon\n03:00", "03:00\n", "*-*-*/0", "\u0661:00"),
)


@pytest.mark.parametrize("text", GOOD)
def test_times_are_those_of_systemd(text: str) -> None:
    assert is_schedule(text)
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "calendar", text], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", BAD)
def test_other_texts_and_every_minute_are_refused(text: str) -> None:
    assert not is_schedule(text)
