"""Mirrors of OpenNebula's package repository, as text or by family. Pure."""

import re
from typing import Any

from commands.convert.conversion import Conversion
from commands.convert.inventory import Unread
from commands.convert.source import Source, unique

_TAIL = re.compile(
    r"/(?:\d+\.\d+(?:\.\d+)?|\{\{[^}]*one_version[^}]*\}\})"
    r"(?:/(?:Debian|Ubuntu|AlmaLinux|RedHat|RHEL|Rocky|openSUSE|SLES|\{\{).*)?/*$"
)
"""The version and the distribution, which follow the base."""


def convert(source: Source) -> None:
    """Map the addresses of the packages and of their signing key."""
    for key, part in (("opennebula_repo_url", "url"), ("opennebula_repo_key_url", "key_url")):
        values = unique(source.of_each(key).values())
        if len(values) == 1 and not source.inventory.is_secret(values):
            _take(source.made, key, part, values[0])
        else:
            # It says why there is no value to take.
            source.alike(key)


def _take(made: Conversion, key: str, part: str, value: Any) -> None:
    by_family = value if isinstance(value, dict) else {"": value}
    by_family = {family: item for family, item in by_family.items() if item is not None}
    if not by_family:
        made.needless(key, "it is empty")
    bases = {
        family: base
        for family, item in by_family.items()
        if (base := _base(made, f"{key}.{family}".rstrip("."), part, item))
    }
    if len(set(bases.values())) > 1:
        seen = ", ".join(f"{family}: {base}" for family, base in bases.items())
        made.ask(
            key,
            f"not converted: differs between distributions ({seen}). Set repository.{part} to the"
            " one for your front-ends",
        )
    elif bases:
        note = "the program appends version and distribution" if part == "url" else ""
        made.take(f"repository.{part}", next(iter(bases.values())), note, source=key)


def _base(made: Conversion, key: str, part: str, value: Any) -> str:
    """Return the address without version and distribution; empty, with an answer, on failure."""
    # The program fills in a template of the hosts' distribution itself.
    text = value.text if isinstance(value, Unread) else value
    if not isinstance(text, str) or not text.strip():
        made.ask(key, "not converted: expected a URL")
        return ""
    if re.match(r"[a-z]+://[^/]*@", text):
        made.ask(
            key,
            "not converted: a URL with a password, which every user of the hosts could read. For"
            " the enterprise repository set only one_token",
        )
        return ""
    base = _TAIL.sub("", text.strip().rstrip("/")) if part == "url" else text.strip()
    if "{{" in base or "{%" in base:
        made.ask(key, f"not converted: a template without a value ({base}). Set repository.{part}")
        return ""
    return base.rstrip("/")
