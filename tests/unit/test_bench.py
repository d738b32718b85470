"""The tables of the benchmarks, without the measurements."""

import re

import pytest

from bench.chart import chart
from bench.compare import lines
from bench.figures import Figure, Point, table


def test_a_figure_is_met_up_to_the_requirement() -> None:
    assert Figure("up", 44.0, 44.0, "1.15 floor").is_met
    assert not Figure("up", 44.1, 44.0, "1.15 floor").is_met
    assert Figure("executions", 0, 0, "", unit="").is_met
    assert not Figure("executions", 1, 0, "", unit="").is_met


def test_the_table_names_missed_requirements() -> None:
    said = list(table([Figure("up", 40.0, 44.0, "floor"), Figure("join", 16.0, 15.0, "")]))
    assert said[2].split("|")[1:5] == [" up   ", " 40.0 s   ", " 44.0 s   ", " 0.91        "]
    assert " 1.07 MISSED " in said[3]


def test_the_chart_has_a_panel_for_each_thing_that_grows() -> None:
    points = [Point("front-ends", 3, 46.4, 41.7), Point("front-ends", 5, 48.3, 48.3)]
    drawn = chart([*points, Point("gigabytes", 1, 29, 28)])
    texts = re.findall(r"<text[^>]*>([^<]*)<", drawn)
    assert {"front-ends", "gigabytes", "3", "5", "1", "46.4", "41.7", "29.0", "28.0"} <= {*texts}


@pytest.mark.parametrize(
    ("base", "this", "slower"),
    [
        ([40.0, 41.0, 40.5], [40.8, 40.2, 41.2], False),
        ([40.0, 41.0, 40.5], [44.0, 44.5, 44.2], True),
        # Rounds with such different results prove nothing.
        ([40.0, 50.0, 42.0], [46.0, 47.0, 45.0], False),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], False),
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], True),
    ],
)
def test_a_version_is_slower_only_beyond_the_noise_of_both(
    base: list[float], this: list[float], slower: bool
) -> None:
    (line,) = lines([{"up": one} for one in base], [{"up": one, "new": 1.0} for one in this])
    assert line.is_slower is slower
