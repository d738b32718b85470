"""Damaged stack files and states are reported, never misread, and never end in a traceback."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.dynamic import DiffResult

from hosts.errors import HostError
from providers.installation import InstallationProvider
from providers.state import hosts_of, normal
from providers.zone_member import ZoneMemberProvider
from settings import PROJECT, SettingsError, parse
from tests.runs import examples
from tests.unit.bad_configs import CANARY
from tests.unit.test_procedures import spec
from tests.unit.test_settings import GOOD

MORE: dict[str, Any] = {
    "oned": {"LOG": {"DEBUG_LEVEL": 4}, "VNC_PORTS": None},
    "fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs", "mode": "0750"}],
    "commands": [{"name": "motd", "when": "after-join", "create": "sudo touch /etc/motd"}],
    "ssh": {"user": "ubuntu", "bastion": "ops@gate,inner:2222", "port": 2222},
    "features": {"gui": True, "form": False},
    "keep_dumps": 7,
    "skip_checks": ["memory"],
}
FILE = yaml.safe_dump({"config": {f"{PROJECT}:{k}": v for k, v in {**GOOD, **MORE}.items()}})


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Return the file of a stack after an accidental edit."""
    lines = FILE.splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    where = draw(st.integers(0, len(line)))
    nasty = draw(st.sampled_from([*"\t :#'\"{}[]-~&*!|>%@`x0\u00e9\u0663", "\0", "\ufeff", "null"]))
    lines[at] = {
        "insert": line[:where] + nasty + line[where:],
        "remove": line[:where] + line[where + 1 :],
        "replace": line[:where] + nasty + line[where + 1 :],
        "cut": line[:where],
        "indent": f"  {line}",
        "dedent": line.removeprefix("  "),
        "swap": line[:where] + line[where : where + 2][::-1] + line[where + 2 :],
        "nothing": "",
        "twice": f"{line}\n{line}",
        "tab": line.replace("  ", "\t", 1),
    }[
        draw(
            st.sampled_from(
                "insert remove replace cut indent dedent swap nothing twice tab".split()  # noqa: SIM905
            )
        )
    ]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + "\n"


def as_pulumi_reads(text: str) -> dict[str, str] | None:
    """Return the config in that file as the CLI passes it; None if the CLI refuses it.

    A key is `<namespace>:<name>` (a third part, `config` in the middle, is an old spelling).
    """
    try:
        root = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None
    config = root.get("config") if isinstance(root, dict) else None
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        return None
    if any(key.count(":") != 1 for key in config):
        return None
    return {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in config.items()
    }


def leaves(value: Any, place: str = "") -> dict[str, str]:
    """Return every value with its path, as text."""
    if isinstance(value, Mapping):
        found = [leaves(item, f"{place}.{key}") for key, item in value.items()]
    elif isinstance(value, list | tuple):
        found = [leaves(item, f"{place}.{n}") for n, item in enumerate(value)]
    else:
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        return {place: str(text)}
    return {key: text for one in found for key, text in one.items()}


@settings(max_examples=examples(120))
@given(damaged())
def test_a_damaged_stack_file_is_refused_or_read_literally(text: str) -> None:
    raw = as_pulumi_reads(text)
    if raw is None:
        return
    try:
        stack = parse(raw, in_file=text)
    except SettingsError as error:
        assert CANARY not in str(error)
        assert all(fault.isprintable() for fault in error.faults)
        return
    # Every value of the file is in the settings, unchanged.
    taken = leaves(_plain(stack))
    for key, value in raw.items():
        name = key.removeprefix(f"{PROJECT}:")
        if not key.startswith(f"{PROJECT}:"):
            continue
        given = json.loads(value) if _is_json(value) else value
        for place, said in leaves(given, f".{name}").items():
            assert place in taken, place
            assert _same(taken[place], said), (place, taken[place], said)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    fields = getattr(type(value), "model_fields", None)
    return {key: _plain(getattr(value, key)) for key in fields} if fields else value


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _same(taken: str, said: str) -> bool:
    words = {"True": ("t", "y", "yes", "on", "1"), "False": ("f", "n", "no", "off", "0")}
    known = (taken.lower(), *words.get(taken, ()))
    return said.lower() in known or _number(taken, said)


def _number(taken: str, said: str) -> bool:
    try:
        return float(taken) == float(said)
    except ValueError:
        return False


# States

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FRONT_ENDS = {"n1a1": {"name": "n1a1", "address": "10.2.50.10"}}
REST: dict[str, Any] = {"secrets": "a", "urn": "urn:pulumi:t::opennebula-ha::x::n1a1"}
NEWS = {**InstallationProvider.inputs_of(spec()), "frontends": FRONT_ENDS, **REST}
OUTPUTS: dict[str, Any] = {"drift": [], "revision": "1", "incomplete": None}
OLDS: dict[str, Any] = {**NEWS, **OUTPUTS}
FORMER_OLDS: dict[str, Any] = {
    "spec": spec().model_dump(mode="json", exclude_none=True),
    "front_ends": FRONT_ENDS,
    **REST,
    **OUTPUTS,
}
"""Return it in the form of an earlier version."""


@st.composite
def damaged_state(draw: st.DrawFn) -> dict[str, Any]:
    """Return a resource's outputs after an edit of the state, or by another program."""
    olds: dict[str, Any] = copy.deepcopy(draw(st.sampled_from([OLDS, FORMER_OLDS])))
    nested = olds.get("spec", olds)
    inner: Any = draw(st.sampled_from([olds, nested, nested["host"]]))
    key = draw(st.sampled_from(sorted(inner)))
    if draw(st.booleans()):
        inner[key] = draw(VALUES)
    else:
        del inner[key]
    return olds


@settings(max_examples=examples(80))
@given(damaged_state())
def test_a_damaged_state_is_a_difference_and_never_a_traceback(olds: Any) -> None:
    provider = InstallationProvider()
    found = provider.diff("n1a1", olds, NEWS)
    assert isinstance(found, DiffResult)
    wanted = NEWS.keys() - {"urn"} - provider.unaffected_by
    if any(normal(provider.modern(olds).get(key)) != normal(NEWS[key]) for key in wanted):
        assert found.changes is True


@settings(max_examples=examples(80))
@given(damaged_state(), st.sampled_from([InstallationProvider, ZoneMemberProvider]))
def test_a_reader_of_a_damaged_state_reports_it(olds: Any, provider: Any) -> None:
    for read in (provider().spec_of, hosts_of):
        try:
            read(olds)
        except HostError as error:
            assert error.step == "read the stack's state"
            assert "pulumi stack import" in error.remedy


@pytest.mark.parametrize("state", [{}, {"spec": None}, {"spec": {"host": 1}}, {"spec": "x"}])
def test_a_state_without_a_spec_is_reported(state: dict[str, Any]) -> None:
    with pytest.raises(HostError) as caught:
        InstallationProvider().spec_of({**state, "urn": NEWS["urn"]})
    assert caught.value.host == "n1a1"
