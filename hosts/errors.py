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
            f"{self.host}: {self.step}: expected {self.expected}, saw {self.seen.strip()}\n"
            f"  what to do: {self.remedy}"
        )
