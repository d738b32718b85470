"""Print an inventory as Ansible reads it, as JSON: run by the Python that has ansible-core.

A program of its own, which imports nothing of this project: see with_ansible.py. On standard
input: {"source": path, "passwords": [text]}.
"""

import json
import sys
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString, VaultSecret, VaultSecretsContext
from ansible.release import __version__
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

UNREAD = "!unread"
MAGIC = {
    *("ansible_check_mode", "ansible_config_file", "ansible_diff_mode", "ansible_facts"),
    *("ansible_forks", "ansible_inventory_sources", "ansible_playbook_python"),
    *("ansible_run_tags", "ansible_skip_tags", "ansible_verbosity", "ansible_version"),
    *("ansible_group_priority", "environment", "group_names", "groups", "hostvars"),
    *("inventory_dir", "inventory_file", "inventory_hostname", "inventory_hostname_short"),
    *("omit", "play_hosts", "playbook_dir", "role_names", "vars"),
}


def main() -> None:
    """Read the request, print the answer."""
    request = json.load(sys.stdin)
    secrets = [("default", VaultSecret(text.encode())) for text in request["passwords"]]
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    VaultSecretsContext.initialize(VaultSecretsContext(secrets))
    inventory = InventoryManager(loader=loader, sources=[request["source"]])
    variables = VariableManager(loader=loader, inventory=inventory)
    # This object registers itself with the variable manager.
    HostVars(inventory=inventory, variable_manager=variables, loader=loader)
    found: set[str] = set()
    hosts: dict[str, Any] = {}
    for host in inventory.get_hosts():
        raw = variables.get_vars(host=host, include_hostvars=True)
        templar = Templar(loader=loader, variables=raw)
        hosts[str(host.name)] = {
            str(key): _plain(value, templar, found, sealed=not secrets)
            for key, value in raw.items()
            if key not in MAGIC
        }
    groups = {
        str(name): [str(host) for host in members]
        for name, members in inventory.get_groups_dict().items()
        if name not in ("all", "ungrouped")
    }
    answer = {"version": __version__, "hosts": hosts, "groups": groups, "secrets": sorted(found)}
    json.dump(answer, sys.stdout)


def _plain(value: Any, templar: Templar, secrets: set[str], *, sealed: bool) -> Any:
    """Return the value as JSON has it; {"!unread": [why, text]} if it cannot be read."""
    if isinstance(value, EncryptedString):
        if not sealed:
            secrets |= {str(value), str(value).rstrip("\n")}
        return {UNREAD: ["sealed", ""]} if sealed else str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v, templar, secrets, sealed=sealed) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, templar, secrets, sealed=sealed) for item in value]
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        return _filled(value, templar, sealed=sealed)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _filled(value: str, templar: Templar, *, sealed: bool) -> Any:
    try:
        return json.loads(json.dumps(templar.template(value), default=str))
    except AnsibleError as error:
        why = "sealed" if sealed and "vault" in str(error).lower() else "template"
        return {UNREAD: [why, str(value)]}


if __name__ == "__main__":
    try:
        main()
    except AnsibleError as error:
        sys.exit(str(error))
