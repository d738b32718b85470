"""What must hold between the keys of a stack's config. Pure: values in, faults out."""

import ipaddress
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from hosts.connection import SshSettings
from opennebula import attributes, conf, ports
from opennebula.ldap_auth import CHOICES
from settings.model import (
    PROJECT,
    Auth,
    Command,
    DatastoreMount,
    Features,
    FrontEnd,
    FurtherVip,
    LeaderCheck,
    Mount,
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def of(key: str, text: str) -> str:
    """A fault of that key."""
    return f"{PROJECT}:{key}: {text}"


def contradictions(given: Mapping[str, Any]) -> Iterator[str]:
    """Faults between keys, of those that are right in themselves."""
    yield from _front_end_faults(given)
    yield from _vip_faults(given)
    yield from _leader_faults(given)
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    available = given.get("force_ha") or len(front_ends) > 1
    if given.get("db_backend") == "SQLite" and available:
        yield of(
            "db_backend",
            "SQLite cannot be replicated; set MariaDB, with convert_database: true where there are"
            " data, or stay with one front-end without force_ha",
        )
    if given.get("db_backend") == "MariaDB" and given.get("db_password", 0) is None:
        yield of("db_password", "missing; pulumi config set --secret db_password")
    ssh: SshSettings | None = given.get("ssh")
    if ssh is not None:
        if ssh.private_key is not None and ssh.private_key_file is not None:
            yield of("ssh", "private_key and private_key_file exclude each other")
        for name in sorted(ssh.host_keys.keys() - front_ends.keys() if front_ends else ()):
            yield of(f"ssh.host_keys.{name}", "no such front-end in frontends")
    yield from _secret_faults(given)
    token: SecretStr | None = given.get("one_token")
    if token is not None and ":" not in token.get_secret_value():
        yield of("one_token", "expected user:password as in the customer's e-mail")
    if not str(given.get("restore_from") or "/").startswith("/"):
        yield of("restore_from", "expected the whole path of a dump, from / on")
    password: SecretStr | None = given.get("db_password")
    if password is not None and not conf.expressible(password.get_secret_value()):
        yield of("db_password", _INEXPRESSIBLE)
    yield from _keys_faults(given)
    yield from _command_faults(given)
    yield from _storage_faults(given)
    for key in ("oned", "sched_rank"):
        yield from _attributes_faults(key, given.get(key, {}))
    yield from _scheduler_faults(given)
    yield from _service_faults(given)
    if "auth" in given:
        yield from _auth_faults(given["auth"], given.get("oned", {}))


def _secret_faults(given: Mapping[str, Any]) -> Iterator[str]:
    for name in ("one_pass", "db_password", "one_token"):
        secret: SecretStr | None = given.get(name)
        text = "set" if secret is None else secret.get_secret_value()
        if not text or "\n" in text or not text.isprintable():
            yield of(name, "expected one line of printable characters, not empty")
        if name == "one_pass" and (" " in text or len(text.encode()) > 256):
            yield of(name, "OpenNebula takes no space in a password, and at most 256 bytes")


def _keys_faults(given: Mapping[str, Any]) -> Iterator[str]:
    if "oneadmin" in given.get("ensure_keys_for", ()):
        yield of("ensure_keys_for", "oneadmin's keys are the zone's own: leave it out")


def _command_faults(given: Mapping[str, Any]) -> Iterator[str]:
    commands: list[Command] = given.get("commands", [])
    for name, times in Counter(one.name for one in commands).items():
        if times > 1:
            yield of("commands", f"{name} is there {times} times; expected each name once")
    front_ends = given.get("frontends")
    for one in commands:
        for host in sorted(set(one.hosts) - set(front_ends)) if front_ends else ():
            yield of("commands", f"{one.name} names {host}, which is not in frontends")


def _storage_faults(given: Mapping[str, Any]) -> Iterator[str]:
    fstab: list[Mount] = given.get("fstab", [])
    for path, times in Counter(one.path for one in fstab).items():
        if times > 1:
            yield of("fstab", f"{path} is there {times} times; expected one entry a path")
    mounts: list[DatastoreMount] = given["ds"].config.mounts if "ds" in given else []
    for kind, times in Counter(one.type for one in mounts).items():
        if times > 1:
            yield of("ds.config.mounts", f"{kind} is there {times} times; expected it once")
    for one in mounts:
        if f"{one.path}/".startswith("/var/lib/one/datastores/"):
            yield of(
                "ds.config.mounts",
                f"{one.path} is where the datastores themselves are: mount the share there with"
                " fstab, and leave this entry out",
            )


_INEXPRESSIBLE = "oned.conf cannot hold ]]> or a backslash at the end"


def _attributes_faults(of_file: str, given: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for name, value in sorted(given.items()):
        key = f"{of_file}.{name}"
        if of_file == "oned" and name.upper() in _OWN_ATTRIBUTES:
            yield of(key, "set by this program itself; " + _OWN_ATTRIBUTES[name.upper()])
        if name.upper() in seen:
            yield of(key, "given twice: upper and lower case are the same")
        seen.add(name.upper())
        if (entries := attributes.entries(value)) is not None:
            yield from _entries_faults(key, entries)
        elif _REPEATED.search(key.upper()) and value is not None:
            yield of(key, "there are several: expected a list, or an object with its NAME")
        for entry in value if isinstance(value, list) else [value]:
            for part, item in entry.items() if isinstance(entry, Mapping) else [("", entry)]:
                if item is not None and not conf.expressible(item):
                    yield of(f"{key}.{part}".rstrip("."), _INEXPRESSIBLE)


def _scheduler_faults(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(given.get("sched_drs", {}).items()):
        if _has_null(value):
            yield of(f"sched_drs.{name}", "expected a value, not null: leave it out")


def _service_faults(given: Mapping[str, Any]) -> Iterator[str]:
    features: Features | None = given.get("features")
    if "ssl" in given and given["ssl"].is_on and features is not None and not features.gui:
        yield of("ssl", "there is no FireEdge to serve: set features.gui: true, or leave ssl out")
    for entry in given.get("ntp", []):
        if not any(value for _, value in entry):
            yield of("ntp", "expected timezone, locale, pool or server in each entry")
    for feature in ("gate", "flow", "form"):
        key = f"{feature}_bind_addr"
        address = given.get(key, "0.0.0.0")  # noqa: S104
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield of(key, f"{address} is no address")
    for entry in given.get("gate_tproxy", []):
        if not all(name.startswith(":") for name in entry) or _has_null(entry):
            yield of("gate_tproxy", "expected keys such as :service_port, each with a value")


def _auth_faults(auth: Auth, oned: Mapping[str, Any]) -> Iterator[str]:
    servers, choice = auth.ldap.servers, auth.ldap.choice
    for name, server in sorted(servers.items()):
        place = f"auth.ldap.config.{name}"
        if not server or not all(key.startswith(":") for key in server) or _has_null(server):
            yield of(place, "expected keys such as :host and :base, each with a value")
    if auth.default == "ldap" and not servers:
        yield of("auth.ldap.config", "missing; auth.default is ldap: expected a server")
    if servers and len(choice) != 1:
        yield of("auth.ldap.config", f"expected one of {' and '.join(CHOICES)} beside the servers")
    for name in sorted(set(_words(choice)) - set(servers) if servers else ()):
        yield of(f"auth.ldap.config.{next(iter(choice))}", f"{name}: no such server there")
    files = [str(server.get(":mapping_filename", "")) for server in servers.values()]
    for name in sorted(auth.ldap.mapping):
        file = str(servers.get(name, {}).get(":mapping_filename", ""))
        if not re.fullmatch(r"[A-Za-z0-9_.-]+\.yaml", file) or files.count(file) != 1:
            yield of(
                f"auth.ldap.mapping.{name}",
                "expected a server of that name with a :mapping_filename of its own, such as"
                f" {name}.yaml",
            )
    for name, value in oned.items():
        if auth.default == "ldap" and name.upper() == "DEFAULT_AUTH":
            yield of(f"oned.{name}", "set by auth.default, too; take one of them out")
        listed = value.get("AUTHN", "ldap") if isinstance(value, Mapping) else "ldap"
        if auth.default == "ldap" and name.upper() == "AUTH_MAD" and "ldap" not in str(listed):
            yield of(f"oned.{name}.AUTHN", "expected ldap among them: auth.default is ldap")


def _words(choice: Mapping[str, Any]) -> Iterator[str]:
    """The servers that a choice names, however deep."""
    for value in choice.values():
        listed = list(value.values()) if isinstance(value, Mapping) else value
        for entry in listed if isinstance(listed, list) else [listed]:
            yield from (str(name) for name in (entry if isinstance(entry, list) else [entry]))


def _has_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_null(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_null(item) for item in value)
    return value is None


def _entries_faults(key: str, entries: list[Any]) -> Iterator[str]:
    seen: set[str] = set()
    values = key.upper().endswith("_ATTR")
    for entry in entries:
        removed = isinstance(entry, Mapping) and list(entry) == [attributes.REMOVE]
        if not removed and _REPEATED.search(key.upper()) and values == isinstance(entry, Mapping):
            yield of(key, f"expected a list of {'values' if values else 'objects'}")
            continue
        known_by = attributes.known_by(entry)
        if not known_by:
            yield of(key, "expected a NAME in each object of the list, or remove: NAME")
        elif known_by in seen:
            yield of(key, f"{known_by} is there twice")
        seen.add(known_by)


_REPEATED = re.compile(r"(_ATTR|_MAD_CONF|\bVM_MAD|\bHOOK)$")
"""Attributes that oned.conf has many of: the first is not the one that somebody means."""

_OWN_ATTRIBUTES = {
    "DB": "use the db_… keys",
    "FEDERATION": "SERVER_ID is the zone's matter",
    "RAFT_LEADER_HOOK": "use leader_hook, and the one_vip… keys",
    "RAFT_FOLLOWER_HOOK": "use follower_hook, and the one_vip… keys",
    "ONEGATE_ENDPOINT": "use gate_endpoint",
}


def _front_end_faults(given: Mapping[str, Any]) -> Iterator[str]:
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    count = len(front_ends)
    if count > 1 and count % 2 == 0:
        yield of(
            "frontends",
            f"{count} front-ends tolerate no more failures than {count - 1};"
            f" list {count - 1} or {count + 1}",
        )
    for name in sorted(set(given.get("lost", [])) & set(front_ends)):
        yield of(f"frontends.{name}", "named under lost, too; take it off one of them")
    seen: dict[ipaddress.IPv4Address, str] = {}
    for name, one in sorted(front_ends.items()):
        if one.address in seen:
            yield of(
                f"frontends.{name}.address", f"{one.address} is the address of {seen[one.address]}"
            )
        seen[one.address] = name
        if name == "localhost" or one.address.is_loopback:
            yield of(f"frontends.{name}", "expected a name and address that the others can use")


def _vip_faults(given: Mapping[str, Any]) -> Iterator[str]:
    names = ("one_vip", "one_vip_cidr", "one_vip_if")
    if any(name not in given for name in names):
        return
    front_ends: Mapping[str, FrontEnd] = given.get("frontends", {})
    of_their_own = {name for name, one in front_ends.items() if one.one_vip_if}
    missing = [name for name in names if given[name] is None]
    if missing == ["one_vip_if"] and front_ends and len(of_their_own) == len(front_ends):
        missing = []
    if 0 < len(missing) < len(names):
        for name in missing:
            yield of(name, "missing; one_vip, one_vip_cidr and one_vip_if go together")
    first, prefix = given["one_vip"], given["one_vip_cidr"]
    if first is not None and prefix is not None:
        yield from _address_faults("one_vip", first, prefix, front_ends, of_their_own)
    further: list[FurtherVip] = given.get("one_vips", [])
    if further and first is None:
        yield of("one_vips", "expected the first of them as one_vip")
    seen = {first}
    for one in further:
        if one.address in seen:
            yield of("one_vips", f"{one.address} is there twice")
        seen.add(one.address)
        for name in sorted(one.interfaces.keys() - front_ends.keys() if front_ends else ()):
            yield of("one_vips", f"{one.address} has an interface of {name}, not in frontends")
        elsewhere = set(front_ends) if one.interface else of_their_own | set(one.interfaces)
        yield from _address_faults("one_vips", one.address, one.cidr, front_ends, elsewhere)


def _leader_faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Of what is about who leads, where nobody does."""
    front_ends = given.get("frontends")
    check: LeaderCheck = given.get("leader_check", LeaderCheck())
    if check.port in ports.TAKEN:
        yield of("leader_check.port", f"{check.port} is a port of OpenNebula's own")
    if not front_ends or given.get("force_ha") or len(front_ends) > 1:
        return
    wanted = {
        "one_vip": given.get("one_vip"),
        "zone_endpoint": given.get("zone_endpoint"),
        "leader_check": check.port,
    }
    for key, value in wanted.items():
        if value is not None:
            yield of(key, "one front-end alone has no leader; set force_ha: true, or remove it")


def _address_faults(
    key: str,
    vip: IPAddress,
    prefix: int,
    front_ends: Mapping[str, FrontEnd],
    elsewhere: Collection[str],
) -> Iterator[str]:
    """Of one VIP; ``elsewhere``: the front-ends that have it on an interface of its own."""
    if prefix > vip.max_prefixlen:
        length = "one_vip_cidr" if key == "one_vip" else key
        yield of(length, f"{prefix} is no prefix of {vip}: expected at most {vip.max_prefixlen}")
        return
    if (
        vip.is_link_local
        or vip.is_loopback
        or vip.is_multicast
        or vip.is_unspecified
        or (isinstance(vip, ipaddress.IPv6Address) and vip.ipv4_mapped)
    ):
        yield of(key, f"expected an address that clients can use, not {vip}")
        return
    network = ipaddress.ip_network(f"{vip}/{prefix}", strict=False)
    if (
        vip.version == 4
        and prefix < 31
        and vip in (network.network_address, network.broadcast_address)
    ):
        yield of(key, f"{vip} is the network's or broadcast address of {network}")
    for name, one in sorted(front_ends.items()):
        if one.address == vip:
            yield of(key, f"{vip} is the address of {name}; expected a free one")
        elif vip.version == 4 and one.address not in network and name not in elsewhere:
            place = f"frontends.{name}.one_vip_if" if key == "one_vip" else "its interface"
            yield of(
                key,
                f"{vip}/{prefix} is not in a subnet with {name} at {one.address}; where the VIP is"
                f" on another interface, say so in {place}",
            )
