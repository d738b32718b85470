"""The engine stand-in and, where it is here, the Pulumi CLI do the same."""

import difflib
import json
from pathlib import Path

import pytest

from tests.engine.playground import Run, Stack, crypter, engines
from tests.engine.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    """Where two engines are here, provider calls and decrypted state are compared as well."""
    played = []
    for engine in engines():
        stack = Stack(engine, tmp_path / engine / "project", tmp_path / engine / "state")
        try:
            scenario(stack)
        except AssertionError as error:
            shown = "\n".join(f"--- {run.command}: {run.status}\n{run.text}" for run in stack.runs)
            error.add_note(f"played by {engine}:\n{shown}")
            raise
        played.append(stack)
    for other in played[1:]:
        for run, expected in zip(other.runs, played[0].runs, strict=True):
            assert_same(run, expected)


def assert_same(run: Run, expected: Run) -> None:
    """Compare as text, so that a difference is readable."""
    texts = [json.dumps(r.comparable(), indent=1, sort_keys=True) for r in (expected, run)]
    if texts[0] != texts[1]:
        lines = difflib.unified_diff(texts[0].splitlines(), texts[1].splitlines(), lineterm="", n=4)
        pytest.fail(f"{run.command} differs from the CLI's:\n" + "\n".join(lines))


@pytest.mark.skipif(len(engines()) < 2, reason="needs two engines: pulumi is not on PATH")
@pytest.mark.parametrize("first", ["pulumi", "stand-in"])
def test_each_engine_goes_on_from_the_others_state(first: str, tmp_path: Path) -> None:
    second = "stand-in" if first == "pulumi" else "pulumi"
    one = Stack(first, tmp_path / "project", tmp_path / "state")
    one.config({"trial:password": {"secure": crypter().encrypt("s3cret")}})
    one.program("""
a = Thing("a", password=config.require_secret("password"))
b = Thing("b", value=a.made)
export("password", config.require_secret("password"))
""")
    assert one.up().status == 0
    before = one.state()
    other = Stack(second, tmp_path / "project", tmp_path / "state")
    other.config({"trial:password": {"secure": crypter().encrypt("s3cret")}})
    run = other.up()
    assert run.status == 0
    assert not run.changed()
    assert other.state() == before
    assert other.refresh().status == 0
    assert one.up().changed() == set()
    assert other.destroy().called("delete") == [("delete", "b"), ("delete", "a")]
