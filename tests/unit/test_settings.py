"""A stack's config: what is right, and every fault at once, each naming its key."""

import ipaddress
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from settings import PROJECT, Settings, SettingsError, cautions, parse
from settings.model import base

CANARY = "canary-that-nobody-may-see"
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
MISSING = object()
LDAP = {"default": "ldap", "ldap": {"config": {":order": ["a"], "a": {":host": "b"}}}}


def raw(config: dict[str, Any]) -> dict[str, str]:
    """The config as Pulumi hands it over."""
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
        if value is not MISSING
    }


def front_ends(*addresses: str) -> dict[str, Any]:
    return {f"n{number}": {"address": address} for number, address in enumerate(addresses, 1)}


def faults(**changes: Any) -> list[str]:
    """The faults of the good config with these changes."""
    with pytest.raises(SettingsError) as caught:
        parse(raw({**GOOD, **changes}))
    assert CANARY not in str(caught.value)
    assert all(fault.startswith(f"{PROJECT}:") for fault in caught.value.faults)
    return [fault.removeprefix(f"{PROJECT}:") for fault in caught.value.faults]


def test_a_good_config_is_one_typed_object() -> None:
    stack = parse(raw(GOOD))
    assert stack.one_vip == ipaddress.IPv4Address("10.2.50.86")
    assert stack.one_pass.get_secret_value() == f"{CANARY}-1"
    assert stack.highly_available
    assert [(host.name, host.address) for host in stack.hosts.values()] == [
        ("n1a1", "10.2.50.10"),
        ("n1a2", "10.2.50.11"),
        ("n1a3", "10.2.50.12"),
    ]
    assert stack.hosts["n1a3"].ssh.port == 2222


def test_what_is_left_out_has_a_default() -> None:
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


def test_the_order_of_the_front_ends_never_matters() -> None:
    turned = dict(reversed(GOOD["frontends"].items()))
    assert list(parse(raw({**GOOD, "frontends": turned})).hosts) == list(parse(raw(GOOD)).hosts)


@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        ({}, []),
        ({"db_password": "opennebula"}, ["db_password"]),
        ({"db_password": "OpenNebula", "one_pass": "oneadmin"}, ["db_password", "one_pass"]),
        ({"one_pass": min(GOOD["frontends"])}, ["one_pass"]),
    ],
)
def test_a_common_word_as_a_secret_is_warned_of_and_not_shown(
    secrets: dict[str, str], named: list[str]
) -> None:
    said = list(cautions(parse(raw({**GOOD, **secrets}))))
    assert [text.split()[0] for text in said] == named
    for text, value in zip(said, secrets.values(), strict=True):
        assert value.lower() not in text.lower()
        assert "[secret]" in text


