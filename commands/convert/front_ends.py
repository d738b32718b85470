"""The front-ends of an inventory: names, addresses, login and interfaces. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from commands.convert import login
from commands.convert.conversion import Answer
from commands.convert.inventory import Inventory, InventoryError
from commands.convert.source import Source, short, unique
from settings.forms import said


def names_of(inventory: Inventory, group: str = "") -> tuple[str, ...]:
    """Return the hosts that are front-ends. Raises InventoryError if there are none."""
    named = {
        variables["frontend_group"]
        for variables in inventory.hosts.values()
        if isinstance(variables.get("frontend_group"), str)
    }
    group = group or (named.pop() if len(named) == 1 else "frontend")
    if found := inventory.groups.get(group):
        return found
    there = ", ".join(sorted(inventory.groups)) or "none"
    raise InventoryError(
        f"expected the front-ends in the group {group}, saw no hosts in it (groups: {there});"
        " name their group: make convert … GROUP=NAME"
    )


def convert(source: Source) -> None:
    """Map the front-ends, and the keys of single front-ends."""
    keys = _keys(source)
    source.made.config["frontends"] = {key: _entry(source, name, key) for name, key in keys.items()}
    login.convert(source, keys)
    _interfaces(source, keys)
    _count(source)


def _keys(source: Source) -> dict[str, str]:
    """Return each host's name in the stack. A host that has only an address gets a name."""
    keys: dict[str, str] = {}
    for name in source.names:
        keys[name] = name
        if re.fullmatch(r"[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*", name):
            keys[name] = f"frontend{len(keys)}"
            source.made.ask(
                f"host {name}",
                f"the inventory has only its address, so it is called {keys[name]} in the stack:"
                " choose the name by which the other front-ends are to know it. If the zone has it"
                " under another address, add its NAME in onezone show 0 as zone_server",
            )
    return keys


def _entry(source: Source, name: str, called: str) -> dict[str, Any]:
    made, variables = source.made, source.variables[name]
    source.of_each("ansible_host", "ansible_ssh_host")
    old, new = variables.get("ansible_ssh_host"), variables.get("ansible_host")
    if old is not None and new is not None:
        if old == new:
            made.needless(f"ansible_ssh_host of {name}", "the same as ansible_host")
        else:
            made.ask(
                f"ansible_ssh_host of {name}",
                f"differs from ansible_host ({short(new)}), which is used",
            )
    address, origin = name, f"host {name}"
    for key in ("ansible_ssh_host", "ansible_host"):
        if variables.get(key) is not None:
            address, origin = variables[key], f"{key} of {name}"
    if not source.usable(origin, address):
        return {}
    made.taken.append(Answer(origin, f"frontends.{called}.address: {said(str(address))}"))
    if not re.fullmatch(r"\d+(\.\d+){3}", str(address)):
        made.ask(
            origin,
            f"{said(str(address))} is not an IPv4 address: write the one that the other front-ends"
            f" use, such as getent ahostsv4 {said(str(address))} prints",
        )
    return {"address": str(address)}


def _interfaces(source: Source, keys: Mapping[str, str]) -> None:
    found = source.of_each("one_vip_if")
    if not source.has_vip or not found:
        return
    unusable = [item for item in unique(found.values()) if not source.usable("one_vip_if", item)]
    if unusable:
        return
    texts = {name: str(interface) for name, interface in found.items()}
    source.made.take_usual("one_vip_if", texts, keys)


def _count(source: Source) -> None:
    count = len(source.names)
    if count > 1 and count % 2 == 0:
        source.made.config["allow_even"] = True
        source.made.ask(
            "group frontend",
            f"{count} front-ends tolerate no more failures than {count - 1}: allow_even accepts"
            " them, so that a zone that runs can be adopted as it is. Afterwards add or remove a"
            " front-end, and remove allow_even; do so at once if no zone runs yet",
        )
    if count > 1 and not source.has("one_vip"):
        source.made.ask(
            "one_vip",
            "missing: set the three one_vip keys, or see Without a VIP in docs/config.md",
        )
    if not source.has_vip:
        source.made.ask(
            "force_ha",
            "one front-end without force_ha stays standalone: set force_ha: true, or add two more"
            " front-ends, to convert it to an HA zone",
        )
