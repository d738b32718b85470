"""Lab fixtures. Without a lab the tests skip with the reason, or fail if CI is set."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Lab, prerequisites
from tests.lab.operators import SERIES

MakeLab = Callable[..., Lab]

LONGEST = (
    "test_life",
    "test_versions",
    "test_blank",
    "test_rollout",
    "test_guides",
    "test_drift",
    "test_mounts",
    "test_unsteady",
    "test_elsewhere",
    "test_transfer",
    "test_web_server",
    "test_changes",
    "test_mistakes",
    "test_commands",
    "test_sqlite",
    "test_vips",
    "test_one_deploy",
    "test_settings_on_hosts",
    "test_interrupted",
    "test_hardened",
    "test_refusals",
    "test_packages",
    "test_adopt",
    "test_balancer",
    "test_doctor",
    "test_main_job",
    "test_put_back",
    "test_pairs",
)
"""The files that take longest. They start first: one worker runs a whole file, and the last file
would delay the end of the run.
"""


def short_form(names: Iterable[str], *short: str) -> list[Any]:
    """Return the names as parameters; those that are not in the short form run in the campaign."""
    return [
        name if name in short else pytest.param(name, marks=pytest.mark.campaign) for name in names
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def requires_lab() -> None:
    """Skip, or fail under CI, if this machine cannot run a lab."""
    obstacles = prerequisites.obstacles()
    if obstacles and os.environ.get("CI"):
        pytest.fail("; ".join(obstacles))
    if obstacles:
        pytest.skip("; ".join(obstacles))


@pytest.fixture(autouse=True)
def _lab_tests_require_a_lab(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("lab"):
        request.getfixturevalue("requires_lab")


def _labs(state: Path) -> Iterator[MakeLab]:
    with ExitStack() as stack:

        def make(hosts: int = 3, **options: object) -> Lab:
            name = f"test-{uuid.uuid4().hex[:10]}"
            # OpenNebula's own packages instead of the stand-in's, if they are available.
            repository = os.environ.get("LAB_REPOSITORY")
            defaults = {"repository": repository, "template": "opennebula", "series": SERIES}
            options = defaults | {"wait_scale": 0.2, "state": state / name} | options
            running = Lab.running(name, hosts, **options)  # type: ignore[arg-type]
            return stack.enter_context(running)

        yield make


@pytest.fixture
def make_lab(requires_lab: None, tmp_path: Path) -> Iterator[MakeLab]:
    """Boot labs that last as long as the test: `make_lab(hosts, template=…)`.

    Their hosts have OpenNebula's package already, which saves the time of its installation. Tests
    of the installation choose another template.
    """
    yield from _labs(tmp_path)


@pytest.fixture(scope="module")
def make_module_lab(
    requires_lab: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeLab]:
    """Boot labs that all tests of a module share."""
    yield from _labs(tmp_path_factory.mktemp("lab"))
