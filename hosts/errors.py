"""The one error that an operator sees."""


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
        return (
            f"{self.host}: {self.step}: expected {self.expected}, saw {_one_line(self.seen)}\n"
            f"  what to do: {self.remedy}"
        )


NO_ROOM = "free space on"
"""How what was expected begins in the error of a full disk."""


def no_room(host: str, step: str, full: str, *, seen: str) -> HostError:
    """The error of a step that failed on a host whose disk is full there."""
    return HostError(
        host,
        step,
        expected=f"{NO_ROOM} {full}",
        seen=f"none, and so: {seen}",
        remedy=f"free some space on {full} of {host}, then run again: it resumes here",
    )


def _one_line(text: str) -> str:
    """The text's lines in a row, without those that only rule off others."""
    lines = (line.strip() for line in text.splitlines())
    return "; ".join(line for line in lines if line.strip("-=* ")) or text.strip()
