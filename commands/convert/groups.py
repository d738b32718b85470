"""The groups of an inventory, and which of their variables apply to a host. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commands.convert.inventory import InventoryError

Vars = dict[str, Any]


@dataclass
class Group:
    """A group, as the inventory itself describes it."""

    hosts: dict[str, Vars] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    variables: Vars = field(default_factory=dict)


class Groups:
    """All groups, with the variables of group_vars and host_vars."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {"all": Group(), "ungrouped": Group()}
        self.of_groups: dict[str, Vars] = {}
        self.of_hosts: dict[str, Vars] = {}

    def __getitem__(self, name: str) -> Group:
        """Return that group, which is created if it does not exist."""
        return self.groups.setdefault(name, Group())

    def members(self) -> dict[str, tuple[str, ...]]:
        """Return each group's hosts, those of its children included."""
        return {
            name: tuple(sorted(self._members(name, set()), key=_natural)) for name in self.groups
        }

    def variables(self) -> dict[str, Vars]:
        """Return each host's variables, with Ansible's precedence."""
        depths, members = self._depths(), self.members()
        hosts = sorted({host for names in members.values() for host in names}, key=_natural)
        return {host: self._of(host, members, depths) for host in hosts}

    def idle(self) -> dict[str, frozenset[str]]:
        """Return the keys of groups and host_vars that apply to no host, by their place."""
        members = self.members()
        hosts = {host for names in members.values() for host in names}
        found = {
            name: self.groups[name].variables
            for name in members
            if name != "all" and not members[name]
        }
        found |= {
            f"group_vars/{name}": variables
            for name, variables in self.of_groups.items()
            if name not in ("all", "ungrouped") and not members.get(name)
        }
        found |= {
            f"host_vars/{name}": variables
            for name, variables in self.of_hosts.items()
            if name not in hosts
        }
        return {place: frozenset(variables) for place, variables in found.items() if variables}

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self.groups, 1)
        depths["all"] = 0
        for _ in range(len(self.groups)):
            for name, group in self.groups.items():
                for child in group.children - {"all"}:
                    depths[child] = max(depths[child], depths[name] + 1)
            if max(depths.values()) > len(self.groups):
                raise InventoryError("the groups of the inventory are children of each other")
        return depths

    def _members(self, name: str, above: set[str]) -> set[str]:
        if name in above:
            raise InventoryError(f"group {name} is a child of itself")
        group = self.groups[name]
        found = set(group.hosts)
        for child in group.children:
            found |= self._members(child, above | {name})
        return found

    def _of(
        self, host: str, members: Mapping[str, tuple[str, ...]], depths: Mapping[str, int]
    ) -> Vars:
        def order(name: str) -> tuple[int, int, str]:
            priority = self.groups[name].variables.get("ansible_group_priority", 1)
            return depths[name], priority if isinstance(priority, int) else 1, name

        mine = sorted((n for n in self.groups if n != "all" and host in members[n]), key=order)
        found: Vars = {"inventory_hostname": host, **self.groups["all"].variables}
        for name in mine:
            found |= self.groups[name].variables
        found |= self.of_groups.get("all", {})
        for name in mine:
            found |= self.of_groups.get(name, {})
        for name in ("all", *mine):
            found |= self.groups[name].hosts.get(host, {})
        return found | self.of_hosts.get(host, {})


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort n2 before n10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
        if part
    ]
