"""A stack's config: valid values, and all errors at once, each with its key."""

import ipaddress
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from settings import PROJECT, Settings, SettingsError, cautions, parse
from settings.model import base
from tests.unit.bad_configs import BAD, CANARY, MISSING

ROOT = Path(__file__).parents[2]
GOOD: dict[str, Any] = {
    "one_version": "7.2",
    "one_pass": f"{CANARY}-1",
    "db_password": f"{CANARY}-2",
    "one_vip": "10.2.50.86",
    "one_vip_cidr": 24,
    "one_vip_if": "eth0",
    "frontends": {
        "n1a1": {"address": "10.2.50.10"},
        "n1a2": {"address": "10.2.50.11", "one_vip_if": "ens3"},
        "n1a3": {"address": "10.2.50.12", "ssh": {"port": 2222}},
    },
}
LDAP = {"default": "ldap", "ldap": {"config": {":order": ["a"], "a": {":host": "b"}}}}


def raw(config: dict[str, Any]) -> dict[str, str]:
    """Return the config in the form in which Pulumi passes it."""
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if value is not MISSING
    }


def front_ends(*addresses: str) -> dict[str, Any]:
    return {f"n{number}": {"address": address} for number, address in enumerate(addresses, 1)}


def good(**changes: Any) -> Settings:
    """Return the settings of the good config with these changes."""
    return parse(raw({**GOOD, **changes}))


def faults(**changes: Any) -> list[str]:
    """Return the faults of the good config with these changes."""
    with pytest.raises(SettingsError) as caught:
        good(**changes)
    assert CANARY not in str(caught.value)
    assert all(fault.startswith(f"{PROJECT}:") for fault in caught.value.faults)
    return [fault.removeprefix(f"{PROJECT}:") for fault in caught.value.faults]


def test_a_good_config_is_one_typed_object() -> None:
    stack = good()
    assert stack.one_vip == ipaddress.IPv4Address("10.2.50.86")
    assert stack.one_pass.get_secret_value() == f"{CANARY}-1"
    assert stack.highly_available
    assert [(host.name, host.address) for host in stack.hosts.values()] == [
        ("n1a1", "10.2.50.10"),
        ("n1a2", "10.2.50.11"),
        ("n1a3", "10.2.50.12"),
    ]
    assert stack.hosts["n1a3"].ssh.port == 2222


def test_missing_keys_have_defaults() -> None:
    stack = parse(
        raw({key: GOOD[key] for key in ("one_version", "one_pass", "db_password", "frontends")})
    )
    assert (stack.zone_name, stack.db_backend, stack.db_name) == (
        "OpenNebula",
        "MariaDB",
        "opennebula",
    )
    assert (stack.ensure_hosts, stack.force_ha, stack.purge, stack.keep_dumps) == (
        True,
        False,
        False,
        10,
    )
    assert stack.feature_names == ("gui", "flow", "gate", "form")
    assert (stack.one_vip, stack.one_token, stack.gate_endpoint) == (None, None, None)
    assert (stack.ssh.user, stack.ssh.port, stack.ssh.accept_new_host_keys) == ("root", 22, False)


def test_the_order_of_the_front_ends_does_not_matter() -> None:
    turned = dict(reversed(GOOD["frontends"].items()))
    assert list(good(frontends=turned).hosts) == list(good().hosts)


@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        ({}, []),
        ({"db_password": "opennebula"}, ["db_password"]),
        ({"db_password": "OpenNebula", "one_pass": "oneadmin"}, ["db_password", "one_pass"]),
        ({"one_pass": min(GOOD["frontends"])}, ["one_pass"]),
    ],
)
def test_a_common_word_as_a_secret_is_a_warning_without_the_word(
    secrets: dict[str, str], named: list[str]
) -> None:
    said = list(cautions(good(**secrets)))
    assert [text.split()[0] for text in said] == named
    for text, value in zip(said, secrets.values(), strict=True):
        assert value.lower() not in text.lower()
        assert "[secret]" in text


def test_config_of_other_projects_is_ignored() -> None:
    assert parse({**raw(GOOD), "aws:region": "eu", "pulumi:tags": "{}"}) == good()


@pytest.mark.parametrize("name", BAD)
def test_an_error_has_exactly_the_message_of_the_table(name: str) -> None:
    changes, message = BAD[name]
    assert faults(**changes) == [message]


def test_the_table_has_errors_of_every_key() -> None:
    keys = {re.split(r"[.:]", message)[0] for _, message in BAD.values()}
    assert len(BAD) > 300
    assert Settings.model_fields.keys() - keys == set()


