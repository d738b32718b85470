"""The duration of a run's steps."""

import json

from commands.times import operations, table


def line(at: float, resource: str, kind: str, what: str) -> str:
    return json.dumps({"at": at, "resource": resource, "kind": kind, "what": what})


LINES = [
    line(100.0, "Installation n1", "begin", "create"),
    line(100.1, "Installation n2", "begin", "create"),
    line(100.2, "Installation n1", "step", "n1: install packages"),
    line(101.2, "Installation n1", "end", "create"),
    line(102.1, "Installation n2", "end", "create"),
    line(102.1, "Zone zone", "begin", "create"),
    line(102.1, "Zone zone", "step", "n1: start oned"),
    line(102.2, "Zone zone", "step", "n2: start oned"),
    line(103.1, "Zone zone", "step", "n1: set SERVER_ID"),
    line(104.1, "Zone zone", "step", "wait for a leader"),
    line(110.1, "Zone zone", "end", "create"),
    line(110.2, "Rollout zone", "begin", "create"),
]


def test_a_step_ends_when_the_next_one_of_its_host_begins() -> None:
    zone = operations(LINES)[2]
    assert (zone.what, round(zone.seconds, 1)) == ("Zone zone create", 8.0)
    assert [(step.what, round(step.seconds, 1)) for step in zone.steps] == [
        ("n1: start oned", 1.0),
        ("n2: start oned", 1.9),
        ("n1: set SERVER_ID", 1.0),
        ("wait for a leader", 6.0),
    ]


def test_the_table_has_durations_and_draws_the_times() -> None:
    said = list(table(operations(LINES)))
    assert said[1].split() == ["1.2", "====", "Installation", "n1", "create"]
    assert said[-1].split()[0] == "10.1"
    assert not any("Rollout" in one for one in said)


def test_a_run_without_operations_has_no_table() -> None:
    assert list(table(operations([]))) == []
