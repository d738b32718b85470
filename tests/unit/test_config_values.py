"""Values of the stack's config that must not reach a host are refused with a helpful message."""

import json
import re
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, StringConstraints, TypeAdapter

from settings import PROJECT, Settings, SettingsError, parse
from settings.forms import WORDS
from settings.model import SECRETS, base
from tests.runs import examples
from tests.unit.bad_configs import CANARY
from tests.unit.test_settings import GOOD, faults, good, raw

NEEDED = {key: GOOD[key] for key in ("one_version", "one_pass", "db_password", "frontends")}


@pytest.mark.parametrize("key", ["db_owner", "db_name"])
@pytest.mark.parametrize(
    "name",
    [
        *("mariadb.sys", "mysql.session", "debian-sys-maint", "#mysql50#one", "lost+found"),
        *("a`b", "a'b", "a/b", "../x", "a b", "a" * 65, "1one", "one%", "öne", ""),
    ],
)
def test_names_that_mariadb_reads_differently_are_refused(key: str, name: str) -> None:
    (found,) = faults(**{key: name})
    assert found.startswith(
        f"{key}: expected a letter and at most 63 letters, digits and underscores after it, such as"
        " one_1, saw "
    )


@pytest.mark.parametrize("key", ["db_owner", "db_name"])
@pytest.mark.parametrize(
    "name", ["opennebula", "oneadmin", "one_1", "rooter", "tester", "mysql_one"]
)
def test_other_names_are_the_operators_choice(key: str, name: str) -> None:
    parse(raw({**GOOD, key: name}))


ACCEPTED: list[dict[str, Any]] = [
    {"repository": {"url": "http://10.2.50.1:8080/opennebula"}},
    {"repository": {"url": "https://[fd00::1]:8443/repo/", "key_url": "https://m/repo2.key?x=1"}},
    {"repository": {"url": "file:///srv/mirror/opennebula"}},
    {"repository": {"key": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END"}},
    {"zone_endpoint": "https://one.example.org/RPC2"},
    {"gate_endpoint": "http://10.2.50.86:5030"},
    {"zone_name": "Zürich, hall 2"},
    {"one_vip_if": "bond0.100"},
    {"one_vip_if": "br-lan_1"},
    {"leader_hook": "raft/vip.sh", "follower_hook": "/usr/local/bin/follow"},
    {"ntp": [{"timezone": "America/Argentina/Buenos_Aires"}, {"locale": "de_DE.UTF-8@euro"}]},
    {"ntp": [{"locale": "LANGUAGE=de:en"}, {"pool": "pool.ntp.org"}, {"server": "fd00::1"}]},
    {"ssl": {"generate_cert": True, "key": "/etc/ssl/one.key", "certchain": "/etc/ssl/one.crt"}},
    {"ssl": {"key": "/etc/pki/one", "certchain": "/etc/pki/one.bundle"}},
    {"admin_pubkey": "ssh-ed25519 AAAA a name\nsk-ssh-ed25519@openssh.com BBBB==\n"},
    {"admin_pubkey": "none"},
    {"ssh": {"user": "ops@example.org", "host_keys": {"n1a1": "ssh-ed25519 AAAA+/= note"}}},
    {"ssh": {"user": "AD\\ops", "bastion": "ops@gate:22"}},
    {"one_fqdn": "one.example.org"},
    {"restore_from": "/srv/dumps of one/one.sql.gz"},
]


@pytest.mark.parametrize("changes", ACCEPTED, ids=str)
def test_common_values_are_accepted(changes: dict[str, Any]) -> None:
    good(**changes)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("localhost", "10.2.50.10"),
        ("localhost.localdomain", "10.2.50.10"),
        ("n1.localhost", "10.2.50.10"),
        ("ip6-localhost", "10.2.50.10"),
        ("n1", "127.0.1.1"),
        ("n1", "0.0.0.0"),
        ("n1", "224.0.0.1"),
        ("n1", "255.255.255.255"),
    ],
)
def test_a_front_end_has_a_name_and_address_usable_by_the_others(name: str, address: str) -> None:
    config = {**NEEDED, "frontends": {name: {"address": address}}}
    with pytest.raises(SettingsError) as caught:
        parse(raw(config))
    assert caught.value.faults == [
        f"{PROJECT}:frontends.{name}: expected a name and an address that the other front-ends can"
        " use"
    ]


