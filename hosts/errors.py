"""The one error that an operator sees."""

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 2000
"""Characters of what a host said that a message shows."""

_UNREADABLE = (ValueError, LookupError, ArithmeticError, RecursionError, SyntaxError)
"""What parsers raise for a text of another form; of XML it is a SyntaxError."""


class HostError(Exception):
    """Something on a host is not as a step needs it.

    Says where, in which step, what was expected, what was seen, and what can be done. Never
    holds a secret.
    """

    def __init__(self, host: str, step: str, *, expected: str, seen: str, remedy: str) -> None:
        self.host = host
        self.step = step
        self.expected = expected
        self.seen = seen
        self.remedy = remedy
        super().__init__(host, step, expected, seen, remedy)

    def __str__(self) -> str:
        step, expected, remedy = (_cut(text) for text in (self.step, self.expected, self.remedy))
        return (
            f"{self.host}: {step}: expected {expected}, saw {one_line(self.seen)}\n"
            f"  what to do: {remedy}"
        )


def printable(text: str) -> str:
    """Return a text without the control characters that could rewrite the operator's screen.

    A host may say anything; a line break or a tab is only that.
    """
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\ufffd"
        for character in text
    )


NO_ROOM = "free space on"
"""How what was expected begins in the error of a full disk."""


def no_room(host: str, step: str, full: str, *, seen: str) -> HostError:
    """Return the error of a step that failed because the host's disk is full."""
    return HostError(
        host,
        step,
        expected=f"{NO_ROOM} {full}",
        seen=f"none, and so: {seen}",
        remedy=f"free some space on {full} of {host}, then run again: it resumes here",
    )


@contextmanager
def reading_answer(host: str, step: str) -> Iterator[None]:
    """Raise HostError if a parser cannot read what the host said."""
    try:
        yield
    except _UNREADABLE as error:
        # The error's own text may have a secret of the host in it.
        raise HostError(
            host,
            step,
            expected="an answer of the form that its programs print",
            seen=f"another one ({type(error).__name__})",
            remedy="look for programs on that host that are not those of the distribution, in"
            " /usr/local or as aliases, and for a full disk; then run again",
        ) from None


def one_line(text: str) -> str:
    """Return a text's printable lines in a row, without those that only rule off others."""
    lines = (line.strip() for line in text.splitlines())
    line = "; ".join(line for line in lines if line.strip("-=* ")) or " ".join(text.split())
    return _cut(line.replace("\t", " "))


def _cut(text: str) -> str:
    """Return the start of a text, as far as a message shows it."""
    return printable(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
