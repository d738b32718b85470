"""Print inventories as Ansible reads them, as JSON: run by the Python that has ansible-core.

A program of its own, which imports nothing of this project: see with_ansible.py. Each line of
standard input is a request: {"source": path, "passwords": [text]}. Its answer is one line, too:
the inventory, or {"error": text}.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.group import Group
from ansible.inventory.host import Host
from ansible.inventory.manager import IGNORED, InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import (
    AnsibleVaultError,
    AnsibleVaultFormatError,
    EncryptedString,
    VaultSecret,
    VaultSecretsContext,
)
from ansible.plugins import inventory as inventory_plugins
from ansible.plugins.loader import inventory_loader
from ansible.release import __version__
from ansible.template import Templar
from ansible.utils.display import Display
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible.vars.plugins import get_vars_from_path
from yaml import MarkedYAMLError

UNREAD = "!unread"
SEALED = "encrypted, and no vault password was given (VAULT=FILE)"
TEMPLATE = "a template that needs facts of the hosts or a playbook"
YAML = constants.YAML_FILENAME_EXTENSIONS
MOST = 4096
"""Hosts in one range: more are a typing error."""
MAGIC = {
    *("ansible_config_file", "ansible_facts", "ansible_group_priority", "ansible_playbook_python"),
    *("ansible_version", "group_names", "groups", "hostvars", "inventory_dir", "inventory_file"),
    *("inventory_hostname", "inventory_hostname_short", "playbook_dir"),
}
"""Variables that every host has."""
ADVICE = "Convert what it returns: ansible-inventory -i {} --list --yaml --output inventory.yml"
VAULT_ERRORS = (AnsibleVaultError, AnsibleVaultFormatError)
VAULT = VaultSecretsContext([])
"""The passwords of the present request."""
VaultSecretsContext.initialize(VAULT)
expand = inventory_plugins.expand_hostname_range


class Loader(DataLoader):  # type: ignore[misc]
    """Reads files, and records what the answer needs."""

    def __init__(self) -> None:
        super().__init__()
        self.set_vault_secrets(VAULT.secrets)
        self.file = ""
        """The file that was read last."""
        self.secrets: list[Any] = []
        """What was encrypted."""
        self.parts: set[str] = set()
        """Names that templates refer to."""
        self.notes: dict[str, None] = {}
        """What was not read, each once."""

    def _get_file_contents(self, file_name: str) -> tuple[bytes, bool]:
        self.file = file_name
        try:
            content, is_plain = super()._get_file_contents(file_name)
        except VAULT_ERRORS as error:
            if not VAULT.secrets:
                self.notes[f"{file_name}: {SEALED}"] = None
                return b"", True
            raise AnsibleError(undecrypted(error)) from None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise AnsibleError("expected text in UTF-8") from None
        if not is_plain:
            self.secrets.append(self.load(text))
        return content, is_plain

    def warning(self, msg: str, *_: Any, **__: Any) -> None:
        """Record what Ansible's own output would say."""
        if msg.startswith("Skipping "):
            self.notes[f"{self.file}: {msg}"] = None

    def failure(self, msg: str | None, exception: Exception, **_: Any) -> None:
        """Raise an error of which Ansible only warns: after both, that of YAML or that of INI."""
        file = Path(self.file)
        has_sections = not file.suffix and re.search(rb"^\[", file.read_bytes(), re.M)
        plugin = "yaml" if file.suffix in ("", *YAML) and not has_sections else "ini"
        if msg == f"Failed to parse inventory with {plugin!r} plugin.":
            raise exception


class Manager(InventoryManager):  # type: ignore[misc]
    """Refuses what Ansible would execute."""

    def parse_source(self, source: str, cache: bool = False) -> bool:
        """Read a file or a folder, into this object."""
        path = Path(source)
        self._loader.file = source
        if path.is_file():
            text = path.read_bytes()
            if text.startswith(b"#!") or (os.access(path, os.X_OK) and not path.suffix):
                raise AnsibleError(f"a program that prints an inventory. {ADVICE.format(source)}")
            if plugin := re.search(rb"^plugin\s*:\s*(\S+)", text, re.M):
                name = plugin[1].decode(errors="replace")
                raise AnsibleError(f"an inventory of the plugin {name}. {ADVICE.format(source)}")
        is_parsed = bool(super().parse_source(source, cache))
        if not is_parsed and not path.is_dir():
            raise AnsibleError("expected an inventory in YAML or INI")
        return is_parsed


def of_host(variables: dict[str, Any], loader: Loader) -> dict[str, Any]:
    """Return a host's variables as JSON has them. Raises AnsibleError."""
    templar = Templar(loader=loader, variables=variables)
    loader.file = ""
    found = {}
    for key, value in variables.items():
        if key not in MAGIC:
            try:
                found[str(key)] = plain(value, templar, loader)
            except VAULT_ERRORS as error:
                raise AnsibleError(f"{key}: {undecrypted(error)}") from None
    return found