def test_a_misspelt_key_is_named_at_any_place() -> None:
    assert faults(one_vip_iff="eth0") == [
        "one_vip_iff: not a key of this project; did you mean one_vip_if?"
    ]
    share = {"source": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs"}
    assert faults(fstab=[share]) == [
        "fstab.0.src: missing",
        "fstab.0.source: not a key of this project; did you mean src?",
    ]
    listed = {name: {**one, "one_vip_ip": "eth0"} for name, one in GOOD["frontends"].items()}
    assert faults(frontends=listed)[0] == (
        "frontends.n1a1.one_vip_ip: not a key of this project; did you mean one_vip_if?"
    )


def test_a_key_under_another_projects_name_is_not_ignored() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({**raw(GOOD), "opennebula:force_ha": "true", "opennebula:endpoint": "x"})
    assert caught.value.faults == [
        f"{PROJECT}:force_ha: missing, but the config has opennebula:force_ha: write"
        f" {PROJECT}:force_ha"
    ]


@pytest.mark.parametrize("pattern", [one for one in WORDS if "such as " in WORDS[one]])
def test_the_example_in_a_message_is_valid(pattern: str) -> None:
    form: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    for example in WORDS[pattern].partition("such as ")[2].partition(": ")[0].split(" or "):
        assert form.validate_python(example.strip('"'))


def test_a_mirrors_password_is_set_where_the_message_says() -> None:
    good(repository={"url": "https://mirror/repo"}, one_token="user:pass")


# Every key

BAD: list[Any] = [
    ["`x`"],
    {"`": {"`": 1}},
    7,
    1.5,
    True,
    None,
    "`bad`\a",
    "\0",
    "",
    "\u0667.\u0662",
]
NOT_WORDS = ("^", "Input", "pattern", "valid", "string", "dict", "Field", "pydantic", "None")


def places(model: type[BaseModel], around: Any) -> Iterator[tuple[str, Any]]:
    """Return each key, and how to set a value there."""
    for name, field in model.model_fields.items():
        yield from _values(
            name, base(field.annotation), lambda value, name=name: around({name: value})
        )


def _values(name: str, kind: Any, around: Any) -> Iterator[tuple[str, Any]]:
    yield name, around
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        yield from _values(f"{name}.0", base(arguments[0]), lambda value: around([value]))
    elif typing.get_origin(kind) is dict:
        yield from _values(
            f"{name}.n1a1", base(arguments[1]), lambda value: around({"n1a1": value})
        )
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for inner, make in places(kind, around):
            yield f"{name}.{inner}", make


PLACES = dict(places(Settings, lambda config: config))


@pytest.mark.parametrize("place", PLACES)
def test_any_bad_value_is_explained_without_a_secret(place: str) -> None:
    for bad in BAD:
        changes = PLACES[place](bad)
        try:
            parse(raw({**NEEDED, **changes}))
        except SettingsError as error:
            for fault in error.faults:
                assert re.match(rf"{PROJECT}:[^ ]+: \w", fault), fault
                assert not any(word in fault for word in NOT_WORDS), fault
                assert fault.isprintable(), fault
                assert CANARY not in fault


@pytest.mark.parametrize("place", [*SECRETS, "ssh.private_key", "auth.ldap.config.n1a1.:password"])
def test_no_error_shows_a_secret(place: str) -> None:
    key, *inner = place.split(".")
    for bad in (f"{CANARY}\n\a", f" {CANARY}", [CANARY], {CANARY: 1}):
        value: Any = bad
        for part in reversed(inner):
            value = {part: value}
        with pytest.raises(SettingsError) as caught:
            parse(raw({**GOOD, key: value}), is_secret=lambda _: False)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("key", ["ssh", "auth", "commands"])
def test_an_object_that_cannot_be_read_is_not_shown(key: str) -> None:
    (found,) = faults(**{key: f'{{":password": "{CANARY}'})
    assert found.startswith(f"{key}: expected a")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["n1a1", ":order", "NAME", "a"]) | st.text(max_size=4), inner
        )
    ),
    max_leaves=5,
)


@settings(max_examples=examples(150))
@given(st.sampled_from(sorted(PLACES)), ANY)
def test_no_config_ends_in_a_traceback(place: str, value: Any) -> None:
    config = {**GOOD, **PLACES[place](value)}
    try:
        parse({f"{PROJECT}:{key}": json.dumps(one) for key, one in config.items()})
        parse(raw(config))
    except SettingsError:
        pass
