"""Pulumi.yaml and the stack's file mean what they mean to the CLI."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.engine.__main__ import main
from lab.engine.config import ConfigValue, Project, StackConfig, effective, parse_path
from lab.engine.engine import Engine
from lab.engine.errors import EngineError
from lab.engine.secrets import MissingPassphrase

STACK = """\
# What the operator wrote at the top.
config:
  trial:one: 1  # beside one
  # about two
  trial:two:
    a: {b: c}
    list: [1, 2]
  # about three
  trial:three: "x"
"""


def project(directory: Path, config: dict[str, Any], **more: Any) -> Project:
    runtime = {"name": "python", "options": {"virtualenv": ".venv"}}
    document = {"name": "trial", "runtime": runtime, "config": config, **more}
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(document))
    return Project.load(directory)


def values(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(text)
    return {key: value.text for key, value in StackConfig(path).values(MissingPassphrase()).items()}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("24", "24"),
        ("true", "true"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("7.2", "7.2"),
        ("'7.2'", "7.2"),
        ("[b, {z: 1, a: '<'}]", '["b",{"a":"\\u003c","z":1}]'),
        ("{}", "{}"),
    ],
)
def test_values_reach_the_program_as_the_cli_writes_them(
    tmp_path: Path, written: str, text: str
) -> None:
    assert values(tmp_path, f"config: {{'trial:key': {written}}}") == {"trial:key": text}


def test_the_project_gives_defaults_and_types(tmp_path: Path) -> None:
    declared = project(
        tmp_path,
        {
            "name": {"type": "string", "default": "x"},
            "size": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "all": {"type": "object", "default": {"b": True}},
        },
        stackConfigDir="stacks",
    )
    assert declared.stack_file("dev") == tmp_path / "stacks" / "Pulumi.dev.yaml"
    merged = effective(declared, "dev", {"trial:size": ConfigValue("3")})
    assert {key: value.text for key, value in merged.items()} == {
        "trial:name": "x",
        "trial:size": "3",
        "trial:tags": "[]",
        "trial:all": '{"b":true}',
    }


@pytest.mark.parametrize(
    ("declaration", "given", "message"),
    [
        ({"type": "integer"}, None, "missing configuration value.*'key'"),
        ({"type": "integer"}, ConfigValue("x"), "must be of type 'integer'"),
        ({"type": "boolean"}, ConfigValue("1"), "must be of type 'boolean'"),
        ({"type": "object"}, ConfigValue("[]", structured=True), "must be of type 'object'"),
        ({"type": "string", "secret": True}, ConfigValue("x"), "must be encrypted"),
    ],
)
def test_refuses_what_the_project_does_not_allow(
    tmp_path: Path, declaration: dict[str, Any], given: ConfigValue | None, message: str
) -> None:
    declared = project(tmp_path, {"key": declaration})
    with pytest.raises(EngineError, match=message):
        effective(declared, "dev", {} if given is None else {"trial:key": given})


def test_an_edit_keeps_comments_and_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(STACK)
    StackConfig(path).set("trial:one", "new")
    StackConfig(path).set("trial:two", 5, steps=["a", "b"])
    StackConfig(path).set("trial:four", {"secure": "v1:a:b"})
    StackConfig(path).set_encryption_salt("v1:salt:x")
    text = path.read_text()
    for comment in ("# What the operator", "# about two", "# about three"):
        assert comment in text
    assert yaml.safe_load(text) == {
        "encryptionsalt": "v1:salt:x",
        "config": {
            "trial:one": "new",
            "trial:two": {"a": {"b": 5}, "list": [1, 2]},
            "trial:three": "x",
            "trial:four": {"secure": "v1:a:b"},
        },
    }


def test_a_key_goes_and_leaves_comments_and_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(STACK)
    for key in ("trial:two", "trial:none"):
        StackConfig(path).remove(key)
    assert path.read_text() == STACK.replace("  trial:two:\n    a: {b: c}\n    list: [1, 2]\n", "")
    StackConfig(path).remove("trial:one")
    StackConfig(path).remove("trial:three")
    assert not yaml.safe_load(path.read_text())["config"]


def test_the_command_line_sets_and_removes_keys(tmp_path: Path) -> None:
    project(tmp_path, {})
    common = ["config", "--stack", "dev", "--cwd", str(tmp_path)]
    assert main([*common, "set", "--path", "tags.one", "1"]) == 0
    assert main(["config", "set", *common[1:], "word", "x"]) == 0
    assert main([*common, "rm", "word"]) == 0
    path = tmp_path / "Pulumi.dev.yaml"
    assert yaml.safe_load(path.read_text())["config"] == {"trial:tags": {"one": 1}}
    assert main([*common, "rm"]) == 255


def test_the_whole_config_is_shown_as_the_cli_shows_it(tmp_path: Path) -> None:
    project(tmp_path, {"size": {"type": "integer", "default": 3}})
    engine = Engine(tmp_path, "dev", passphrase="x")
    engine.set_config("word", "hidden", secret=True)
    engine.set_config("tags.one", "1", path=True)
    assert engine.config_to_json() == {
        "trial:size": {"value": "3", "secret": False},
        "trial:tags": {"value": '{"one":1}', "secret": False, "objectValue": {"one": 1}},
        "trial:word": {"value": "hidden", "secret": True},
    }


@pytest.mark.parametrize("text", ["", "config: {}\n", "encryptionsalt: v1:a:b\n", "# only this\n"])
def test_a_first_value_is_stored(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(text)
    StackConfig(path).set("trial:list", "x", steps=[0, "name"])
    assert yaml.safe_load(path.read_text())["config"] == {"trial:list": [{"name": "x"}]}


def test_paths_split_into_steps() -> None:
    assert parse_path('trial:a.b[0]["c d"].e') == ["trial:a", "b", 0, "c d", "e"]
    with pytest.raises(EngineError, match="not a property path"):
        parse_path("a[")


def test_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("environment: [x]\n")
    with pytest.raises(EngineError, match="environment"):
        StackConfig(path)
    (tmp_path / "Pulumi.yaml").write_text("name: trial\nruntime: nodejs\n")
    with pytest.raises(EngineError, match="nodejs"):
        Project.load(tmp_path)
