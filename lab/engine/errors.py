"""The one error that the stand-in raises for its user."""


class EngineError(Exception):
    """Something the user can put right; its text is the whole message."""


def refuse(what: str, instead: str = "run this with the Pulumi CLI") -> EngineError:
    """Return the error for a thing that only the real CLI knows."""
    return EngineError(f"the engine stand-in does not know {what}; {instead}")
