"""Time servers, and the locale."""

import re
from collections.abc import Iterator, Mapping
from functools import partial

from opennebula import shell_file
from opennebula.families import FAMILIES
from procedures.install.files.managed import ManagedFile, own_file
from procedures.specs import ClockSpec

SOURCES = "/etc/chrony/sources.d/99-ntp.sources"
CHRONY = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
TIMESYNCD = "/etc/systemd/timesyncd.conf"
TIMESYNCD_PART = f"{TIMESYNCD}.d/99-ntp.conf"
PATHS = (
    *(SOURCES, *CHRONY, TIMESYNCD, TIMESYNCD_PART),
    *sorted({family.locale_file for family in FAMILIES}),
)
UNITS = ("chrony", "chronyd", "systemd-timesyncd")

_OFF = "# opennebula-ha off: "
_SOURCEDIR = "sourcedir /etc/chrony/sources.d"
_ADDED = "# opennebula-ha added the next line\n"


def files(
    spec: ClockSpec, unit: str, locale_file: str, texts: Mapping[str, str]
) -> Iterator[ManagedFile]:
    """Yield the files of the time service with that unit, and of the locale."""
    asks = bool(spec.pools or spec.servers)
    if unit == "systemd-timesyncd":
        names = " ".join(dict.fromkeys([*spec.pools, *spec.servers]))
        part = f"[Time]\nNTP={names}\n" if asks else ""
        yield own_file(TIMESYNCD_PART, part, "644", restarts=unit)
        yield ManagedFile(
            TIMESYNCD, partial(_without, what="(?:Fallback)?NTP=", wanted=asks), restarts=unit
        )
    elif unit:
        lines = [f"pool {name} iburst\n" for name in spec.pools]
        lines += [f"server {name} iburst\n" for name in spec.servers]
        yield own_file(SOURCES, "".join(lines), "644", restarts=unit)
        path = next((path for path in CHRONY if path in texts), CHRONY[0])
        yield ManagedFile(path, partial(_chrony, wanted=asks), restarts=unit)
    if spec.locale:
        yield ManagedFile(
            locale_file,
            partial(_locale, wanted=spec.locale),
            package="",
            owner="root:root",
            mode="644",
        )


def _chrony(text: str, *, wanted: bool) -> str:
    text = text.replace(f"{_ADDED}{_SOURCEDIR}\n", "")
    text = _without(text, "(?:pool|server|peer|include)[ \t]", wanted=wanted)
    if not wanted or re.search(rf"^{_SOURCEDIR}[ \t]*$", text, re.MULTILINE):
        return text
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{_ADDED}{_SOURCEDIR}\n"


def _without(text: str, what: str, *, wanted: bool) -> str:
    """Return the text with such lines as comments, or with the original lines."""
    text = re.sub(rf"^{_OFF}", "", text, flags=re.MULTILINE)
    return re.sub(rf"^(?={what})", _OFF, text, flags=re.MULTILINE) if wanted else text


def _locale(text: str, wanted: Mapping[str, str]) -> str:
    for name, value in sorted(wanted.items()):
        text = shell_file.with_value(text, name, value)
    return text