def test_a_vip_outside_the_subnet_is_refused_for_each_front_end() -> None:
    found = faults(one_vip="10.9.9.9")
    assert [fault.split(";")[0] for fault in found] == [
        "one_vip: 10.9.9.9/24 is not in a subnet with n1a1 at 10.2.50.10",
        "one_vip: 10.9.9.9/24 is not in a subnet with n1a3 at 10.2.50.12",
    ]


def test_a_further_vip_may_be_in_another_subnet_of_its_interface() -> None:
    elsewhere = {"address": "192.0.2.9", "cidr": 24}
    assert [fault.split(";")[0] for fault in faults(one_vips=[elsewhere])] == [
        f"one_vips: 192.0.2.9/24 is not in a subnet with {name} at {address}"
        for name, address in (("n1a1", "10.2.50.10"), ("n1a3", "10.2.50.12"))
    ]
    there = {"n1a1": "eth1", "n1a3": "eth1"}
    for given in ({**elsewhere, "interface": "eth1"}, {**elsewhere, "interfaces": there}):
        good(one_vips=[given])


def test_a_vip_may_be_a_single_address_outside_every_subnet() -> None:
    good(one_vip="192.0.2.9", one_vip_cidr=32)
    named = {name: {**one, "one_vip_if": "eth0"} for name, one in GOOD["frontends"].items()}
    good(one_vip="192.0.2.9", frontends=named)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (2, ["2 front-ends tolerate no failure of a front-end: add"]),
        (4, ["4 front-ends tolerate 1 failure of a front-end, as 3 do: add"]),
        (6, ["6 front-ends tolerate 2 failures of a front-end, as 5 do: add"]),
        (3, []),
    ],
)
def test_an_even_zone_is_accepted_if_the_config_allows_it(count: int, said: list[str]) -> None:
    listed = front_ends(*(f"10.2.50.{number}" for number in range(1, count + 1)))
    stack = good(frontends=listed, allow_even=True)
    found = list(cautions(stack))
    assert [text.startswith(start) for text, start in zip(found, said, strict=True)] == [
        True for _ in said
    ]


def test_a_front_end_may_set_its_registration_and_login_address() -> None:
    given = {
        "n1": {
            "address": "10.2.50.1",
            "zone_server": "10.9.0.1",
            "ssh": {"address": "n1.mgmt.example.org"},
        }
    }
    (host,) = good(frontends=given, force_ha=True).hosts.values()
    assert (host.zone_server, host.address, host.login_address) == (
        "10.9.0.1",
        "10.2.50.1",
        "n1.mgmt.example.org",
    )


def test_interfaces_on_all_front_ends_replace_the_common_one() -> None:
    everywhere = {name: {**one, "one_vip_if": "ens3"} for name, one in GOOD["frontends"].items()}
    stack = good(frontends=everywhere, one_vip_if=MISSING)
    assert stack.one_vip_if is None


def test_all_errors_are_reported_at_once() -> None:
    def at(**changes: Any) -> set[str]:
        return {fault.split(":")[0] for fault in faults(**changes)}

    unknown = {**front_ends("10.2.50.10"), "n2": {"address": "10.2.50.11", "rack": 4}}
    wrong = {"one_version": "latest", "one_pass": MISSING, "nonsense": 1, "frontends": unknown}
    contradicting = {"one_vip": "10.2.50.10", "db_backend": "SQLite"}
    assert at(**wrong, **contradicting) == set(wrong) - {"frontends"} | {"frontends.n2.rack"}
    twice = front_ends("10.2.50.10", "10.2.50.10")
    places = {"one_vip", "db_backend", "frontends", "frontends.n2.address", "one_token"}
    assert at(**contradicting, frontends=twice, one_token=CANARY) == places


def kept(*keys: str) -> Callable[[str], bool]:
    return lambda name: name.removeprefix(f"{PROJECT}:") in keys


def test_a_secret_readable_in_the_state_is_refused() -> None:
    config = raw({**GOOD, "oned": {"SCHED": {"TOKEN": CANARY}}})
    with pytest.raises(SettingsError, match="oned: is set as a secret, but") as caught:
        parse(config, is_secret=kept("one_pass", "db_password", "oned"))
    assert CANARY not in str(caught.value)


WITH_PASSWORD = {
    "ldap": {"config": {":order": ["a"], "a": {":host": "b", ":password": f"{CANARY}-5"}}}
}


