"""Keys of YAML files: set in their place, restored when they are removed; nothing else changes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from opennebula.conf_grammar import ConfError
from opennebula.yaml_file import KeyPath, apply, differences

SHIPPED = Path(__file__).parents[2] / "lab/standin/packages/opennebula/root"
LDAP = (SHIPPED / "etc/one/auth/ldap_auth.conf").read_text()
DRS = (SHIPPED / "etc/one/schedulers/one_drs.conf").read_text()
NETWORK = (SHIPPED / "var/lib/one/remotes/etc/vnm/OpenNebulaNetwork.conf").read_text()
GATE = """\
# What the package brings
:one_xmlrpc: http://localhost:2633/RPC2

:server:
  :bind: 127.0.0.1   # of the machine
  :port: 5030

# Where Flow is
:oneflow_server: 'http://localhost:2474'
"""
CASES: dict[str, tuple[str, dict[KeyPath, Any], tuple[str, ...] | None]] = {
    "a value inside": (GATE, {(":server", ":bind"): "0.0.0.0"}, (":server/:bind",)),
    "a quoted value": (GATE, {(":oneflow_server",): "http://x:1"}, (":oneflow_server",)),
    "several": (
        GATE,
        {(":server", ":bind"): "10.0.0.1", (":server", ":port"): 1, (":one_xmlrpc",): "a b"},
        (":one_xmlrpc", ":server/:bind", ":server/:port"),
    ),
    "a new key at the top": (GATE, {(":new",): True}, (":new",)),
    "a new key inside": (GATE, {(":server", ":new"): [1, 2]}, (":server/:new",)),
    "a new section": (GATE, {(":a", ":b", ":c"): "x"}, (":a/:b/:c",)),
    "a section in the place of a value": (GATE, {(":one_xmlrpc", ":b"): 1}, None),
    "a removed key": (GATE, {(":oneflow_server",): None}, (":oneflow_server",)),
    "a removed section": (GATE, {(":server",): None}, (":server/:bind", ":server/:port")),
    "a missing key that must not exist": (GATE, {(":none",): None}, ()),
    "an equal value": (GATE, {(":server", ":bind"): "127.0.0.1"}, ()),
    "a list in the place of a list": (LDAP, {(":order",): ["one", ["two", "three"]]}, (":order",)),
    "a server, without its order": (
        LDAP,
        {
            ("dir 1",): {":host": "x", ":encryption": ":simple_tls", ":base": "dc=a,dc=b"},
            (":order",): None,
            (":match_user_regex",): {"^(.*)@a$": "dir 1", "^(.*)@b$": ["dir 1"]},
        },
        None,
    ),
    "a server in the place of one": (LDAP, {("server 1",): {":host": "#: '\" x\n"}}, None),
    "the last line, without its end": (DRS, {("DIFFERENT_VNETS",): False}, ("DIFFERENT_VNETS",)),
    "weights": (DRS, {("PLACE", "WEIGHTS"): {"CPU": 0.2, "MEM": 1}}, None),
    "objects in a list": (
        NETWORK,
        {(":tproxy",): [{":service_port": 5030, ":networks": [0, "a"]}], (":vxlan_mtu",): 9000},
        (":tproxy", ":vxlan_mtu"),
    ),
    "in a section of one line": ("a: {b: 1, c: 2}\n", {("a", "b"): 2}, ("a/b",)),
    "a key without a value": ("a:\nb: 1\n", {("a",): "x"}, ("a",)),
    "a text of several lines": ("a: |\n  # one\n  two\n\nb: 1\n", {("a",): "x"}, ("a",)),
    "an empty file": ("", {("a", "b"): 1}, ("a/b",)),
    "a file of comments": ("# nothing\n", {("a",): {}}, ("a",)),
}


def at(content: Any, path: KeyPath) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content


@pytest.mark.parametrize(("text", "wanted", "names"), CASES.values(), ids=CASES)
def test_keys_are_set_and_restored_without_a_trace(
    text: str, wanted: dict[KeyPath, Any], names: tuple[str, ...] | None
) -> None:
    written = apply(text, wanted)
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(written)
    for path, value in wanted.items():
        assert at(after, path) == value
    untouched = before.keys() - {path[0] for path in wanted}
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}
    if names is not None:
        assert differences(text, written) == names
    assert apply(written, wanted) == written
    ended = text if text.endswith("\n") or not text or written == text else f"{text}\n"
    assert apply(written, {}) == ended


def test_no_other_character_changes() -> None:
    written = apply(GATE, {(":server", ":bind"): "0.0.0.0", (":new",): "x"})
    note = '  # opennebula-ha changed: {"key": [":server", ":bind"], "was": " 127.0.0.1"}\n'
    added = '# opennebula-ha added: {"key": [":new"]}\n:new: x\n'
    assert written == (GATE.replace("  :bind: 127.0.0.1", f"{note}  :bind: 0.0.0.0", 1) + added)


def test_new_settings_replace_the_former_ones() -> None:
    first = apply(GATE, {(":server", ":bind"): "10.0.0.1", (":new",): 1})
    second = {(":server", ":bind"): "10.0.0.2", (":other",): 2}
    assert apply(first, second) == apply(GATE, second)


def test_other_edits_are_kept_and_our_settings_are_set_again() -> None:
    wanted: dict[KeyPath, Any] = {(":server", ":bind"): "10.0.0.1"}
    by_hand = apply(GATE, wanted).replace("10.0.0.1", "10.0.0.9").replace("5030", "5031")
    assert differences(by_hand, apply(by_hand, wanted)) == (":server/:bind",)
    assert apply(by_hand, {}) == GATE.replace("5030", "5031")


def test_symbols_of_ruby_are_written_as_such() -> None:
    written = apply("", {("s",): {":encryption": ":simple_tls", ":list": [":a"]}})
    assert "  :encryption: :simple_tls\n" in written
    assert "  - :a\n" in written


def test_a_damaged_note_is_ignored() -> None:
    assert apply('# opennebula-ha added: {"key" 1}\na: 1\n', {("a",): 2}).endswith("\na: 2\n")


@pytest.mark.parametrize("text", ["a: [1\n", "- a\n- b\n", "{a: 1}\n", "a: 1\n b: 2\n"])
def test_a_file_without_yaml_keys_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(ConfError, match=r"^line \d+: "):
        apply(text, {("x",): "canary"})


def test_no_name_of_a_difference_has_a_value() -> None:
    names = differences(LDAP, apply(LDAP, {("dir",): {":password": "canary"}}))
    assert names == ("dir/:password",)
