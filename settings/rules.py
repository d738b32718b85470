"""Check what must hold between the keys of a stack's config. Pure: settings in, faults out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from opennebula import conf, managed_settings, ports
from opennebula.ldap_auth import CHOICES
from settings.addresses import front_end_faults, leader_faults, vip_faults
from settings.faults import of, repeated
from settings.forms import PUBLIC_KEY, said
from settings.model import Settings
from settings.shares import storage_faults


def contradictions(config: Settings) -> Iterator[str]:
    """Yield the faults between keys whose own values are valid.

    Only these are in ``model_fields_set`` of the config; the others have their defaults, and
    ``frontends`` is empty.
    """
    yield from front_end_faults(config)
    yield from vip_faults(config)
    yield from leader_faults(config)
    if config.db_backend == "SQLite" and config.highly_available:
        yield of(
            "db_backend",
            "SQLite cannot be replicated; set MariaDB, with convert_database: true if there are"
            " data, or use one front-end without force_ha",
        )
    password = config.db_password
    are_valid = {"db_backend", "db_password"} <= config.model_fields_set
    if are_valid and config.db_backend == "MariaDB" and password is None:
        yield of("db_password", "missing; pulumi config set --secret db_password")
    yield from _backup_faults(config)
    yield from _ssh_faults(config)
    yield from _secret_faults(config)
    token = config.one_token
    # Of a text that is no line, _secret_faults says so.
    if token is not None and not re.fullmatch(r"(?s)[^\s:]+:\S+|.*\n.*", token.get_secret_value()):
        yield of("one_token", "expected user:password without blanks, as in the customer's e-mail")
    if password is not None and not conf.expressible(password.get_secret_value()):
        yield of("db_password", _INEXPRESSIBLE)
    if "oneadmin" in config.ensure_keys_for:
        yield of("ensure_keys_for", "oneadmin's keys belong to the zone: remove it from the list")
    yield from _command_faults(config)
    yield from storage_faults(config)
    yield from _attributes_faults("oned", config.oned)
    yield from _attributes_faults("sched_rank", config.sched_rank)
    yield from _listen_faults(config)
    for name, value in sorted(config.sched_drs.items()):
        if _has_null(value):
            yield of(f"sched_drs.{name}", "expected a value, not null; remove the key instead")
    yield from _service_faults(config)
    yield from _ssl_faults(config)
    yield from _auth_faults(config)


def _backup_faults(config: Settings) -> Iterator[str]:
    backup = config.backup
    if backup.schedule is not None:
        if config.db_backend == "SQLite":
            yield of("backup", "SQLite is not dumped; set db_backend: MariaDB")
        return
    for name, value in (("keep", backup.keep), ("copy_to", backup.copy_to)):
        if value is not None:
            yield of(f"backup.{name}", "there is no backup.schedule; set it, such as daily")


def _ssh_faults(config: Settings) -> Iterator[str]:
    ssh, front_ends = config.ssh, config.frontends
    if ssh.private_key is not None and ssh.private_key_file is not None:
        yield of("ssh", "private_key and private_key_file exclude each other")
    if not _is_line(ssh.sudo_password):
        yield of("ssh.sudo_password", _ONE_LINE)
    if "\n" in str(ssh.private_key_file):
        yield of("ssh.private_key_file", "expected the path of a key, not the key itself")
    for name, key in sorted(ssh.host_keys.items()):
        if front_ends and name not in front_ends:
            yield of(f"ssh.host_keys.{name}", "no such front-end in frontends")
        if not PUBLIC_KEY.fullmatch(key):
            yield of(
                f"ssh.host_keys.{name}",
                "expected a public key as ssh-keyscan prints it after the name, such as"
                f" ssh-ed25519 AAAA…, saw {said(key)}",
            )
    users = {"ssh.user": ssh.user}
    for name, front_end in sorted(front_ends.items()):
        if front_end.ssh.user is not None:
            users[f"frontends.{name}.ssh.user"] = front_end.ssh.user
        address = front_end.ssh.address
        if address is not None and not re.fullmatch(r"[A-Za-z0-9:][A-Za-z0-9.:-]*", address):
            yield of(
                f"frontends.{name}.ssh.address",
                "expected an address or a host name, such as n1a1.mgmt.example.org, saw"
                f" {said(address)}",
            )
    for key_path, user in sorted(users.items()):
        if not re.fullmatch(r"[^\s-]\S*", user):
            yield of(key_path, f"expected a user of the hosts, such as ubuntu, saw {said(user)}")


_ONE_LINE = "expected one line of printable characters, not empty"


def _is_line(secret: SecretStr | None) -> bool:
    """Tell whether a secret is one line, or not set."""
    text = "not set" if secret is None else secret.get_secret_value()
    return bool(text) and text.isprintable()


def _secret_faults(config: Settings) -> Iterator[str]:
    for name in ("one_pass", "db_password", "one_token"):
        if not _is_line(getattr(config, name, None)):
            yield of(name, _ONE_LINE)
    password = getattr(config, "one_pass", SecretStr("")).get_secret_value()
    if " " in password or len(password.encode()) > 256:
        yield of("one_pass", "OpenNebula allows no spaces in a password, and at most 256 bytes")


def _command_faults(config: Settings) -> Iterator[str]:
    for name, times in repeated(command.name for command in config.commands):
        yield of("commands", f"{name} is listed {times} times; expected each name once")
    for command in config.commands:
        for host in sorted({*command.hosts} - {*config.frontends} if config.frontends else ()):
            yield of("commands", f"{command.name} names {host}, which is not in frontends")


_INEXPRESSIBLE = "oned.conf cannot hold ]]> or a backslash at the end"


def _attributes_faults(of_file: str, values: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for name, value in sorted(values.items()):
        key = f"{of_file}.{name}"
        if of_file == "oned" and name.upper() in _OWN_ATTRIBUTES:
            yield of(key, "set by this program itself; " + _OWN_ATTRIBUTES[name.upper()])
        if name.upper() in seen:
            yield of(key, "given twice: upper and lower case do not differ")
        seen.add(name.upper())
        if (entries := managed_settings.entries(value)) is not None:
            yield from _entries_faults(key, entries)
        elif _REPEATED.search(key.upper()) and value is not None:
            yield of(key, "oned.conf has several: expected a list, or an object with its NAME")
        for entry in value if isinstance(value, list) else [value]:
            for part, item in entry.items() if isinstance(entry, Mapping) else [("", entry)]:
                if item is not None and not conf.expressible(item):
                    yield of(f"{key}.{part}".rstrip("."), _INEXPRESSIBLE)


def _listen_faults(config: Settings) -> Iterator[str]:
    for name, value in sorted(config.oned.items()):
        if name.upper() == "PORT" and str(value) not in ("None", str(ports.ONED)):
            yield of(
                f"oned.{name}",
                f"expected {ports.ONED}, at which servers, services and clients call oned",
            )
        is_listen_address = name.upper() == "LISTEN_ADDRESS" and config.highly_available
        if is_listen_address and _LOOPBACK.fullmatch(str(value)):
            yield of(
                f"oned.{name}",
                "expected an address at which the other front-ends reach oned, such as 0.0.0.0",
            )


_LOOPBACK = re.compile(r"127\..*|::1|localhost")


def _service_faults(config: Settings) -> Iterator[str]:
    for entry in config.ntp:
        if not any(value for _, value in entry):
            yield of("ntp", "expected timezone, locale, pool or server in each entry")
    for proxy in config.gate_tproxy:
        if not _are_symbols(proxy):
            yield of("gate_tproxy", "expected keys such as :service_port, each with a value")


def _ssl_faults(config: Settings) -> Iterator[str]:
    ssl = config.ssl
    if ssl.is_on and not config.features.gui:
        yield of("ssl", "FireEdge is off: set features.gui: true, or remove ssl")
    key, certchain = ssl.paths
    if key == certchain:
        yield of("ssl", f"expected key and certchain in two files, saw {key} for both")
    # They are written then, over whatever is there.
    for name, path, example in (
        ("key", key, "/etc/ssl/private/one.key"),
        ("certchain", certchain, "/etc/ssl/certs/one.crt"),
    ):
        if ssl.generate_cert and (not path.endswith(_PEM) or path.endswith(_OF_OTHERS)):
            yield of(
                f"ssl.{name}",
                f"expected a file of its own, such as {example}, since it is created; saw {path}",
            )


_PEM = (".key", ".pem", ".crt", ".cer", ".cert")
_OF_OTHERS = ("/ca-certificates.crt", "/ca-bundle.crt", "/ca-bundle.pem", "/ca.key", "/ca.crt")
"""The system's list of certificate authorities, and our own authority."""


