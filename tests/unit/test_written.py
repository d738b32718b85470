"""The text of a stack's file, and the values that YAML makes of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from settings import PROJECT, SettingsError, load, parse
from settings.written import text_of_stack
from tests.unit.bad_configs import CANARY
from tests.unit.test_settings import GOOD, raw


def faults(text: str, **arrived: Any) -> list[str]:
    """Return the faults of a stack with that file, and the values that arrived."""
    try:
        parse(raw({**GOOD, **arrived}), in_file=text)
    except SettingsError as error:
        assert CANARY not in str(error)
        return [fault.removeprefix(f"{PROJECT}:") for fault in error.faults]
    return []


def line(key: str, text: str) -> str:
    return f"config:\n  {PROJECT}:{key}: {text}\n"


@pytest.mark.parametrize(
    ("key", "text", "arrived"),
    [
        ("one_version", "7.10", "7.1"),
        ("one_version", "7.0", "7"),
        ("one_version", "7.20", "7.2"),
        ("upgrade_database", "7.10", "7.1"),
        ("zone_name", "0123", "83"),
        ("zone_name", "1e3", "1000"),
        ("zone_name", "0x1F", "31"),
        ("zone_name", "2026-11-03", "2026-11-03 00:00:00 +0000 UTC"),
    ],
)
def test_a_text_that_yaml_changes_is_refused_with_a_valid_line(
    key: str, text: str, arrived: str
) -> None:
    assert faults(line(key, text), **{key: arrived}) == [
        f'{key}: {text} without quotes reads as {arrived}; write {PROJECT}:{key}: "{text}"'
    ]
    # And that line is valid.
    assert faults(line(key, f'"{text}"'), **{key: text}) == []


@pytest.mark.parametrize(
    ("key", "text", "arrived"),
    [
        ("one_version", "7.2", "7.2"),
        ("one_version", "7.2.1", "7.2.1"),
        ("one_version", '"7.10"', "7.10"),
        ("one_version", "'7.10'", "7.10"),
        ("zone_name", "yes", "yes"),
        ("zone_name", "12:30", "12:30"),
        ("zone_name", "one two", "one two"),
        ("one_vip", "10.2.50.86", "10.2.50.86"),
        ("force_ha", "True", "true"),
        ("keep_dumps", "12", "12"),
        # Pulumi got another file: the text in this one is not what arrived.
        ("one_version", "7.10", "7.4"),
    ],
)
def test_a_text_that_yaml_keeps_needs_no_quotes(key: str, text: str, arrived: str) -> None:
    assert faults(line(key, text), **{key: arrived}) == []


def test_a_key_without_a_value_is_reported() -> None:
    for text in ("", "~", "null"):
        assert faults(line("zone_name", text), zone_name="null") == [
            "zone_name: has no value; set one, or remove the line"
        ]
    assert faults(line("zone_name", '"null"'), zone_name="null") == []


def test_numbers_are_checked_at_any_place() -> None:
    front_ends = {name: dict(one) for name, one in GOOD["frontends"].items()}
    front_ends["n1a3"]["ssh"] = {"port": 18}
    text = "config:\n  opennebula-ha:frontends: {n1a3: {address: 10.2.50.12, ssh: {port: 022}}}\n"
    assert faults(text, frontends=front_ends) == [
        "frontends.n1a3.ssh.port: 022 without quotes reads as 18; write 18"
    ]
    share = {"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs", "mode": 488}
    text = line("fstab", "[{src: '10.2.50.1:/one', path: /mnt/one, fstype: nfs, mode: 0750}]")
    assert faults(text, fstab=[share]) == [
        'fstab.0.mode: 0750 without quotes reads as 488; write "0750"'
    ]
    assert faults(line("oned", "{SCHED: [{V: 7.10}]}"), oned={"SCHED": [{"V": 7.1}]})[0] == (
        'oned.SCHED.0.V: 7.10 without quotes reads as 7.1; write 7.1, or "7.10" if it is text'
    )
    assert faults(line("keep_dumps", "010"), keep_dumps=8) == [
        "keep_dumps: 010 without quotes reads as 8; write 8"
    ]


def test_a_name_that_yaml_reads_as_a_number_is_refused() -> None:
    named = {"83": {"address": "10.2.50.10"}}
    assert faults(line("frontends", "{0123: {address: 10.2.50.10}}"), frontends=named)[0] == (
        'frontends: 0123 without quotes reads as 83; write "0123"'
    )


def test_a_value_is_refused_once() -> None:
    assert len(faults(line("one_version", "8.0"), one_version="8")) == 1


def test_no_part_of_a_secret_is_shown() -> None:
    number = "01234567"
    server = {":host": "b", ":password": int(number, 8)}
    found = faults(
        line("one_pass", number)
        + f"  {PROJECT}:auth: {{ldap: {{config: {{a: {{':password': {number}}}}}}}}}",
        auth={"ldap": {"config": {":order": ["a"], "a": server}}},
        one_pass=str(int(number, 8)),
    )
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "\ufeffconfig: {}", "config:\r\n  opennebula-ha:zone_name: a\r\n", "config:\n\t- x"),
        *("[]", "config: []", "config: {1: 2}", "a: [", "config: {opennebula-ha:oned: text}"),
        "config:\n  opennebula-ha:one_pass:\n    secure: v1:0123\n",
    ],
)
def test_a_file_of_any_kind_is_read(text: str) -> None:
    assert faults(text) == []


def test_a_preview_lists_all_errors_of_the_values_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = raw({**GOOD, "one_version": "7.1", "db_owner": "root", "fstab": [{"path": "/etc"}]})
    monkeypatch.setattr(runtime_config, "CONFIG", SimpleNamespace(get=lambda: given))
    monkeypatch.setattr(runtime_config, "is_config_secret", lambda key: key.endswith("pass"))
    monkeypatch.setattr(pulumi, "get_stack", lambda: "production")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.production.yaml").write_text(line("one_version", "7.10"))
    with pytest.raises(pulumi.RunError) as caught:
        load()
    assert [fault.split(": ")[0] for fault in str(caught.value).split(f"  - {PROJECT}:")[1:]] == [
        *(
            "one_version",
            "db_owner",
            "fstab.0.src",
            "fstab.0.path",
            "fstab.0.fstype",
            "db_password",
        ),
    ]


def test_the_file_is_that_of_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "production")
    assert text_of_stack() == ""
    (tmp_path / "stacks").mkdir()
    file = tmp_path / "stacks" / "Pulumi.production.yaml"
    file.write_bytes(b"\xef\xbb\xbfconfig: {}\r\n")
    assert text_of_stack().startswith("config: {}")
    file.write_bytes(b"\xff\xfe")
    assert text_of_stack() == ""