@pytest.mark.parametrize(
    ("place", "how"),
    [
        *((key, key) for key in ("one_pass", "db_password", "one_token")),
        ("ssh.private_key", "--path ssh.private_key"),
        ("auth.ldap.config.a.:password", """--path 'auth.ldap.config["a"][":password"]'"""),
    ],
)
def test_a_secret_in_plaintext_is_refused(place: str, how: str) -> None:
    given = {"one_token": f"user:{CANARY}", "ssh": {"private_key": CANARY}, "auth": WITH_PASSWORD}
    others = {"one_pass", "db_password", *given} - {place.partition(".")[0]}
    with pytest.raises(SettingsError) as caught:
        parse(raw({**GOOD, **given}), is_secret=kept(*others))
    assert caught.value.faults == [
        f"{PROJECT}:{place}: must be a secret; pulumi config set --secret {how}"
    ]


def test_an_ldap_password_is_no_part_of_its_server() -> None:
    stack = good(auth=WITH_PASSWORD)
    assert stack.auth.ldap.passwords == {"a": f"{CANARY}-5"}
    assert stack.auth.ldap.servers == {"a": {":host": "b"}}
    number = {"ldap": {"config": {":order": ["a"], "a": {":host": "b", ":password": 123}}}}
    assert good(auth=number).auth.ldap.passwords == {"a": "123"}
    assert CANARY not in repr(stack) + stack.fingerprint()
    assert stack.fingerprint() != good().fingerprint()


def test_no_secret_shows_in_any_text_of_the_settings() -> None:
    stack = good(one_token=f"user:{CANARY}", ssh={"private_key": CANARY})
    for text in (repr(stack), str(stack), stack.model_dump_json(), repr(stack.hosts)):
        assert CANARY not in text
    assert CANARY not in stack.fingerprint()


@pytest.mark.parametrize("key", ["one_pass", "db_password", "one_token"])
def test_the_fingerprint_changes_with_each_secret(key: str) -> None:
    before = {**GOOD, "one_token": "user:a"}
    assert (
        parse(raw(before)).fingerprint() != parse(raw({**before, key: "other:one"})).fingerprint()
    )


# The project's declaration

DECLARED: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def test_exactly_the_existing_keys_are_declared() -> None:
    assert set(DECLARED) == set(Settings.model_fields)


def test_declared_defaults_are_those_of_the_settings() -> None:
    defaults = {key: one["default"] for key, one in DECLARED.items() if "default" in one}
    needed = {key: GOOD[key] for key in ("one_version", "one_pass", "db_password", "frontends")}
    assert parse(raw({**defaults, **needed})) == parse(raw(needed))


def test_declared_defaults_are_not_validated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {key: one["default"] for key, one in DECLARED.items() if "default" in one}
    validated: list[str] = []
    module = sys.modules[parse.__module__]
    adapter = vars(module)["_adapter"]

    def count(key: str) -> TypeAdapter[Any]:
        validated.append(key)
        kind: TypeAdapter[Any] = adapter(key)
        return kind

    monkeypatch.setattr(module, "_adapter", count)
    parse(raw({**defaults, **GOOD}))
    assert sorted(validated) == sorted(GOOD)


def test_false_is_not_accepted_for_a_number_with_default_zero() -> None:
    assert faults(one_vip_cidr=False)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "stacks").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_stacks_in_the_repository_are_valid(path: Path) -> None:
    config = yaml.safe_load(path.read_text()).get("config", {})
    given = {
        key: "user:secret" if isinstance(value, dict) and "secure" in value else value
        for key, value in config.items()
    }
    parse({key: v if isinstance(v, str) else json.dumps(v) for key, v in given.items()})


def test_shares_and_links_are_typed() -> None:
    share = {"src": "10.2.50.1:/nfs", "path": "/mnt/one", "fstype": "nfs", "owner": 1000}
    mounts = [{"type": "image", "path": "/mnt/one"}, {"type": "system", "path": "/mnt/s"}]
    stack = good(fstab=[share], ds={"config": {"mounts": mounts}})
    assert (stack.fstab[0].owner, stack.fstab[0].group) == ("1000", "9869")
    assert stack.ds.links == {"1": "/mnt/one"}


NUMBERS = [
    key
    for key, field in Settings.model_fields.items()
    if base(field.annotation) is int and field.default is None
]


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_without_default_excludes_pulumis_zero(key: str) -> None:
    field = Settings.model_fields[key]
    annotation: Any = Annotated[field.annotation, Field(), *field.metadata]
    with pytest.raises(ValidationError):
        TypeAdapter(annotation).validate_python(0)