def _auth_faults(config: Settings) -> Iterator[str]:
    auth = config.auth
    servers, choice = auth.ldap.servers, auth.ldap.choice
    for name, server in sorted(servers.items()):
        key_path = f"auth.ldap.config.{name}"
        if not server or not _are_symbols(server):
            yield of(key_path, "expected keys such as :host and :base, each with a value")
    if auth.default == "ldap" and not servers:
        yield of("auth.ldap.config", "missing; auth.default is ldap: expected a server")
    if servers and len(choice) != 1:
        yield of("auth.ldap.config", f"expected one of {' and '.join(CHOICES)} with the servers")
    for name in sorted(set(_words(choice)) - set(servers) if servers else ()):
        yield of(f"auth.ldap.config.{next(iter(choice))}", f"{name} is not one of the servers")
    files = [str(server.get(":mapping_filename", "")) for server in servers.values()]
    for name in sorted(auth.ldap.mapping):
        file = str(servers.get(name, {}).get(":mapping_filename", ""))
        if not re.fullmatch(r"[A-Za-z0-9_.-]+\.yaml", file) or files.count(file) != 1:
            yield of(
                f"auth.ldap.mapping.{name}",
                "expected a server of that name with a :mapping_filename of its own, such as"
                f" {name}.yaml",
            )
    for name, value in config.oned.items() if auth.default == "ldap" else ():
        if name.upper() == "DEFAULT_AUTH":
            yield of(f"oned.{name}", "also set by auth.default; remove one of them")
        listed = value.get("AUTHN", "ldap") if isinstance(value, Mapping) else "ldap"
        if name.upper() == "AUTH_MAD" and "ldap" not in str(listed):
            yield of(f"oned.{name}.AUTHN", "expected ldap in the list: auth.default is ldap")


