"""The checker of histories finds what no order of the writes explains, and nothing else."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.histories import Operation, lags, leaders_of_one_term, problems, unshared
from tests.runs import examples


def write(
    value: str, invoked: float, returned: float = math.inf, *, refused: bool = False
) -> Operation:
    return Operation("write", "r", value, invoked, returned, refused=refused)


def current(value: str, invoked: float, returned: float) -> Operation:
    return Operation("read", "r", value, invoked, returned, current=True)


def at(server: str, value: str, invoked: float, returned: float) -> Operation:
    return Operation("read", "r", value, invoked, returned, server)


GOOD = {
    "nothing was written": [current("", 0, 1)],
    "one after the other": [write("1", 0, 1), current("1", 2, 3), write("2", 4, 5)],
    "a read during a write sees the value before": [write("1", 0, 9), current("", 1, 2)],
    "a read during a write sees it": [write("1", 0, 9), current("1", 1, 2)],
    "an unknown write never happened": [write("1", 0), current("", 2, 3)],
    "an unknown write happened at once": [write("1", 0), current("1", 2, 3)],
    "an unknown write happened late": [write("1", 0), current("", 2, 3), current("1", 4, 5)],
    "an unknown write was replaced": [write("1", 0), write("2", 1, 2), current("2", 3, 4)],
    "a server lags": [write("1", 0, 1), at("a", "", 2, 3), at("a", "1", 4, 5)],
    "two servers lag differently": [
        *(write("1", 0, 1), write("2", 2, 3)),
        *(at("a", "1", 4, 5), at("b", "2", 4, 5), at("a", "2", 6, 7)),
    ],
    "reads of one server overlap": [write("1", 0, 1), at("a", "1", 2, 5), at("a", "", 3, 6)],
    "a refused write": [write("1", 0, 1, refused=True), current("", 2, 3)],
    "other registers": [
        write("1", 0, 1),
        Operation("write", "s", "1", 2, 3),
        Operation("read", "s", "", 0, 1, current=True),
    ],
}
BAD = {
    "a lost write": [write("1", 0, 1), write("2", 2, 3), current("1", 4, 5)],
    "a lost first write": [write("1", 0, 1), current("", 2, 3)],
    "a stale read after a newer one": [
        *(write("1", 0, 1), write("2", 2, 9)),
        *(current("2", 3, 4), current("1", 5, 6)),
    ],
    "a stale read after a newer one of a server": [
        *(write("1", 0, 1), write("2", 2, 3), at("a", "2", 4, 5), current("1", 6, 7)),
    ],
    "a write that happened twice": [
        *(write("1", 0, 1), write("2", 2, 3)),
        *(current("2", 4, 5), current("1", 6, 7), current("2", 8, 9)),
    ],
    "an unknown write that happened twice": [
        *(write("1", 0), current("1", 1, 2), write("2", 3, 4)),
        *(current("2", 5, 6), current("1", 7, 8)),
    ],
    "a server that goes back": [write("1", 0, 1), at("a", "1", 2, 3), at("a", "", 4, 5)],
    "servers that disagree on the order": [
        *(write("1", 0, 9), write("2", 0, 9)),
        *(at("a", "1", 1, 2), at("a", "2", 3, 4), at("b", "2", 1, 2), at("b", "1", 3, 4)),
    ],
    "a value from nowhere": [at("a", "7", 0, 1)],
    "a read before its write": [at("a", "1", 0, 1), write("1", 2, 3)],
    "a refused write that happened": [write("1", 0, 1, refused=True), at("a", "1", 2, 3)],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_passes(name: str) -> None:
    assert problems(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_found(name: str) -> None:
    (said,) = problems(BAD[name])
    assert said.startswith("r: ")


def test_a_problem_names_the_operations() -> None:
    (said,) = problems(BAD["a lost first write"])
    assert "write of 1 0.000-1.000" in said
    assert "current read of nothing 2.000-3.000" in said


def test_two_leaders_of_one_term_are_found() -> None:
    assert leaders_of_one_term([(1, "a"), (2, "b"), (1, "a"), (3, "a")]) == []
    assert leaders_of_one_term([(1, "a"), (2, "b"), (2, "a")]) == ["term 2 has the leaders a, b"]


def test_a_value_that_only_one_server_has_is_counted() -> None:
    history = [write("1", 0), at("a", "1", 2, 3), at("a", "", 4, 5), current("", 6, 7)]
    assert problems(history) == []
    assert unshared(history) == [history[1]]


def test_the_age_of_old_reads_is_measured() -> None:
    history = [
        *(write("1", 0, 1), write("2", 2, 3), write("3", 4, 5)),
        *(at("a", "1", 2.5, 2.6), at("a", "1", 6, 7), at("b", "2", 6, 7), at("b", "3", 7, 8)),
    ]
    assert lags(history) == {"a": [3.0], "b": [1.0]}


def linearizable(history: Sequence[Operation], value: str = "") -> bool:
    """Search for a sequence of the operations that explains them, as Wing and Gong do."""
    if all(one.returned == math.inf for one in history):
        return True
    first = min(one.returned for one in history)
    return any(
        linearizable([*history[:place], *history[place + 1 :]], one.value)
        for place, one in enumerate(history)
        if one.invoked <= first and (one.kind == "write" or one.value == value)
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """Draw a few operations at a few moments, so that many of them overlap."""
    moments = st.tuples(st.integers(0, 9), st.integers(1, 6))
    drawn = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        begin, length = draw(moments)
        drawn.append(
            write(str(number), begin, math.inf if draw(st.booleans()) else begin + length - 0.5)
        )
    for _ in range(draw(st.integers(1, 4))):
        begin, length = draw(moments)
        value = draw(st.sampled_from(["", *(one.value for one in drawn if one.kind == "write")]))
        drawn.append(current(value, begin, begin + length - 0.5))
    return drawn


@settings(max_examples=examples(1000))
@given(histories())
def test_the_order_of_values_decides_as_a_search_does(history: list[Operation]) -> None:
    assert (problems(history) == []) == linearizable(history)
