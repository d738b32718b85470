"""Read inventories without Ansible: YAML and INI, folders, group_vars, host_vars, vaults.

Variables have Ansible's precedence. In templates, only names of variables are replaced.
"""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.convert import vault
from commands.convert.formats import host_range, literal, load, looks_like_ini
from commands.convert.groups import Groups, Vars
from commands.convert.inventory import Inventory, InventoryError, texts
from commands.convert.templates import SEALED, Values

_IGNORED = tuple(
    "~ .orig .bak .cfg .retry .pyc .pyo .swp .md .rst .txt .rpm .py .sh .crt .key .pem".split()  # noqa: SIM905
)
"""Endings of files that are not inventories, in a folder of inventories."""
_VARS = ("group_vars", "host_vars")
_YAML = (".yml", ".yaml", ".json")
_DEEPEST = 20
"""Nesting of groups in one file."""
_MAGIC = ("inventory_hostname", "ansible_group_priority")


class _Reading:
    """An inventory that is being read, from files to hosts' variables."""

    def __init__(self, passwords: Sequence[str]) -> None:
        self.values = Values(passwords)
        self.groups = Groups()
        self.notes: list[str] = []

    def source(self, path: Path) -> None:
        if path.is_dir():
            for entry in sorted(path.iterdir()):
                if _is_read(entry) and entry.name not in _VARS and not entry.is_dir():
                    self._file(entry)
        else:
            self._file(path)
        self._variables(path if path.is_dir() else path.parent)

    def _file(self, path: Path) -> None:
        text = _text(path)
        if text.startswith("#!") or (os.access(path, os.X_OK) and path.suffix == ""):
            raise InventoryError(
                f"{path}: a program that prints an inventory. Convert what it prints:"
                f" ansible-inventory -i {path} --list --yaml --output inventory.yml"
            )
        if vault.is_sealed(text):
            text = self._open(text, path)
            if not text:
                return
        if path.suffix in _YAML or (not path.suffix and not looks_like_ini(text)):
            self._yaml(text, path)
        else:
            self._ini(text, path)

    def _open(self, text: str, path: Path) -> str:
        """Return the text of an encrypted file; empty, with a note, without a password."""
        if not self.values.passwords:
            self.notes.append(f"{path}: {SEALED}")
            return ""
        text = vault.opened(text, self.values.passwords, str(path))
        self.values.secrets |= set(texts(load(text, path)))
        return text

    def _variables(self, folder: Path) -> None:
        for kind, found in zip(_VARS, (self.groups.of_groups, self.groups.of_hosts), strict=True):
            for path in sorted((folder / kind).iterdir()) if (folder / kind).is_dir() else ():
                if not _is_read(path):
                    continue
                name = path.stem if path.suffix in _YAML else path.name
                inside = filter(Path.is_file, sorted(path.rglob("*"))) if path.is_dir() else [path]
                for file in filter(_is_read, inside):
                    found.setdefault(name, {}).update(self._vars_file(file))

    def _vars_file(self, path: Path) -> Vars:
        text = _text(path)
        if vault.is_sealed(text):
            text = self._open(text, path)
        found = load(text, path)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise InventoryError(f"{path}: expected variables, each as KEY: VALUE")
        return {str(key): value for key, value in found.items()}

    def _yaml(self, text: str, path: Path) -> None:
        found = load(text, path)
        if not isinstance(found, dict):
            raise InventoryError(
                f"{path}: expected groups, each with hosts, children or vars, such as"
                " frontend: {hosts: {n1a1: {ansible_host: 10.2.50.10}}}"
            )
        if isinstance(found.get("plugin"), str):
            raise InventoryError(
                f"{path}: an inventory of the plugin {found['plugin']}. Convert what it returns:"
                f" ansible-inventory -i {path} --list --yaml --output inventory.yml"
            )
        for name, body in found.items():
            self._yaml_group(str(name), body, path, 0)

    def _yaml_group(self, name: str, body: Any, path: Path, depth: int) -> None:
        group = self.groups[name]
        if body is None:
            return
        if not isinstance(body, dict) or depth > _DEEPEST:
            raise InventoryError(f"{path}: group {name}: expected hosts, children or vars")
        for part, content in body.items():
            if part not in ("hosts", "children", "vars"):
                self.notes.append(
                    f"{path}: {part} of group {name}, which is not hosts, children or vars: Ansible"
                    " ignores it, too"
                )
                continue
            entries = content if content is not None else {}
            # Ansible accepts a single name, and old inventories have lists of names.
            names = [entries] if isinstance(entries, str) else entries
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                entries = dict.fromkeys(names)
            if not isinstance(entries, dict):
                raise InventoryError(f"{path}: {part} of group {name}: expected an object")
            for key, value in entries.items():
                if part == "vars":
                    group.variables[str(key)] = value
                elif part == "children":
                    group.children.add(str(key))
                    self._yaml_group(str(key), value, path, depth + 1)
                elif value is None or isinstance(value, dict):
                    for host in host_range(str(key), path):
                        variables = {str(k): v for k, v in (value or {}).items()}
                        group.hosts.setdefault(host, {}).update(variables)
                else:
                    raise InventoryError(
                        f"{path}: host {key} of group {name}: expected its variables, such as"
                        " {ansible_host: 10.2.50.10}"
                    )

    def _ini(self, text: str, path: Path) -> None:
        name, part = "ungrouped", "hosts"
        for number, raw in enumerate(text.splitlines(), 1):
            line, where = raw.strip(), f"{path} line {number}"
            if not line or line[0] in "#;":
                continue
            if section := re.fullmatch(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?", line):
                name, part = section[1], section[2] or "hosts"
                if part not in ("hosts", "vars", "children"):
                    raise InventoryError(f"{where}: expected :vars or :children, saw :{part}")
                self.groups[name]
            elif line.startswith("["):
                raise InventoryError(f"{where}: expected [group], saw {line[:40]}")
            elif part == "vars":
                key, equals, value = line.partition("=")
                if not equals:
                    raise InventoryError(f"{where}: expected KEY=VALUE")
                self.groups[name].variables[key.strip()] = literal(value.strip())
            elif part == "children":
                child = line.split("#")[0].strip()
                self.groups[child]
                self.groups[name].children.add(child)
            else:
                self._ini_host(name, line, where, path)

    def _ini_host(self, group: str, line: str, where: str, path: Path) -> None:
        try:
            first, *rest = shlex.split(line, comments=True)
        except ValueError as error:
            raise InventoryError(f"{where}: a quote that does not end ({error})") from None
        variables: Vars = {}
        for word in rest:
            key, equals, value = word.partition("=")
            if not equals:
                raise InventoryError(f"{where}: expected KEY=VALUE after the host {first}")
            variables[key] = literal(value)
        if port := re.fullmatch(r"([^:\[\]]+|.*\]):([0-9]{1,5})", first):
            first, variables = port[1], {"ansible_port": int(port[2]), **variables}
        for host in host_range(first, path):
            self.groups[group].hosts.setdefault(host, {}).update(variables)

    def inventory(self) -> Inventory:
        hosts = {
            host: {
                key: self.values.filled(value, variables, key)
                for key, value in variables.items()
                if key not in _MAGIC
            }
            for host, variables in self.groups.variables().items()
        }
        return Inventory(
            hosts=hosts,
            groups={
                name: names
                for name, names in self.groups.members().items()
                if name not in ("all", "ungrouped")
            },
            idle=self.groups.idle(),
            parts=frozenset(self.values.parts),
            secrets=frozenset(text for text in self.values.secrets if text),
            notes=tuple(self.notes),
            reader="without Ansible",
        )


def read(path: Path, passwords: Sequence[str]) -> Inventory:
    """Read an inventory, a file or a folder. Raises InventoryError."""
    reading = _Reading(passwords)
    try:
        if not path.exists():
            raise InventoryError(f"{path}: there is no such inventory")
        reading.source(path)
        return reading.inventory()
    except RecursionError:
        raise InventoryError(
            f"{path}: its values contain themselves (an anchor in its own value)"
        ) from None
    except OSError as error:
        raise InventoryError(f"{error.filename or path}: {error.strerror}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InventoryError(f"{path}: expected text in UTF-8") from None


def _is_read(path: Path) -> bool:
    return not path.name.startswith(".") and not path.name.endswith(_IGNORED)
