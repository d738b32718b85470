"""Convert Ansible's login settings to the stack's keys for SSH. Pure."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from commands.convert import ssh_args
from commands.convert.conversion import Conversion
from commands.convert.inventory import unread
from commands.convert.source import Source

ALIASES = {
    "ansible_ssh_pass": "ansible_password",
    "ansible_become_pass": "ansible_become_password",
    "ansible_sudo_pass": "ansible_become_password",
    "ansible_sudo": "ansible_become",
}
"""Ansible's older names."""
OTHER_NAMES = {
    "ansible_ssh_host": "ansible_host",
    "ansible_ssh_user": "ansible_user",
    "ansible_ssh_port": "ansible_port",
    "ansible_private_key_file": "ansible_ssh_private_key_file",
    "connection": "ansible_connection",
}
"""Names that mean the same as another one, and are answered under that."""
_ARGS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args", "ssh_common_args")
_USER = ("ansible_user", "ansible_ssh_user")
_PORT = ("ansible_port", "ansible_ssh_port")
_KEY = ("ansible_ssh_private_key_file", "ansible_private_key_file")


def convert(source: Source, keys: Mapping[str, str]) -> None:
    """Map the keys about SSH; ``keys`` has each host's name in the stack."""
    made = source.made
    _usual(source, keys, _USER, "user")
    _usual(source, keys, _PORT, "port")
    _key_file(source)
    for name in _ARGS:
        found = source.of_each(name)
        for value, hosts in _by_value(found).items():
            if source.usable(name, found[hosts[0]]):
                whom = "" if len(hosts) == len(source.names) else f" of {', '.join(hosts)}"
                _args(source, f"{name}{whom}", value)
    for host, value in source.of_each("ansible_connection", "connection").items():
        if value == "local":
            made.ask(
                f"ansible_connection of {host}",
                "Ansible runs on the front-end itself, but the stack needs SSH to it: authorize"
                " your key there, or run this program on another computer",
            )
        else:
            made.needless(f"ansible_connection of {host}", "the connection is always SSH")


def _by_value(found: Mapping[str, Any]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for host, value in found.items():
        values.setdefault(value if isinstance(value, str) else str(value), []).append(host)
    return values


def _usual(source: Source, keys: Mapping[str, str], names: tuple[str, ...], part: str) -> None:
    """Map one value for all hosts, and the values of hosts with another one."""
    made, name = source.made, names[0]
    found = {
        host: value
        for host, value in source.of_each(*names).items()
        if source.usable(f"{name} of {host}", value)
    }
    if part == "port":
        for host, value in list(found.items()):
            if not re.fullmatch(r"\d+", str(value)):
                made.ask(f"{name} of {host}", "not converted: expected a port, such as 22")
                del found[host]
    missing = [host for host in source.names if host not in source.of_each(*names)]
    if missing and part == "port" and found:
        found |= dict.fromkeys(missing, 22)
    elif missing and part == "user":
        whom = "" if len(missing) == len(source.names) else f" for {', '.join(missing)}"
        made.ask(
            name,
            f"missing{whom}: Ansible uses your own account or ~/.ssh/config, the stack uses"
            f" {'that of the others' if found else 'root'} unless you set ssh.user",
        )
    if found:
        texts = {host: int(item) if part == "port" else str(item) for host, item in found.items()}
        made.take_usual(f"ssh.{part}", texts, keys, source=name)


def _key_file(source: Source) -> None:
    found = source.of_each(*_KEY)
    values = _by_value(found)
    if len(values) > 1:
        source.made.ask(
            _KEY[0],
            f"not converted: differs between front-ends ({source.seen(found)}), but the stack has"
            " one key. Load them into an SSH agent (ssh-add), or authorize one of them everywhere",
        )
    elif values:
        value = next(iter(found.values()))
        if source.usable(_KEY[0], value):
            _take_key(source.made, _KEY[0], str(value))


def _take_key(made: Conversion, source: str, path: str) -> None:
    if not PurePosixPath(path).is_absolute() and not path.startswith("~"):
        made.ask(
            source,
            f"{path} is a relative path, which the stack resolves in this project's folder: make it"
            " absolute",
        )
    made.take("ssh.private_key_file", path, source=source)


def _args(source: Source, name: str, value: str) -> None:
    made = source.made
    if not value.strip():
        made.needless(name, "it is empty")
        return
    found = ssh_args.parse(value)
    _way(source, name, found)
    if found.key_file:
        _take_key(made, name, found.key_file)
    for part, given in (("known_hosts_file", found.known_hosts), ("user", found.user)):
        if given:
            made.take(f"ssh.{part}", given, source=name)
    if found.port.isdigit():
        made.take("ssh.port", int(found.port), source=name)
    if found.forward_agent:
        made.ask(
            name,
            "agent forwarding is not converted: the program does not need it. To allow it for"
            " transfers between front-ends, set ssh.forward_agent: true",
        )
    if found.unverified:
        made.needless(
            name,
            "host keys are always verified: add them to known_hosts or ssh.host_keys, or set"
            " ssh.accept_new_host_keys: true to trust the first key of each host",
        )
    if found.idle:
        made.needless(name, f"{', '.join(found.idle)}: this program has its own SSH client")
    for item in found.unknown:
        made.ask(name, f"{item}: there is no key for this; docs/config.md lists the ssh keys")


def _way(source: Source, name: str, found: ssh_args.SshArgs) -> None:
    """Map the jump hosts."""
    hops = found.hops
    if found.config_file and not hops:
        bastions = source.inventory.groups.get("bastion", ())
        if bastions and "bastion" in found.config_file:
            hops = [bastions[0]]
        else:
            source.made.take("ssh.config_file", found.config_file, source=name)
    if hops:
        way = [_bastion(source, name, hop) for hop in hops]
        if all(way):
            source.made.take("ssh.bastion", ",".join(way), source=name)


def _bastion(source: Source, name: str, hop: str) -> str:
    """Return the jump host for the stack; a host of the inventory by its address.

    Empty, with a decision for the user, if what the inventory has of it cannot be read or shown.
    """
    user, _, rest = hop.rpartition("@")
    host, _, port = rest.partition(":")
    variables = source.inventory.hosts.get(host)
    if variables is not None:
        address = variables.get("ansible_host") or variables.get("ansible_ssh_host") or host
        known = [address, variables.get("ansible_user"), variables.get("ansible_port")]
        if unread(known) or source.inventory.is_secret(known):
            source.made.ask(
                name,
                f"the jump host {host} has a user, an address or a port that is encrypted, or a"
                " template without a value: set ssh.bastion",
            )
            return ""
        user = user or str(variables.get("ansible_user") or "")
        port = port or str(variables.get("ansible_port") or "")
        if host in source.names or any(
            source.inventory.hosts[item].get("ansible_host") == address for item in source.names
        ):
            source.made.ask(
                name,
                f"the jump host {host} is a front-end: while it is down, the others cannot be"
                " reached. Use another host",
            )
        host = str(address)
    elif "{{" in host or "%" in host:
        source.made.ask(name, f"the jump host {host} is not a host name: set ssh.bastion")
    return f"{f'{user}@' if user else ''}{host}{f':{port}' if port else ''}"
