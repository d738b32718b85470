"""Inventories read without Ansible: YAML and INI, folders, group_vars, host_vars, vaults.

Variables have Ansible's precedence. Of templates only names of variables are filled in.
"""

import ast
import datetime
import os
import re
import shlex
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from commands.convert import vault
from commands.convert.inventory import Inventory, InventoryError, Unread

_IGNORED = tuple(
    "~ .orig .bak .cfg .retry .pyc .pyo .swp .md .rst .txt .rpm .py .sh .crt .key .pem".split()  # noqa: SIM905
)
"""Ends of names that are no inventories in a folder of them."""
_VARS = ("group_vars", "host_vars")
SEALED = "encrypted, and no vault password was given: VAULT=FILE names the file with it"
TEMPLATE = "a template that only Ansible can fill in"
_DEEPEST = 20
_MOST = 4096
"""Hosts of one range: more are a slip."""

Vars = dict[str, Any]


class _Sealed(str):
    """A value that ansible-vault encrypted."""

    __slots__ = ()


@dataclass
class _Group:
    hosts: dict[str, Vars] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    variables: Vars = field(default_factory=dict)


class _Reading:
    """One inventory on its way from files to variables of hosts."""

    def __init__(self, passwords: Sequence[str]) -> None:
        self.passwords = passwords
        self.groups: dict[str, _Group] = {"all": _Group(), "ungrouped": _Group()}
        self.files: dict[str, dict[str, Vars]] = {name: {} for name in _VARS}
        self.secrets: set[str] = set()
        self.parts: set[str] = set()
        self.notes: list[str] = []

    # From files.

    def source(self, path: Path) -> None:
        if path.is_dir():
            for entry in sorted(path.iterdir()):
                if entry.name in _VARS or entry.name.startswith(".") or entry.is_dir():
                    continue
                if not entry.name.endswith(_IGNORED):
                    self._file(entry)
        else:
            self._file(path)
        self._variables(path if path.is_dir() else path.parent)

    def _file(self, path: Path) -> None:
        text = _text(path)
        if text.startswith("#!") or (os.access(path, os.X_OK) and path.suffix == ""):
            raise InventoryError(
                f"{path}: a program that prints an inventory; run it, and convert what it prints:"
                f" ansible-inventory -i {path} --list --yaml --output inventory.yml"
            )
        if vault.is_sealed(text):
            text = self._open(text, path)
            if not text:
                return
        if path.suffix in (".yml", ".yaml", ".json") or (
            not path.suffix and not _looks_like_ini(text)
        ):
            self._yaml(text, path)
        else:
            self._ini(text, path)

    def _open(self, text: str, path: Path) -> str:
        """The text of an encrypted file; empty, with a note, without a password."""
        if not self.passwords:
            self.notes.append(f"{path}: {SEALED}")
            return ""
        text = vault.opened(text, self.passwords, str(path))
        self.secrets |= set(_scalars(_load(text, path)))
        return text

    def _variables(self, folder: Path) -> None:
        for kind in _VARS:
            for path in sorted((folder / kind).iterdir()) if (folder / kind).is_dir() else ():
                name = path.stem if path.suffix in (".yml", ".yaml", ".json") else path.name
                if path.name.startswith(".") or path.name.endswith(_IGNORED):
                    continue
                for file in sorted(_below(path)) if path.is_dir() else [path]:
                    self.files[kind].setdefault(name, {}).update(self._vars_file(file))

    def _vars_file(self, path: Path) -> Vars:
        text = _text(path)
        if vault.is_sealed(text):
            text = self._open(text, path)
        found = _load(text, path)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise InventoryError(f"{path}: expected variables, each as KEY: VALUE")
        return {str(key): value for key, value in found.items()}

    def _yaml(self, text: str, path: Path) -> None:
        found = _load(text, path)
        if not isinstance(found, dict):
            raise InventoryError(
                f"{path}: expected groups, each with hosts, children or vars, such as"
                " frontend: {hosts: {n1a1: {ansible_host: 10.2.50.10}}}"
            )
        if isinstance(found.get("plugin"), str):
            raise InventoryError(
                f"{path}: an inventory of the plugin {found['plugin']}; convert what it gives:"
                f" ansible-inventory -i {path} --list --yaml --output inventory.yml"
            )
        for name, body in found.items():
            self._yaml_group(str(name), body, path, 0)

    def _yaml_group(self, name: str, body: Any, path: Path, depth: int) -> None:
        group = self.groups.setdefault(name, _Group())
        if body is None:
            return
        if not isinstance(body, dict) or depth > _DEEPEST:
            raise InventoryError(f"{path}: group {name}: expected hosts, children or vars")
        for part, content in body.items():
            if part not in ("hosts", "children", "vars"):
                self.notes.append(
                    f"{path}: {part} of group {name} is none of hosts, children and vars: Ansible"
                    " takes no notice of it"
                )
                continue
            entries = content if content is not None else {}
            if isinstance(entries, str | list):
                # Ansible takes a name alone, and so do old inventories a list of them.
                entries = dict.fromkeys([entries] if isinstance(entries, str) else entries)
            if not isinstance(entries, dict):
                raise InventoryError(f"{path}: {part} of group {name}: expected an object")
            for key, value in entries.items():
                if part == "vars":
                    group.variables[str(key)] = value
                elif part == "children":
                    group.children.add(str(key))
                    self._yaml_group(str(key), value, path, depth + 1)
                elif value is None or isinstance(value, dict):
                    for host in _range(str(key), path):
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
                self.groups.setdefault(name, _Group())
            elif line.startswith("["):
                raise InventoryError(f"{where}: expected [group], saw {line[:40]}")
            elif part == "vars":
                key, equals, value = line.partition("=")
                if not equals:
                    raise InventoryError(f"{where}: expected KEY=VALUE")
                self.groups[name].variables[key.strip()] = _literal(value.strip())
            elif part == "children":
                child = line.split("#")[0].strip()
                self.groups.setdefault(child, _Group())
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
            variables[key] = _literal(value)
        if port := re.fullmatch(r"([^:\[\]]+|.*\]):([0-9]{1,5})", first):
            first, variables = port[1], {"ansible_port": int(port[2]), **variables}
        for host in _range(first, path):
            self.groups[group].hosts.setdefault(host, {}).update(variables)

    # From groups to hosts.

    def inventory(self) -> Inventory:
        depths = self._depths()
        members = {name: self._members(name, set()) for name in self.groups}
        hosts = sorted({host for names in members.values() for host in names}, key=_natural)
        merged = {host: self._of(host, members, depths) for host in hosts}
        groups = {
            name: tuple(sorted(names, key=_natural))
            for name, names in members.items()
            if name not in ("all", "ungrouped")
        }
        idle = {name: frozenset(self.groups[name].variables) for name in groups if not groups[name]}
        for kind, known in (
            ("group_vars", {"all", "ungrouped", *groups}),
            ("host_vars", set(merged)),
        ):
            for name, variables in self.files[kind].items():
                if name not in known or (name in groups and not groups[name]):
                    idle[f"{kind}/{name}"] = frozenset(variables)
        found = {
            host: {key: self._filled(value, variables, key) for key, value in variables.items()}
            for host, variables in merged.items()
        }
        return Inventory(
            hosts={
                host: {key: value for key, value in variables.items() if key not in _MAGIC}
                for host, variables in found.items()
            },
            groups=groups,
            idle={name: keys for name, keys in idle.items() if keys},
            parts=frozenset(self.parts),
            secrets=frozenset(text for text in self.secrets if text),
            notes=tuple(self.notes),
            reader="without Ansible",
        )

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self.groups, 1)
        depths["all"] = 0
        for _ in range(len(self.groups)):
            for name, group in self.groups.items():
                for child in group.children - {"all"}:
                    depths[child] = max(depths[child], depths[name] + 1)
            if max(depths.values()) > len(self.groups):
                raise InventoryError("the inventory's groups are children of each other")
        return depths

    def _members(self, name: str, above: set[str]) -> set[str]:
        if name in above:
            raise InventoryError(f"group {name} is a child of itself")
        group = self.groups[name]
        found = set(group.hosts)
        for child in group.children:
            found |= self._members(child, above | {name})
        return found

    def _of(self, host: str, members: Mapping[str, set[str]], depths: Mapping[str, int]) -> Vars:
        def order(name: str) -> tuple[int, int, str]:
            priority = self.groups[name].variables.get("ansible_group_priority", 1)
            return depths[name], priority if isinstance(priority, int) else 1, name

        mine = sorted((n for n in self.groups if n != "all" and host in members[n]), key=order)
        found: Vars = {"inventory_hostname": host, **self.groups["all"].variables}
        for name in mine:
            found |= self.groups[name].variables
        found |= self.files["group_vars"].get("all", {})
        for name in mine:
            found |= self.files["group_vars"].get(name, {})
        for name in ("all", *mine):
            found |= self.groups[name].hosts.get(host, {})
        return found | self.files["host_vars"].get(host, {})

    def _filled(self, value: Any, variables: Vars, key: str, depth: int = 0) -> Any:
        """The value without encryption and templates, as far as that goes."""
        if isinstance(value, _Sealed):
            return self._unsealed(value, key)
        if isinstance(value, dict):
            return {str(k): self._filled(v, variables, key, depth) for k, v in value.items()}
        if isinstance(value, list):
            return [self._filled(item, variables, key, depth) for item in value]
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            for inside in re.findall(r"\{[{%](.*?)[}%]\}", value, re.DOTALL):
                self.parts |= set(re.findall(r"[A-Za-z_]\w*", inside))
            return self._template(value, variables, key, depth)
        return value.isoformat() if isinstance(value, datetime.date) else value

    def _unsealed(self, value: _Sealed, key: str) -> Any:
        if not self.passwords:
            return Unread(SEALED)
        text = vault.opened(value, self.passwords, key)
        self.secrets |= {text, text.rstrip("\n")}
        return text

    def _template(self, text: str, variables: Vars, key: str, depth: int) -> Any:
        if depth > _DEEPEST:
            return Unread("a template that refers to itself", text)
        pieces = re.split(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}", text)
        values: list[Any] = []
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                values.append(piece)
                continue
            if piece not in variables:
                return Unread(f"a template of {piece}, which the inventory does not set", text)
            values.append(self._filled(variables[piece], variables, key, depth + 1))
        if any("{{" in piece or "{%" in piece for piece in pieces[::2]):
            return Unread(TEMPLATE, text)
        if bad := next((one for one in values if isinstance(one, Unread)), None):
            return Unread(bad.why, text)
        if len(values) == 3 and not values[0] and not values[2]:
            return values[1]
        return "".join(str(one) for one in values)