def test_config_of_other_projects_is_none_of_ours() -> None:
    assert parse({**raw(GOOD), "aws:region": "eu", "pulumi:tags": "{}"}) == parse(raw(GOOD))


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "version missing": ({"one_version": MISSING}, "one_version", "missing; such as pulumi config"),
    "password missing": ({"one_pass": MISSING}, "one_pass", "pulumi config set --secret one_pass"),
    "front-ends missing": ({"frontends": MISSING}, "frontends", "missing; such as pulumi config"),
    "no front-end": ({"frontends": {}}, "frontends", "at least 1"),
    "database password missing": (
        {"db_password": MISSING},
        "db_password",
        "pulumi config set --secret db_password",
    ),
    "unknown key": ({"one_vipp": "x"}, "one_vipp", "did you mean one_vip?"),
    "unknown key, like no other": ({"zzz": "x"}, "zzz", "not a key of this project"),
    "unknown key of a front-end": (
        {"frontends": {"n1": {"address": "10.2.50.1", "adress": "x"}}, "force_ha": True},
        "frontends.n1.adress",
        "not a key of this project",
    ),
    "unknown key of ssh": ({"ssh": {"usr": "x"}}, "ssh.usr", "did you mean user?"),
    "unknown key of a front-end's ssh": (
        {
            "frontends": {"n1": {"address": "10.2.50.1", "ssh": {"key": "x"}}},
            "force_ha": True,
        },
        "frontends.n1.ssh.key",
        "not a key of this project",
    ),
    "unknown feature": ({"features": {"gate2": True}}, "features.gate2", "not a key"),
    "unknown key of the repository": ({"repository": {"uri": "x"}}, "repository.uri", "not a key"),
    "no version": ({"one_version": "latest"}, "one_version", 'such as "7.2"'),
    "no boolean": ({"force_ha": "maybe"}, "force_ha", "expected true or false"),
    "no number": ({"one_vip_cidr": "wide"}, "one_vip_cidr", "expected a whole number"),
    "no object": ({"ssh": "root@gate"}, "ssh", "expected an object"),
    "no address": ({"one_vip": "10.2.50"}, "one_vip", "expected an IPv4 or IPv6 address"),
    "a prefix too long": ({"one_vip_cidr": 33}, "one_vip_cidr", "expected at most 32"),
    "a prefix too long for any": (
        {"one_vip_cidr": 129},
        "one_vip_cidr",
        "expected at most 128, saw 129",
    ),
    "a host name with capitals": (
        {"frontends": {"N1": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.N1",
        "expected a host name",
    ),
    "a name where a front-end's address must be": (
        {"frontends": front_ends("n1.example.org"), "force_ha": True},
        "frontends.n1.address",
        "expected an IPv4 address, such as 10.2.50.10, saw n1.example.org",
    ),
    "an interface with a blank": ({"one_vip_if": "eth0 1"}, "one_vip_if", "such as eth0 or"),
    "a front-end's interface with a blank": (
        {
            "frontends": {"n1": {"address": "10.2.50.1", "one_vip_if": "a b"}},
            "force_ha": True,
        },
        "frontends.n1.one_vip_if",
        "expected a network interface of at most 15",
    ),
    "a port beyond the last": ({"ssh": {"port": 70000}}, "ssh.port", "65535"),
    "a bastion of another form": ({"ssh": {"bastion": "gate:ssh"}}, "ssh.bastion", "host[:port]"),
    "another backend": ({"db_backend": "Postgres"}, "db_backend", "'MariaDB' or 'SQLite'"),
    "a database name with a quote": ({"db_name": "a`b"}, "db_name", "digits and underscores"),
    "an even number": (
        {"frontends": front_ends("10.2.50.1", "10.2.50.2")},
        "frontends",
        "2 front-ends tolerate no more failures than 1; list 1 or 3; for a zone that already runs"
        " with 2 servers, set allow_even: true",
    ),
    "two with one zone server": (
        {
            "frontends": {
                name: {**one, "zone_server": "One"} for name, one in GOOD["frontends"].items()
            }
        },
        "frontends",
        "several have zone_server One",
    ),
    "a zone server that is no name": (
        {"frontends": {"n1": {"address": "10.2.50.1", "zone_server": "a]"}}, "force_ha": True},
        "frontends.n1.zone_server",
        "as onezone show 0 prints it",
    ),
    "a login at a URL": (
        {
            "frontends": {"n1": {"address": "10.2.50.1", "ssh": {"address": "ssh://n1"}}},
            "force_ha": True,
        },
        "frontends.n1.ssh.address",
        "expected an address or a host name, such as n1a1.mgmt.example.org, saw ssh://n1",
    ),
    "an address twice": (
        {"frontends": front_ends("10.2.50.1", "10.2.50.2", "10.2.50.1")},
        "frontends.n3.address",
        "10.2.50.1 is the address of n1",
    ),
    "a loopback address": (
        {"frontends": front_ends("10.2.50.1", "10.2.50.2", "127.0.0.1"), "one_vip": MISSING}
        | {"one_vip_cidr": MISSING, "one_vip_if": MISSING},
        "frontends.n3",
        "that the other front-ends can use",
    ),
    "SQLite with several": ({"db_backend": "SQLite"}, "db_backend", "convert_database: true"),
    "SQLite with force_ha": (
        {"db_backend": "SQLite", "force_ha": True, "frontends": front_ends("10.2.50.1")},
        "db_backend",
        "or use one front-end without force_ha",
    ),
    "no interface for the VIP": ({"one_vip_if": MISSING}, "one_vip_if", "go together"),
    "no prefix for the VIP": ({"one_vip_cidr": MISSING}, "one_vip_cidr", "go together"),
    "no VIP beside its prefix": ({"one_vip": MISSING}, "one_vip", "go together"),
    "the VIP is a front-end": ({"one_vip": "10.2.50.11"}, "one_vip", "the address of n1a2"),
    "the VIP is the broadcast": ({"one_vip": "10.2.50.255"}, "one_vip", "broadcast address"),
    "the VIP is the network": ({"one_vip": "10.2.50.0"}, "one_vip", "network's or broadcast"),
    "an address of one link": (
        {"one_vip": "fe80::1", "one_vip_cidr": 64},
        "one_vip",
        "clients can use, not fe80::1",
    ),
    "IPv4 in IPv6": (
        {"one_vips": [{"address": "::ffff:10.2.50.9", "cidr": 64}]},
        "one_vips",
        "use",
    ),
    "a further prefix too long": (
        {"one_vips": [{"address": "10.2.50.9", "cidr": 64}]},
        "one_vips",
        "64 is not a prefix length of 10.2.50.9",
    ),
    "a VIP twice": (
        {"one_vips": [{"address": "10.2.50.86", "cidr": 24}]},
        "one_vips",
        "10.2.50.86 is listed twice",
    ),
    "a further VIP is a front-end": (
        {"one_vips": [{"address": "10.2.50.11", "cidr": 24}]},
        "one_vips",
        "the address of n1a2",
    ),
    "an interface of a stranger": (
        {"one_vips": [{"address": "10.2.50.9", "cidr": 24, "interfaces": {"n9": "eth1"}}]},
        "one_vips",
        "an interface for n9",
    ),
    "an unknown key of a further VIP": (
        {"one_vips": [{"address": "10.2.50.9", "cidr": 24, "if": "eth1"}]},
        "one_vips.0.if",
        "not a key",
    ),
    "further VIPs without the first": (
        {
            **dict.fromkeys(("one_vip", "one_vip_cidr", "one_vip_if"), MISSING),
            "one_vips": [{"address": "10.2.50.9", "cidr": 24, "interface": "eth0"}],
        },
        "one_vips",
        "one_vip is missing",
    ),
    "a hook with arguments": ({"leader_hook": "raft/x.sh now"}, "leader_hook", "without arguments"),
    "no URL": ({"zone_endpoint": "one.example.org"}, "zone_endpoint", "with http:// or"),
    "a port that is taken": (
        {"leader_check": {"port": 2633}},
        "leader_check.port",
        "a port of OpenNebula's own",
    ),
    "no port": ({"leader_check": {"port": 0}}, "leader_check.port", "expected 1 or more, saw 0"),
    "a check for one alone": (
        {
            "frontends": {"n1": {"address": "10.2.50.1"}},
            "leader_check": {"port": 2636},
            **dict.fromkeys(("one_vip", "one_vip_cidr", "one_vip_if"), MISSING),
        },
        "leader_check",
        "one front-end alone has no leader",
    ),
    "the VIP for one alone": (
        {"frontends": front_ends("10.2.50.1")},
        "one_vip",
        "one front-end alone has no leader",
    ),
    "two private keys": (
        {"ssh": {"private_key": f"{CANARY}-3", "private_key_file": "id"}},
        "ssh",
        "exclude each other",
    ),
    "a host key of nobody": (
        {"ssh": {"host_keys": {"n9": "ssh-ed25519 AAAA"}}},
        "ssh.host_keys.n9",
        "no such front-end",
    ),
    "an empty password": ({"one_pass": ""}, "one_pass", "one line of printable characters"),
    "a password of two lines": (
        {"one_pass": f"{CANARY}\nmore"},
        "one_pass",
        "one line of printable characters",
    ),
    "a password with a space": ({"one_pass": f"{CANARY} x"}, "one_pass", "no spaces in a password"),
    "a password that oned.conf cannot hold": (
        {"db_password": f"{CANARY}\\"},
        "db_password",
        "oned.conf cannot hold",
    ),
    "a token without its user": ({"one_token": CANARY}, "one_token", "user:password"),
    "an attribute that the program sets": (
        {"oned": {"federation": {"SERVER_ID": 1}}},
        "oned.federation",
        "the zone sets SERVER_ID",
    ),
    "an attribute given twice": ({"oned": {"PORT": 1, "port": 1}}, "oned.port", "given twice"),
    "an attribute of no kind": (
        {"oned": {"LOG": {"LEVELS": [1]}}},
        "oned.LOG",
        "expected a value, null, an object of values, or a list",
    ),
    "an empty list of attributes": ({"oned": {"HOOK": []}}, "oned.HOOK", "none of them empty"),
    "one of several attributes, of no name": (
        {"oned": {"VM_MAD": {"ARGUMENTS": "-t 15"}}},
        "oned.VM_MAD",
        "expected a list, or an object with its NAME",
    ),
    "one of several attributes in place of the first": (
        {"oned": {"VM_RESTRICTED_ATTR": "NIC/MAC"}},
        "oned.VM_RESTRICTED_ATTR",
        "expected a list",
    ),
    "an entry without a name": (
        {"oned": {"DRIVER": [{"NAME": "kvm"}, {"KEEP": "yes"}]}},
        "oned.DRIVER",
        "expected a NAME in each object",
    ),
    "an entry whose name is null": (
        {"oned": {"DRIVER": {"NAME": None, "KEEP": "yes"}}},
        "oned.DRIVER",
        "expected a NAME in each object",
    ),
    "a removal of nothing": ({"oned": {"DRIVER": {"remove": None}}}, "oned.DRIVER", "remove: NAME"),
    "an entry of the other kind": (
        {"oned": {"VM_MAD": ["kvm"]}},
        "oned.VM_MAD",
        "expected a list of objects",
    ),
    "an entry that is set and removed": (
        {"oned": {"VM_MAD": [{"NAME": "kvm", "TYPE": "kvm"}, {"remove": "kvm"}]}},
        "oned.VM_MAD",
        "kvm is listed twice",
    ),
    "an entry that oned.conf cannot hold": (
        {"oned": {"VM_MAD": [{"NAME": "kvm", "TYPE": "a]]>b"}]}},
        "oned.VM_MAD.TYPE",
        "oned.conf cannot hold",
    ),
    "an attribute of the scheduler that it cannot hold": (
        {"sched_rank": {"LOG": {"SYSTEM": "a]]>b"}}},
        "sched_rank.LOG.SYSTEM",
        "cannot hold",
    ),
    "a null of the other scheduler": (
        {"sched_drs": {"PLACE": {"WEIGHTS": {"CPU": None}}}},
        "sched_drs.PLACE",
        "not null",
    ),
    "a name in the place of an address": (
        {"flow_bind_addr": "localhost"},
        "flow_bind_addr",
        "expected an address",
    ),
    "an address that is none": (
        {"gate_bind_addr": "10.0.0.256"},
        "gate_bind_addr",
        "saw 10.0.0.256",
    ),
    "a proxy without colons": (
        {"gate_tproxy": [{"service_port": 5030}]},
        "gate_tproxy",
        "keys such as :service_port",
    ),
    "a public key with a quote": ({"admin_pubkey": 'ssh-rsa A "x"'}, "admin_pubkey", "public keys"),
    "a short key": ({"rsa_key_size": 512}, "rsa_key_size", "expected 1024 or more, saw 512"),
    "an entry of ntp with nothing": ({"ntp": [{}]}, "ntp", "expected timezone, locale, pool"),
    "an entry of ntp of another kind": ({"ntp": [{"peer": "a"}]}, "ntp.0.peer", "not a key"),
    "TLS in front of nothing": (
        {"ssl": {"web_server": "nginx"}, "features": {"gui": False}},
        "ssl",
        "set features.gui: true",
    ),
    "another web server": ({"ssl": {"web_server": "caddy"}}, "ssl.web_server", "'apache' or 'ngi"),
    "a key without its whole path": (
        {"ssl": {"key": "k.pem"}},
        "ssl.key",
        "expected an absolute path",
    ),
    "LDAP without a server": (
        {"auth": {"default": "ldap"}},
        "auth.ldap.config",
        "expected a server",
    ),
    "a server without colons": (
        {"auth": {"ldap": {"config": {":order": ["a"], "a": {"host": "b"}}}}},
        "auth.ldap.config.a",
        "expected keys such as :host",
    ),
    "servers of which none is asked": (
        {"auth": {"ldap": {"config": {"a": {":host": "b"}}}}},
        "auth.ldap.config",
        "expected one of :order and :match_user_regex",
    ),
    "a server that nobody described": (
        {"auth": {"ldap": {"config": {":order": [["a", "z"]], "a": {":host": "b"}}}}},
        "auth.ldap.config.:order",
        "z is not one of the servers",
    ),
    "a mapping without a file": (
        {
            "auth": {
                "ldap": {
                    "config": {":order": ["a"], "a": {":host": "b"}},
                    "mapping": {"a": {"cn=x": 1}},
                }
            }
        },
        "auth.ldap.mapping.a",
        "a :mapping_filename of its own, such as a.yaml",
    ),
    "a default that is set in two places": (
        {"auth": LDAP, "oned": {"DEFAULT_AUTH": "x509"}},
        "oned.DEFAULT_AUTH",
        "also set by auth.default",
    ),
    "a default that nobody may use": (
        {"auth": LDAP, "oned": {"AUTH_MAD": {"AUTHN": "ssh"}}},
        "oned.AUTH_MAD.AUTHN",
        "expected ldap in the list",
    ),
    "an attribute that oned.conf cannot hold": (
        {"oned": {"LOG": {"SYSTEM": "a]]>b"}}},
        "oned.LOG.SYSTEM",
        "oned.conf cannot hold",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_its_key_and_what_would_be_right(name: str) -> None:
    changes, key, text = FAULTS[name]
    found = faults(**changes)
    assert any(fault.startswith(f"{key}: ") and text in fault for fault in found), found
    assert len(found) == 1, found


def test_a_vip_outside_the_subnet_is_refused_for_each_front_end() -> None:
    found = faults(one_vip="10.9.9.9")
    assert [fault.split(";")[0] for fault in found] == [
        "one_vip: 10.9.9.9/24 is not in a subnet with n1a1 at 10.2.50.10",
        "one_vip: 10.9.9.9/24 is not in a subnet with n1a3 at 10.2.50.12",
    ]


def test_a_further_vip_may_be_elsewhere_on_an_interface_of_its_own() -> None:
    elsewhere = {"address": "192.0.2.9", "cidr": 24}
    assert [fault.split(";")[0] for fault in faults(one_vips=[elsewhere])] == [
        f"one_vips: 192.0.2.9/24 is not in a subnet with {name} at {address}"
        for name, address in (("n1a1", "10.2.50.10"), ("n1a3", "10.2.50.12"))
    ]
    there = {"n1a1": "eth1", "n1a3": "eth1"}
    for given in ({**elsewhere, "interface": "eth1"}, {**elsewhere, "interfaces": there}):
        parse(raw({**GOOD, "one_vips": [given]}))


def test_a_vip_may_be_a_single_address_outside_of_every_subnet() -> None:
    parse(raw({**GOOD, "one_vip": "192.0.2.9", "one_vip_cidr": 32}))
    named = {name: {**one, "one_vip_if": "eth0"} for name, one in GOOD["frontends"].items()}
    parse(raw({**GOOD, "one_vip": "192.0.2.9", "frontends": named}))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (2, ["2 front-ends tolerate no failure of a front-end: add"]),
        (4, ["4 front-ends tolerate 1 failure of a front-end, as 3 do: add"]),
        (6, ["6 front-ends tolerate 2 failures of a front-end, as 5 do: add"]),
        (3, []),
    ],
)
def test_an_even_zone_is_taken_as_it_is_where_the_config_says_so(
    count: int, said: list[str]
) -> None:
    listed = front_ends(*(f"10.2.50.{number}" for number in range(1, count + 1)))
    stack = parse(raw({**GOOD, "frontends": listed, "allow_even": True}))
    found = list(cautions(stack))
    assert [text.startswith(start) for text, start in zip(found, said, strict=True)] == [
        True for _ in said
    ]


def test_a_front_end_says_how_it_is_registered_and_where_it_is_logged_in_to() -> None:
    given = {
        "n1": {
            "address": "10.2.50.1",
            "zone_server": "10.9.0.1",
            "ssh": {"address": "n1.mgmt.example.org"},
        }
    }
    (host,) = parse(raw({**GOOD, "frontends": given, "force_ha": True})).hosts.values()
    assert (host.zone_server, host.address, host.login_address) == (
        "10.9.0.1",
        "10.2.50.1",
        "n1.mgmt.example.org",
    )


def test_an_interface_on_every_front_end_makes_the_common_one_needless() -> None:
    everywhere = {name: {**one, "one_vip_if": "ens3"} for name, one in GOOD["frontends"].items()}
    stack = parse(raw({**GOOD, "frontends": everywhere, "one_vip_if": MISSING}))
    assert stack.one_vip_if is None


def test_all_faults_are_reported_at_once() -> None:
    found = faults(
        one_version="latest",
        one_vip="10.2.50.10",
        one_pass=MISSING,
        nonsense=1,
        db_backend="SQLite",
        frontends={**front_ends("10.2.50.10"), "n2": {"address": "10.2.50.11", "rack": 4}},
    )
    assert {fault.split(":")[0] for fault in found} == {
        "one_version",
        "one_pass",
        "nonsense",
        "frontends.n2.rack",
    }
    found = faults(
        one_vip="10.2.50.10",
        db_backend="SQLite",
        frontends=front_ends("10.2.50.10", "10.2.50.10"),
        one_token=CANARY,
    )
    assert {fault.split(":")[0] for fault in found} == {
        "one_vip",
        "db_backend",
        "frontends",
        "frontends.n2.address",
        "one_token",
    }


def kept(*keys: str) -> Callable[[str], bool]:
    return lambda name: name.removeprefix(f"{PROJECT}:") in keys


def test_a_secret_where_everybody_could_read_it_in_the_state_is_refused() -> None:
    config = raw({**GOOD, "oned": {"SCHED": {"TOKEN": CANARY}}})
    with pytest.raises(SettingsError, match="oned: is set as a secret, but") as caught:
        parse(config, is_secret=kept("one_pass", "db_password", "oned"))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("key", ["one_pass", "db_password", "one_token"])
def test_a_secret_in_plaintext_is_refused(key: str) -> None:
    config = raw({**GOOD, "one_token": f"user:{CANARY}"})
    with pytest.raises(SettingsError) as caught:
        parse(config, is_secret=kept(*{"one_pass", "db_password", "one_token"} - {key}))
    assert caught.value.faults == [
        f"{PROJECT}:{key}: must be a secret; pulumi config set --secret {key}"
    ]


def test_a_private_key_in_plaintext_is_refused() -> None:
    config = raw({**GOOD, "ssh": {"private_key": CANARY}})
    with pytest.raises(SettingsError, match="private_key: must be a secret") as caught:
        parse(config, is_secret=kept("one_pass", "db_password"))
    assert CANARY not in str(caught.value)


WITH_PASSWORD = {
    "ldap": {
        "config": {":order": ["a"], "a": {":host": "b", ":password": f"{CANARY}-5"}},
        "mapping": {},
    }
}


def test_a_password_of_ldap_in_plaintext_is_refused() -> None:
    config = raw({**GOOD, "auth": WITH_PASSWORD})
    with pytest.raises(
        SettingsError, match=r"auth\.ldap\.config\.a\.:password: must be a"
    ) as caught:
        parse(config, is_secret=kept("one_pass", "db_password"))
    assert CANARY not in str(caught.value)
    stack = parse(config)
    assert stack.auth.ldap.passwords == {"a": f"{CANARY}-5"}
    assert stack.auth.ldap.servers == {"a": {":host": "b"}}
    number = {"ldap": {"config": {":order": ["a"], "a": {":host": "b", ":password": 123}}}}
    assert parse(raw({**GOOD, "auth": number})).auth.ldap.passwords == {"a": "123"}
    assert CANARY not in repr(stack) + stack.fingerprint()
    assert stack.fingerprint() != parse(raw(GOOD)).fingerprint()


def test_no_secret_shows_in_any_text_of_the_settings() -> None:
    stack = parse(raw({**GOOD, "one_token": f"user:{CANARY}", "ssh": {"private_key": CANARY}}))
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


def test_every_key_is_declared_and_none_besides() -> None:
    assert set(DECLARED) == set(Settings.model_fields)


def test_declared_defaults_stand_for_the_settings_own() -> None:
    defaults = {key: one["default"] for key, one in DECLARED.items() if "default" in one}
    needed = {key: GOOD[key] for key in ("one_version", "one_pass", "db_password", "frontends")}
    assert parse(raw({**defaults, **needed})) == parse(raw(needed))


def test_no_time_goes_into_declared_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_false_is_not_taken_for_a_number_that_is_nothing_by_default() -> None:
    assert faults(one_vip_cidr=False)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "stacks").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_stacks_in_the_repository_are_good(path: Path) -> None:
    config = yaml.safe_load(path.read_text()).get("config", {})
    given = {
        key: "user:secret" if isinstance(value, dict) and "secure" in value else value
        for key, value in config.items()
    }
    parse({key: v if isinstance(v, str) else json.dumps(v) for key, v in given.items()})


def test_the_keys_of_oneadmin_are_the_zones_own() -> None:
    assert faults(ensure_keys_for=["ubuntu", "oneadmin"])[0].startswith("ensure_keys_for: oneadmin")


def test_shares_and_links_are_typed() -> None:
    share = {"src": "10.2.50.1:/nfs", "path": "/mnt/one", "fstype": "nfs", "owner": 1000}
    mounts = [{"type": "image", "path": "/mnt/one"}, {"type": "system", "path": "/mnt/s"}]
    stack = parse(raw({**GOOD, "fstab": [share], "ds": {"config": {"mounts": mounts}}}))
    assert (stack.fstab[0].owner, stack.fstab[0].group) == ("1000", "9869")
    assert stack.ds.links == {"1": "/mnt/one"}


NUMBERS = [
    key
    for key, field in Settings.model_fields.items()
    if base(field.annotation) is int and field.default is None
]


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_without_default_excludes_the_0_that_pulumi_passes_for_it(key: str) -> None:
    field = Settings.model_fields[key]
    annotation: Any = Annotated[field.annotation, Field(), *field.metadata]
    with pytest.raises(ValidationError):
        TypeAdapter(annotation).validate_python(0)
