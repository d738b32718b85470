"""A file in which this program sets something, and how to edit it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class ManagedFile:
    """A path, and the edit that sets what the stack wants."""

    path: str
    edit: Callable[[str], str]
    """Present text (empty without a file) to wanted text; unchanged if nothing differs. Raises
    ConfError."""
    differences: Callable[[str, str], tuple[str, ...]] = lambda *_: ()
    """Names of the settings in which two texts differ, without values."""
    package: str = "opennebula"
    """The package of the file; empty if this program creates it."""
    restarts: str = ""
    """The unit to restart; empty if the file is read each time, or with oned's rollout."""
    owner: str = ""
    mode: str = ""
    """Owner and mode to set; empty to keep them."""
    is_secret: bool = False
    """Messages must not show the text."""


HEADER = "# Written by opennebula-ha.\n"
"""First line of a file that this program creates, after a ``#!`` line."""


def ours(text: str, wanted: str) -> str:
    """Return the text of a file of ours; without ``wanted`` empty, unless the file is not ours."""
    if wanted:
        head, rest = _program_head(wanted)
        return head + HEADER + rest
    return "" if _program_head(text)[1].startswith(HEADER) else text


def own_file(
    path: str, wanted: str, mode: str, owner: str = "root", *, restarts: str = ""
) -> ManagedFile:
    """Return a file of ours; without ``wanted`` it is removed, unless it is not ours."""
    return ManagedFile(
        path,
        partial(ours, wanted=wanted),
        package="",
        restarts=restarts,
        owner=f"{owner}:{owner}" if wanted else "",
        mode=mode if wanted else "",
    )


def _program_head(text: str) -> tuple[str, str]:
    head, newline, rest = text.partition("\n")
    return (head + newline, rest) if head.startswith("#!") else ("", text)
