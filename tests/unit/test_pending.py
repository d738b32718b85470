"""Interrupted creates that need nobody's look are forgotten; all others are kept."""

from typing import Any

from commands.pending import OURS, without_ours


def exported(*pending: tuple[str, str]) -> dict[str, Any]:
    operations = [{"type": kind, "resource": {"type": of}} for kind, of in pending]
    return {"version": 3, "deployment": {"resources": [], "pending_operations": operations}}


def test_creates_of_ours_are_forgotten() -> None:
    ours, command = f"{OURS}ZoneMember", "command:remote:Command"
    given = exported(("creating", ours), ("creating", command), ("deleting", ours))
    assert without_ours(given) == exported(("creating", command), ("deleting", ours))


def test_a_state_without_any_stays_as_it_is() -> None:
    assert without_ours(exported()) is None
    assert without_ours({"version": 3, "deployment": {}}) is None
    assert without_ours(exported(("creating", "command:remote:Command"))) is None