_MAGIC = ("inventory_hostname", "ansible_group_priority")


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
            f"{path}: its values contain themselves (anchors in a circle)"
        ) from None
    except OSError as error:
        raise InventoryError(f"{error.filename or path}: {error.strerror}") from None


def sealed_texts(path: Path, passwords: Sequence[str]) -> frozenset[str]:
    """Every text of the files beside that inventory that are encrypted as a whole."""
    reading = _Reading(passwords)
    folder = path if path.is_dir() else path.parent
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    for kind in _VARS:
        files += sorted(_below(folder / kind))
    for file in files:
        if not file.name.endswith(_IGNORED) and vault.is_sealed(text := _text(file)):
            reading._open(text, file)
    return frozenset(text for text in reading.secrets if text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InventoryError(f"{path}: expected text in UTF-8") from None
    except OSError as error:
        raise InventoryError(f"{path}: {error.strerror}") from None


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_IGNORED):
            yield path


class _Loader(yaml.SafeLoader):
    """YAML as Ansible has it."""


def _sealed(loader: yaml.SafeLoader, node: yaml.Node) -> _Sealed:
    return _Sealed(node.value)


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    return node.value


_Loader.add_constructor("!vault", _sealed)
_Loader.add_constructor("!vault-encrypted", _sealed)
_Loader.add_constructor("!unsafe", _plain)


