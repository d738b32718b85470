"""A file of which this program sets something, and how it is edited."""

from collections.abc import Callable
from dataclasses import dataclass


def _unnamed(_before: str, _after: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class ManagedFile:
    """A path, and how what is there becomes what is wanted."""

    path: str
    edit: Callable[[str], str]
    """The text that is there (or nothing) to the one that is wanted; to that itself where it is so.
    Raises ConfError."""
    differences: Callable[[str, str], tuple[str, ...]] = _unnamed
    """The names of what differs between two texts, and no value."""
    package: str = "opennebula"
    """What brings the file; nothing: this program makes it."""
    restarts: str = ""
    """The unit that reads it when it starts; nothing: it is read each time, or the
    rollout restarts oned."""
    owner: str = ""
    mode: str = ""
    """Both are set where they are given, and stay as they are where not."""
    is_secret: bool = False
    """The text must be in no message."""


HEADER = "# Written by opennebula-ha.\n"
"""Begins a file that is ours as a whole, after what makes it a program."""


def ours(text: str, wanted: str) -> str:
    """A whole file of ours; without anything wanted none, but one that is not ours stays."""
    if wanted:
        head, rest = _program_head(wanted)
        return head + HEADER + rest
    return "" if _program_head(text)[1].startswith(HEADER) else text


def _program_head(text: str) -> tuple[str, str]:
    head, newline, rest = text.partition("\n")
    return (head + newline, rest) if head.startswith("#!") else ("", text)
