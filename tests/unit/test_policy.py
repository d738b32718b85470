"""The policy pack's rules, the pack itself, and the workflows that run it."""

import re
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.unit.test_graph import build

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "docs" / "workflows").glob("*.yml"))


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the pack gives to Pulumi; its SDK needs other versions of gRPC than ours."""
    made: dict[str, Any] = {}
    sdk: Any = ModuleType("pulumi_policy")
    sdk.EnforcementLevel = SimpleNamespace(MANDATORY="mandatory")
    sdk.ReportViolation = sdk.StackValidationArgs = object
    sdk.StackValidationPolicy = lambda name, text, check: (name, text, check)
    sdk.PolicyPack = lambda name, **more: made.update(name=name, **more)
    monkeypatch.setitem(sys.modules, "pulumi_policy", sdk)
    monkeypatch.syspath_prepend(str(ROOT / "policy"))
    monkeypatch.delitem(sys.modules, "rules", raising=False)
    runpy.run_path(str(ROOT / "policy"), run_name="__main__")
    return made


def violations(packed: Mapping[str, Any], stack: str = "production", **config: Any) -> set[str]:
    """Return the rules that the program's own resources break with that config."""
    resources = [
        SimpleNamespace(
            urn=one.urn.replace(":lab::", f":{stack}::"),
            resource_type=one.type,
            props=one.inputs,
        )
        for one in build(**{"one_version": "7.2.1", **config}).resources.values()
    ]
    found: set[str] = set()
    for name, _, check in packed["policies"]:
        check(SimpleNamespace(resources=resources), lambda _text, name=name: found.add(name))
    return found


def test_a_sound_stack_breaks_no_rule(packed: dict[str, Any]) -> None:
    assert packed["enforcement_level"] == "mandatory"
    assert violations(packed) == set()


@pytest.mark.parametrize(
    ("config", "broken"),
    [
        ({"one_version": "7.2"}, "versions-pinned"),
        ({"keep_dumps": 2}, "dumps-kept"),
        ({"skip_checks": ["disk"]}, "no-skipped-checks"),
        ({"ssh": {"accept_new_host_keys": True}}, "host-keys-verified"),
        ({"purge": True}, "production-protected"),
        ({"allow_degraded": True}, "production-protected"),
    ],
)
def test_each_rule_names_the_violation(
    packed: dict[str, Any], config: dict[str, Any], broken: str
) -> None:
    assert violations(packed, **config) == {broken}


def test_only_production_stacks_must_not_purge(packed: dict[str, Any]) -> None:
    assert violations(packed, stack="staging", purge=True) == set()
    assert violations(packed, stack="prod-eu", purge=True) == {"production-protected"}


def test_an_even_number_is_reported_even_if_the_program_allows_it(packed: dict[str, Any]) -> None:
    checks = {name: check for name, _, check in packed["policies"]}
    said: list[str] = []
    props: dict[str, Any] = {"frontends": {"n1": {}, "n2": {}}}
    one = SimpleNamespace(urn="urn:pulumi:lab::x::y:Preflight::z", resource_type="y:Preflight")
    checks["odd-number"](
        SimpleNamespace(resources=[SimpleNamespace(**vars(one), props=props)]), said.append
    )
    assert said == ["frontends: 2 tolerate no more failures than 1; list an odd number"]


def test_the_page_lists_the_rules(packed: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "review.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == [
        name for name, _, _ in packed["policies"]
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_command_of_a_workflow_exists(path: Path) -> None:
    text = path.read_text()
    jobs = yaml.safe_load(text)
    targets = set(re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = {name for line in targets for name in line.split()}
    called = re.findall(r"\bmake ((?:[a-z-]+ ?)+)", "\n".join(_scripts(jobs)))
    used = {name for words in called for name in words.split()}
    assert {"preview", "up", "refresh", "policy", "setup"} <= used <= known
    assert "--policy-pack policy" in text


def test_the_two_workflows_do_the_same() -> None:
    github, gitlab = (
        set(re.findall(r"make (up|preview|refresh)\b", path.read_text())) for path in WORKFLOWS
    )
    assert github == gitlab == {"up", "preview", "refresh"}


def _scripts(node: Any) -> list[str]:
    """Return every command of a workflow."""
    if isinstance(node, list):
        return [text for one in node for text in _scripts(one)]
    if not isinstance(node, dict):
        return []
    found = []
    for key, value in node.items():
        if key in ("run", "script", "before_script"):
            found += value if isinstance(value, list) else [value]
        else:
            found += _scripts(value)
    return found