def _load(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}" if mark else ""
        raise InventoryError(
            f"{path}{where}: this is no YAML: {error.problem or error.context}"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise InventoryError(f"{path}: this is no YAML: {str(error).splitlines()[0]}") from None


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def _looks_like_ini(text: str) -> bool:
    """By its first line that is no comment."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return bool(re.match(r"\[|[^\s:{]+(\s+[A-Za-z_]\w*=|$)", first)) and first != "---"


def _literal(text: str) -> Any:
    """A value of an INI file: Python's literals are what they say, all else is text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float | str | list | dict) else text


def _range(name: str, path: Path) -> Iterator[str]:
    """The hosts that a name stands for: n[1:3] are three, n[a:c] too."""
    found = re.search(r"\[([A-Za-z0-9]*):([A-Za-z0-9]+)(?::([0-9]+))?\]", name)
    if not found:
        yield name
        return
    begin, end, step = found[1] or "0", found[2], int(found[3] or 1)
    names: list[str] = []
    if begin.isdigit() and end.isdigit() and step:
        if int(end) - int(begin) <= _MOST:
            width = len(begin) if begin.startswith("0") else 0
            names = [f"{one:0{width}d}" for one in range(int(begin), int(end) + 1, step)]
    elif len(begin) == len(end) == 1 and step:
        letters = string.ascii_letters
        if begin in letters and end in letters:
            names = list(letters[letters.index(begin) : letters.index(end) + 1 : step])
    if not names:
        raise InventoryError(f"{path}: host {name}: expected a range such as n[1:3]")
    for one in names:
        yield from _range(f"{name[: found.start()]}{one}{name[found.end() :]}", path)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """n2 before n10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
        if part
    ]