def plain(value: Any, templar: Templar, loader: Loader) -> Any:
    """Return the value as JSON has it; {"!unread": [why, text]} if it cannot be read."""
    if isinstance(value, EncryptedString):
        if not VAULT.secrets:
            return {UNREAD: [SEALED, ""]}
        loader.secrets += [str(value), str(value).rstrip("\n")]
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item, templar, loader) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, templar, loader) for item in value]
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        return filled(value, templar, loader)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def filled(text: str, templar: Templar, loader: Loader) -> Any:
    """Return the value of a template."""
    for inside in re.findall(r"\{[{%](.*?)[}%]\}", text, re.DOTALL):
        loader.parts |= set(re.findall(r"[A-Za-z_]\w*", inside))
    try:
        return json.loads(json.dumps(templar.template(text), default=str))
    except AnsibleError as error:
        is_sealed = not VAULT.secrets and "vault" in str(error).lower()
        return {UNREAD: [SEALED if is_sealed else TEMPLATE, str(text)]}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the inventory that is asked for, or what is wrong with it."""
    VAULT.secrets = [("default", VaultSecret(text.encode())) for text in request["passwords"]]
    loader = Loader()
    try:
        return read(request["source"], loader)
    except (AnsibleError, RecursionError) as error:
        return {"error": message(error, loader.file)}
    except OSError as error:
        return {"error": f"{error.filename or loader.file}: {error.strerror}"}


def read(source: str, loader: Loader) -> dict[str, Any]:
    """Return that inventory. Raises AnsibleError."""
    display = Display()
    display.warning, display.error_as_warning = loader.warning, loader.failure
    inventory = Manager(loader=loader, sources=[source])
    variables = VariableManager(loader=loader, inventory=inventory)
    # This object registers itself with the variable manager.
    HostVars(inventory=inventory, variable_manager=variables, loader=loader)
    hosts = {
        str(host.name): of_host(variables.get_vars(host=host, include_hostvars=True), loader)
        for host in inventory.get_hosts()
    }
    return {
        "version": __version__,
        "hosts": hosts,
        "groups": {
            str(name): [str(host) for host in members]
            for name, members in inventory.get_groups_dict().items()
            if name not in ("all", "ungrouped")
        },
        "idle": {
            place: sorted(map(str, found)) for place, found in idle(inventory, loader, source)
        },
        "parts": sorted(loader.parts),
        "secrets": loader.secrets,
        "notes": list(loader.notes),
    }


def idle(
    inventory: InventoryManager, loader: Loader, source: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the variables of groups and files that apply to no host, by their place."""
    used = {name for name, group in inventory.groups.items() if group.get_hosts()}
    for name, group in inventory.groups.items():
        if name != "all" and name not in used and group.vars:
            yield name, group.vars
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    for kind, entity, known in (
        ("group_vars", Group, {"all", "ungrouped", *used}),
        ("host_vars", Host, set(inventory.hosts)),
    ):
        files = sorted((folder / kind).iterdir()) if (folder / kind).is_dir() else []
        for file in files:
            name = file.stem if file.suffix in YAML else file.name
            if name not in known and not IGNORED.search(os.fsencode(file.name)):
                yield f"{kind}/{name}", get_vars_from_path(loader, folder, [entity(name)], "task")


def expanded(pattern: str) -> list[str]:
    """Return the hosts of a range, as Ansible does, but refuse an empty or a huge one."""
    numbers = re.findall(r"\[(\d*):(\d+)", pattern)
    if all(0 <= int(end) - int(begin or 0) <= MOST for begin, end in numbers):
        with contextlib.suppress(ValueError):
            return list(expand(pattern))
    raise AnsibleError(f"host {pattern}: expected a name, or a range such as n[1:3]")


def undecrypted(error: AnsibleError) -> str:
    """Return why a text could not be decrypted."""
    if isinstance(error, AnsibleVaultFormatError):
        return "the encrypted text is damaged; restore it, or encrypt the value again"
    if "Cipher" in str(error):
        return f"expected a vault of AES256: {error} Encrypt it again with ansible-vault rekey"
    return (
        "the vault password is wrong; name the file with the right one: make convert … VAULT=FILE"
    )


def message(error: BaseException, file: str) -> str:
    """Return Ansible's error in one line, with the file and the line."""
    text = str(error)
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, MarkedYAMLError):
            mark = cause.problem_mark or cause.context_mark
            line = f"line {mark.line + 1}: " if mark else ""
            text = f"{line}not valid YAML: {cause.problem or cause.context}"
        elif isinstance(cause, RecursionError):
            text = "its values contain themselves (an anchor in its own value)"
        elif isinstance(cause, AnsibleError):
            text = str(cause)
        hidden = None if cause.__suppress_context__ else cause.__context__
        cause = cause.__cause__ or hidden
    text = text.replace("YAML parsing failed:", "not valid YAML:")
    text = re.sub(r"(?:<class ')?[\w.]*_AnsibleTagged(\w+)(?:'>)?", r"\1", text)
    if file:
        text = f"{file} {text}" if text.startswith("line ") else f"{file}: {text}"
    return " ".join(text.split())


def refuse_line(plugin: Any, text: str) -> None:
    """Refuse a line of an INI file, without its text, which may be a password."""
    reason = re.split(r", got|:? '", text)[0]
    raise AnsibleError(f"line {plugin._origin.line_num}: {reason}")


inventory_plugins.expand_hostname_range = expanded
type(inventory_loader.get("ini"))._raise_error = refuse_line

if __name__ == "__main__":
    for request in sys.stdin:
        print(json.dumps(answer(json.loads(request)), default=str), flush=True)
