"""What clients saw becomes a history; a number gives the same sequence each time."""

import math
from typing import Any

import pytest

from tests.histories import Operation, problems
from tests.lab.sequences import FAULTS, OPERATIONS, sequence
from tests.lab.traffic import LEADER, Clients, Step

FOLLOWER = 2
NAMES = ["n1a1", "n1a2", "n1a3", "n1a4", "n1a5"]


def step(number: int, outcome: str = "done", **changes: Any) -> Step:
    """Return a step at the VIP, where server 1 leads in term 4."""
    at = float(10 * number)
    seen: dict[str, Any] = {
        "written": (at, at + 1, outcome),
        "status": (1, LEADER, 4),
        "read": (at + 2, at + 3, str(number)),
    }
    return Step(
        **{"client": 0, "place": "vip", "register": 7, "value": str(number), **seen, **changes}
    )


def reads(*steps: Step) -> list[bool]:
    """Return for each read whether it is current."""
    clients = Clients.__new__(Clients)
    clients.steps = list(steps)
    return [one.current for one in clients.history() if one.kind == "read"]


def test_a_read_is_current_between_two_writes_of_one_leader() -> None:
    assert reads(step(1), step(2), step(3), step(4)) == [False, True, True, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": (1, LEADER, 5)},
        {"status": (2, LEADER, 4)},
        {"status": (1, FOLLOWER, 4)},
        {"status": None, "read": None},
        {"written": (30.0, 31.0, "unknown")},
        {"written": (30.0, 31.0, "refused")},
    ],
)
def test_no_read_near_another_leader_or_an_unknown_write_is_current(
    changes: dict[str, Any],
) -> None:
    seen = reads(step(1), step(2), step(3, **changes))
    assert seen == [False] * len(seen)


def test_an_unknown_write_has_no_end_and_a_refused_one_has_no_effect() -> None:
    clients = Clients.__new__(Clients)
    clients.steps = [step(1, "unknown", read=None), step(2, "refused", read=None)]
    unknown, refused = clients.history()
    assert (unknown.returned, unknown.refused) == (math.inf, False)
    assert (refused.returned, refused.refused) == (21.0, True)


def test_an_interrupted_write_may_have_happened() -> None:
    clients = Clients.__new__(Clients)
    clients.registers = [7, 8, 9, 10]
    clients.steps = [
        step(4, value="0.4", read=None),
        step(5, value="0.5", read=None),
        step(3, client=1, value="1.3", read=None),
    ]
    known = clients.history()
    wrote = [("9", "0.6", 50.0), ("8", "1.4", 30.0)]
    assert [(one.register, one.value, one.invoked) for one in clients.unrecorded()] == wrote
    read = Operation("read", "9", "0.6", 80.0, 81.0, "n1a1", current=True)
    assert problems([*known, read]) == [f"9: a value from nowhere: {read}"]
    assert problems([*known, *clients.unrecorded(), read]) == []


def test_pauses_are_measured_at_the_vip_between_two_moments() -> None:
    clients = Clients.__new__(Clients)
    clients.steps = [step(1), step(2), step(9, "unknown")]
    assert clients.longest_pause(10, 60) == 39
    assert clients.longest_pause(10, 22) == 10


def test_a_number_decides_the_sequence() -> None:
    assert sequence(5, NAMES, 9) == sequence(5, NAMES, 9) != sequence(6, NAMES, 9)
    steps = [one for number in range(60) for one in sequence(number, NAMES, 4)]
    assert {one.operation for one in steps} == set(OPERATIONS)
    assert {one.fault for one in steps} == set(FAULTS)
