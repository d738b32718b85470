"""Inventories of one-deploy: each key has an answer, there is no traceback, no secret shows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.convert import stack_file, with_ansible
from commands.convert.conversion import Conversion
from commands.convert.inventory import Inventory, InventoryError, Unread
from commands.convert.keys import convert
from commands.convert.report import Invocation, report
from tests.convert.cases import CASES, Case
from tests.runs import examples

SECTIONS = ("taken", "no_meaning", "decisions", "unknown")
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def made_of(case: Case, folder: Path) -> Path:
    """Write the files of a case; return the path of the inventory."""
    for name, text in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    first = next(iter(case.files))
    return folder / (first.split("/")[0] if "/" in first else first)


def held(case: Case, inventory: Inventory) -> None:
    """Convert it, and compare the result with the case."""
    made = convert(inventory)
    text = stack_file.text_of(made, "inventory.yml")
    faults = stack_file.faults(made, text)
    command = Invocation("production", "inventory.yml")
    said = "\n".join(report(inventory, made, command, "stacks/Pulumi.production.yaml", faults))
    assert {key: made.config.get(key) for key in case.config} == dict(case.config)
    for place, words in case.says.items():
        section, _, key = place.partition(" ")
        answers = [answer.text for answer in getattr(made, section) if answer.key == key]
        assert any(words in one for one in answers), (place, answers or sections_of(made, key))
    assert len(faults) == len(case.faults), faults
    for expected in case.faults:
        assert any(fault.startswith(expected) for fault in faults), faults
    assert all(fault in said for fault in faults)
    for key, secret in case.secrets.items():
        assert made.secrets[key].value == secret
        assert re.search(rf"\| scripts/pulumi production config set --secret .*{key[:9]}", said)
    assert "hush" not in text + said
    assert unanswered(inventory, made) == set()


def sections_of(made: Conversion, key: str) -> list[tuple[str, str]]:
    """Return the other sections that answer a key."""
    return [(name, one.text) for name in SECTIONS for one in getattr(made, name) if one.key == key]


def unanswered(inventory: Inventory, made: Conversion) -> set[str]:
    """Return the keys and groups of the inventory that the report does not mention."""
    keys = {key for variables in inventory.hosts.values() for key in variables}
    keys |= {key for some in inventory.idle.values() for key in some}
    keys |= {f"group {name}" for name in inventory.groups}
    answered = {re.split(r" of |\.", key)[0] for key in made.answered} | made.answered
    return keys - answered


@cases
def test_an_inventory_is_answered_key_by_key(case: Case, tmp_path: Path) -> None:
    held(case, with_ansible.read(made_of(case, tmp_path), case.passwords))


def test_there_are_inventories_of_all_forms() -> None:
    assert len(CASES) >= 34
    assert len({case.name for case in CASES}) == len(CASES)


def test_templates_are_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(
        "all: {vars: {one_version: '7.2', zone_name: \"{{ groups.frontend | first | upper }}\","
        " one_vip: \"{{ hostvars['n1a1'].ansible_host | replace('.10', '.86') }}\","
        " ensure_keys_for: \"{{ ['root'] + ['ubuntu'] }}\"}}\n"
        "frontend: {hosts: {n1a1: {ansible_host: 10.2.50.10}, n1a2: {ansible_host: 10.2.50.11},"
        " n1a3: {ansible_host: 10.2.50.12}}}\n",
        encoding="utf-8",
    )
    made = convert(with_ansible.read(path, ()))
    assert made.config["zone_name"] == "N1A1"
    assert made.config["one_vip"] == "10.2.50.86"
    assert made.config["ensure_keys_for"] == ["root", "ubuntu"]


KEYS = [
    "one_version",
    "one_pass",
    "one_token",
    "db_password",
    "one_vip",
    "one_vip_cidr",
    "one_vip_if",
    "force_ha",
    "zone_name",
    "leader_hook",
    "db_backend",
    "db_name",
    "gate_endpoint",
    "features",
    "ensure_keys_for",
    "rsa_key_size",
    "ensure_hosts",
    "ds",
    "fstab",
    "ntp",
    "ssl",
    "auth",
    "sched_rank",
    "gate_tproxy",
    "admin_pubkey",
    "opennebula_repo_url",
    "opennebula_repo_key_url",
    "ansible_host",
    "ansible_ssh_host",
    "ansible_user",
    "ansible_port",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_connection",
    "ansible_password",
    "frontend_group",
    "force_master",
    "mkfs",
    "vn",
    "own",
]
ODD: list[Any] = [
    *(None, True, 0, -1, 7.1, float("nan"), "", " ", "x", "yes", "10.2.50.10", "fd00::1", "a\nb"),
    *("{{", "-o", "-J", "-o ProxyCommand=ssh -W", "-J @", "-F", "\x00", "\x1b[1m", "ü" * 300),
    *([], [None], ["a", 1], [[1]], {}, {"a": None}, {1: 2}, {"mode": ["x"]}, {"config": []}),
    {"mode": "shared", "config": {"mounts": [{"type": "image"}]}},
    {"config": {"mounts": "x"}},
    [{"src": 1, "path": None, "fstype": "nfs", "mode": [1], "opts": None}],
    {"ldap": {"config": {'a"b].c': {":password": "x"}}}},
    {"ldap": {"config": 5}},
    *({"ldap": 5}, {"Debian": 7}, {"Debian": Unread("why", "{{ x }}")}, {"gate": Unread("why")}),
    *(Unread("sealed"), Unread("why", "{{ a }}")),
]
VARIABLES = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(ODD), max_size=8)


@settings(max_examples=examples(150))
@given(
    hosts=st.dictionaries(st.sampled_from(["n1a1", "n1a2", "n1a3"]), VARIABLES, min_size=1),
    other=VARIABLES,
)
def test_each_key_has_an_answer_for_any_value(
    hosts: dict[str, dict[str, Any]], other: dict[str, Any]
) -> None:
    inventory = Inventory(
        {**hosts, "gate": other},
        {"frontend": tuple(hosts), "bastion": ("gate",), "node": ()},
        secrets=frozenset({"x"}),
    )
    try:
        made = convert(inventory)
    except InventoryError:
        # frontend_group names another one.
        return
    text = stack_file.text_of(made, "inventory.yml")
    yaml.safe_load(text)
    faults = stack_file.faults(made, text)
    assert list(report(inventory, made, Invocation("a", "b"), "c", faults))
    assert unanswered(inventory, made) == set()


WHOLE = (
    "all:\n  vars:\n    one_version: '7.2'\n    one_pass: \"hush\"\n    ds: {mode: ssh}\n"
    "  children:\n    frontend:\n      hosts:\n        n1a1: {ansible_host: 10.2.50.10}\n"
    "        n1a2: &two {ansible_host: 10.2.50.11, ansible_user: ops}\n        n1a3: *two\n"
)
OLD_FORM = (
    "[frontend]\nn1a1 ansible_host=10.2.50.10 ansible_user='ops'\nn1a2 ansible_host=10.2.50.11\n"
    '[all:vars]\none_version=7.2\none_pass="hush"\n[frontend:children]\nothers\n[others]\nn1a3\n'
)


@settings(max_examples=examples(120))
@given(
    text=st.sampled_from([WHOLE, OLD_FORM]),
    at=st.integers(0, 300),
    put=st.sampled_from([*"\t :'\"{}[]-&*!|%=#\n", "\0", "\ufeff", "\r\n", "null", "{{ x }}", "é"]),
    cut=st.integers(0, 3),
)
def test_a_damaged_inventory_is_refused_or_answered(
    tmp_path_factory: pytest.TempPathFactory, text: str, at: int, put: str, cut: int
) -> None:
    file = tmp_path_factory.mktemp("inventory") / "inventory.yml"
    file.write_text(text[:at] + put + text[at + cut :], encoding="utf-8", newline="")
    try:
        inventory = with_ansible.read(file, ())
        made = convert(inventory)
    except InventoryError as error:
        assert "hush" not in str(error)
        return
    written = stack_file.text_of(made, "inventory.yml")
    faults = stack_file.faults(made, written)
    assert list(report(inventory, made, Invocation("a", "b"), "c", faults))
    assert unanswered(inventory, made) == set()