def _words(choice: Mapping[str, Any]) -> Iterator[str]:
    """Yield the servers that a choice names, at any depth."""
    for value in choice.values():
        listed = list(value.values()) if isinstance(value, Mapping) else value
        for entry in listed if isinstance(listed, list) else [listed]:
            yield from (str(name) for name in (entry if isinstance(entry, list) else [entry]))


def _are_symbols(entry: Mapping[str, Any]) -> bool:
    """Tell whether all keys are symbols of Ruby, each with a value."""
    return all(key.startswith(":") for key in entry) and not _has_null(entry)


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
        removed = managed_settings.is_removal(entry)
        if not removed and _REPEATED.search(key.upper()) and values == isinstance(entry, Mapping):
            yield of(key, f"expected a list of {'values' if values else 'objects'}")
            continue
        known_by = managed_settings.known_by(entry)
        if not known_by:
            yield of(key, "expected a NAME in each object of the list, or remove: NAME")
        elif known_by in seen:
            yield of(key, f"{known_by} is listed twice")
        seen.add(known_by)


_REPEATED = re.compile(r"(_ATTR|_MAD_CONF|\bVM_MAD|\bHOOK)$")
"""Attributes that oned.conf has several of, so that a single value is ambiguous."""

_OWN_ATTRIBUTES = {
    "DB": "use the db_… keys",
    "FEDERATION": "the zone sets SERVER_ID",
    "RAFT_LEADER_HOOK": "use leader_hook, and the one_vip… keys",
    "RAFT_FOLLOWER_HOOK": "use follower_hook, and the one_vip… keys",
    "ONEGATE_ENDPOINT": "use gate_endpoint",
}
