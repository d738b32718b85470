"""What a reviewer sees of each change: on the real CLI, with the real program, without hosts."""

import json
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from tests.engine.reviews import PAGE, SCENARIOS, Reviewer, blocks, of_size

FIVE = [f"n1a{number}" for number in range(1, 6)]
FORMER = Path(__file__).parent / "states" / "before_flat_inputs.json"


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Reviewer]:
    return cache(partial(of_size, tmp_path_factory.mktemp("review")))


@pytest.fixture
def reviewer(stacks: Callable[[int], Reviewer]) -> Reviewer:
    return stacks(3)


@pytest.mark.parametrize("title", SCENARIOS)
def test_the_page_shows_what_a_preview_shows(stacks: Callable[[int], Reviewer], title: str) -> None:
    scenario = SCENARIOS[title]
    assert blocks(PAGE.read_text())[title] == stacks(scenario.was).review(scenario)


def test_a_shrink_shows_no_row_of_remaining_front_ends(tmp_path: Path) -> None:
    reviewer = Reviewer(tmp_path, FIVE, "n1a1")
    reviewer.config["frontends"] = reviewer.list_of(["n1a2", "n1a4", "n1a5"])
    changes, output = reviewer.rows()
    gone = {
        f"{kind} {n}" for kind in ("FrontEnd", "Installation", "ZoneMember") for n in FIVE[:3:2]
    }
    assert {row for row, what in changes.items() if what.startswith("delete")} == gone
    assert changes.keys() - gone == {"Preflight zone", "Zone zone", "Rollout zone"}
    assert "spec" not in output
    assert (
        "n1a1 (the leader at the last run) and n1a3 leave: another leader is elected first,"
        " one dump, 3 servers remain, quorum 2" in output
    )


def test_a_state_of_an_earlier_version_shows_no_change(tmp_path: Path) -> None:
    former = json.loads(FORMER.read_text())
    names = FIVE[:3]
    reviewer = Reviewer(tmp_path, names, "n1a1", salt=former["salt"])
    reviewer.take(former["state"])
    assert reviewer.rows()[0] == {}
    # A change after that is shown as with any state.
    reviewer.config["frontends"] = reviewer.list_of(names[:1])
    reviewer.config["force_ha"] = True
    changes, output = reviewer.rows()
    assert "n1a2 and n1a3 leave: one dump, 1 server remains" in output
    assert {row for row in changes if row.startswith("Installation")} == {
        "Installation n1a2",
        "Installation n1a3",
    }


def test_a_reused_name_is_a_change_of_the_other_front_ends(reviewer: Reviewer) -> None:
    """It is shown although their last update recorded no change."""
    names = FIVE[:3]
    config = dict(reviewer.config)
    state = json.loads(reviewer._ask("stack", "export", "--show-secrets"))
    for one in state["deployment"]["resources"]:
        if one["type"].endswith(":Installation"):
            one["inputs"]["etc_hosts"] = {
                name: at for name, at in one["inputs"]["etc_hosts"].items() if name != names[2]
            }
    try:
        reviewer.take(state)
        changes, _ = reviewer.rows()
        assert {row for row in changes if row.startswith("Installation")} == {
            f"Installation {name}" for name in names
        }
    finally:
        reviewer.config = config


def test_the_page_has_every_operation_of_the_readme() -> None:
    text = PAGE.read_text()
    readme = (PAGE.parents[1] / "README.md").read_text()
    table = readme.partition("## Everyday operations")[2].partition("\n## ")[0]
    operations: list[Any] = re.findall(r"^\| ([^|]+) \| [^|]*`pulumi up`", table, re.MULTILINE)
    assert operations
    headings = {line.removeprefix("## ").lower() for line in text.splitlines()}
    assert {operation.lower() for operation in operations} <= headings
