"""The declarations of scripts, and that every caller passes exactly these variables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hosts.models import Host
from procedures import script_text as module
from procedures.context import Access, Secrets
from procedures.script_text import (
    declarations,
    require_declared,
    script_text,
    scripts,
    shared_shell,
)

OWN = sorted(scripts())
FOLDER = Path(module.__file__).parent
PARTS = sorted(path.stem for path in FOLDER.glob("shell/*.sh"))
RECOVERS = {"oned": "configuration", "unstage": "configuration"}
"""Parts that another part needs when it is loaded."""


@pytest.mark.parametrize("name", OWN)
def test_each_script_has_a_description_and_uses_its_declarations(name: str) -> None:
    text = scripts()[name].read_text(encoding="utf-8")
    assert re.match(r"# [A-Z]\w+ .*\.$", text.splitlines()[0] + ".")
    code = re.sub(r"^#.*$", "", script_text(name), flags=re.M)
    for names in declarations(name).values():
        for variable in names:
            assert re.search(rf"\b{variable.rstrip('*')}", code), variable


BRANCHES = {"observe": ["unseen"]}
"""Values that more than one branch of a script returns."""


@pytest.mark.parametrize(
    "names",
    [*([name] for name in OWN), ["preflight", "observe"], ["snapshot", "observe"]],
    ids="-".join,
)
def test_no_value_replaces_another_one_of_that_name(names: list[str]) -> None:
    text = "".join(scripts()[name].read_text(encoding="utf-8") for name in names)
    code = re.sub(r"^ *#.*$", "", text, flags=re.M)
    values = re.findall(r"\b(?:tell|give|reply) ([a-z_]+) [\"<]", code)
    expected = [value for name in names for value in BRANCHES.get(name, ())]
    assert sorted({value for value in values if values.count(value) > 1}) == expected


@pytest.mark.parametrize(
    ("variables", "secrets", "wrong"),
    [
        ({"db_name"}, {"oned_conf"}, "bootstrap was given no variable mariadb"),
        ({"db_name", "mariadb", "maria"}, {"oned_conf"}, "an unknown variable maria"),
        ({"db_name", "mariadb", "oned_conf"}, set(), "variable oned_conf, no secret oned_conf"),
        ({"db_name", "mariadb"}, {"oned_conf", "token"}, "an unknown secret token"),
    ],
)
def test_undeclared_variables_are_an_error(
    variables: set[str], secrets: set[str], wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        require_declared(["bootstrap"], variables, secrets)


def test_combined_scripts_take_the_variables_of_each() -> None:
    both = {
        name for script in ("preflight", "observe") for name in declarations(script)["variable"]
    }
    require_declared(["preflight", "observe"], both, ())


def test_a_name_with_a_number_stands_for_any_number() -> None:
    require_declared(["authorize"], {"users", "authorized_0", "known_0", "authorized_17"}, ())
    require_declared(["authorize"], {"users"}, ())


@pytest.mark.parametrize("name", [*OWN, *PARTS])
def test_each_script_declares_exactly_the_parts_that_it_uses(name: str) -> None:
    """A part that it uses without a declaration is an error when it is rendered."""
    path = scripts().get(name, FOLDER / "shell" / f"{name}.sh")
    whole = path.read_text(encoding="utf-8")
    own = module._parts()[name] if name in PARTS else module.own_text(name)
    shared_shell({name: own})
    declared = [part for line in re.findall(r"^#: use (.*)", whole, re.M) for part in line.split()]
    assert declared == sorted(set(declared))
    for part in {*declared} - {RECOVERS.get(name)}:
        rest = " ".join(other for other in declared if other != part)
        with pytest.raises(RuntimeError, match=f"^{name} does not declare .* of {part}"):
            shared_shell({name: re.sub("#: use", f"#: use {rest}#", own)})


def test_a_part_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="x uses furniture: no part of the shared shell"):
        shared_shell({"x": "#: use furniture\nstep one\n"})


def test_a_script_gets_its_parts_after_their_own_parts_only() -> None:
    text = script_text("stop")
    assert text.index("unclaim() {") < text.index("stop_oned() {")
    assert text.count("unclaim() {") == 1
    assert "mariadb" not in text
    assert "apt-get" not in text


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("stop_oned", "stop_oned of oned"),
        ("[ -z x ] || stop_oned", "stop_oned of oned"),
        ("for x in y; do stop_oned; done", "stop_oned of oned"),
        ("if ! stop_oned; then x; fi", "stop_oned of oned"),
        ('tell x "$(home_of root)"', "home_of of ssh"),
        ('rm "$conf"', "conf of configuration"),
        ('tell x "${scratch%y}"', "scratch of mariadb"),
    ],
)
def test_use_of_an_undeclared_part_is_an_error(line: str, missing: str) -> None:
    with pytest.raises(RuntimeError, match=f"x does not declare that it uses {missing}"):
        shared_shell({"x": f"# Do.\n{line}\n"})


@pytest.mark.parametrize("line", ["# stop_oned", "tell stop_oned x", "conf=1; rm $conf"])
def test_a_scripts_own_name_is_not_a_name_of_the_shared_shell(line: str) -> None:
    assert shared_shell({"x": f"# Do.\n{line}\n"}) == ""


def test_a_missing_variable_is_an_error_before_sending() -> None:
    sent: list[Any] = []
    pool: Any = SimpleNamespace(connection=sent.append)
    access = Access(pool, Secrets("", ""), lambda _: None)
    with pytest.raises(ValueError, match="no variable users"):
        access.run(Host(name="n1a1", address="10.0.0.1"), "authorize")
    assert not sent


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Return each place where the program runs scripts by name."""
    for path in sorted(FOLDER.rglob("*.py")):
        if path.parent.name == "programs":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "run":
                named = [arg for arg in node.args if isinstance(arg, ast.Constant)]
                if named and len(node.args) > 1:
                    yield path.name, node, str(named[0].value)


def test_every_script_is_run_by_the_program() -> None:
    # The second one is a program on the host.
    assert {name for _, _, name in calls()} | {"observe", "timed_dump"} == set(OWN)


@pytest.mark.parametrize(
    ("call", "name"), [pytest.param(call, name, id=f"{at}-{name}") for at, call, name in calls()]
)
def test_each_call_passes_the_variables_that_its_script_declares(call: ast.Call, name: str) -> None:
    """As far as the call itself has the names."""
    for keyword, kind in (("variables", "variable"), ("secrets", "secret")):
        given = next((one.value for one in call.keywords if one.arg == keyword), None)
        declared = set(declarations(name)[kind])
        if given is None:
            assert not {name for name in declared if not name.endswith("*")}
        elif isinstance(given, ast.Dict):
            names = {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
            is_whole = all(key is not None for key in given.keys)
            assert names <= declared
            assert not is_whole or names == declared
