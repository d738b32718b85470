"""Ansible as the reader: nothing of an inventory is executed, and what fails is one message."""

import stat
from pathlib import Path

import pytest

from commands.convert import with_ansible
from commands.convert.inventory import InventoryError
from tests.convert.cases import THREE, ha
from tests.convert.sealing import sealed

ASK = with_ansible.ask
"""Starts a process of its own, which the other tests do not."""
PLUGIN = """
from pathlib import Path
Path(__file__).with_name("executed").touch()
class VarsModule:
    def get_vars(self, loader, path, entities, cache=True):
        return {"one_vip": "192.0.2.1"}
InventoryModule = VarsModule
"""


def refusal(path: Path) -> str:
    """Return why the inventory is refused."""
    with pytest.raises(InventoryError) as caught:
        with_ansible.read(path, ())
    return str(caught.value)


def test_no_program_or_plugin_of_the_user_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_ansible, "ask", ASK)
    monkeypatch.chdir(tmp_path)
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "hosts.yml").write_text(ha()["inventory.yml"], encoding="utf-8")
    for name in ("inventory/vars_plugins/evil", ".ansible/plugins/vars/evil", "mine/yaml"):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PLUGIN, encoding="utf-8")
    for config in ("ansible.cfg", ".ansible.cfg", "inventory/ansible.cfg"):
        text = (
            f"[defaults]\nvars_plugins={inventory}/vars_plugins\ninventory_plugins={tmp_path}/mine"
        )
        (tmp_path / config).write_text(text, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / ".ansible"))
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    monkeypatch.setenv("ANSIBLE_VARS_PLUGINS", str(inventory / "vars_plugins"))
    monkeypatch.setenv("ANSIBLE_INVENTORY_PLUGINS", str(tmp_path / "mine"))
    read = with_ansible.read(inventory, ())
    assert {name: host["one_vip"] for name, host in read.hosts.items()} == dict.fromkeys(
        ("n1a1", "n1a2", "n1a3"), "10.2.50.86"
    )
    assert not list(tmp_path.rglob("executed"))


def test_a_program_in_a_folder_is_refused_and_not_executed(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(THREE, encoding="utf-8")
    program = tmp_path / "more"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\necho '{{}}'\n", encoding="utf-8")
    program.chmod(stat.S_IRWXU)
    assert f"ansible-inventory -i {program} --list" in refusal(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_folder_in_a_folder_may_have_other_files(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/README.md").touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more/hosts.yml").write_text(THREE, encoding="utf-8")
    assert list(with_ansible.read(tmp_path, ()).groups) == ["frontend"]


def test_what_was_not_read_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(THREE + "  tasks: {a: 1}\n", encoding="utf-8")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(sealed("x: hush\n"), encoding="utf-8")
    group, vault = with_ansible.read(tmp_path, ()).notes
    assert vault.startswith(f"{tmp_path}/group_vars/all.yml: encrypted, and no vault password")
    assert group.startswith(f"{tmp_path}/hosts.yml: Skipping unexpected key (tasks)")


def test_ansible_that_is_missing_or_fails_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_ansible, "ask", ASK)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(THREE, encoding="utf-8")
    monkeypatch.setattr(with_ansible, "SCRIPT", tmp_path / "gone.py")
    assert "Ansible cannot read the inventory: " in refusal(inventory)
    monkeypatch.setattr(with_ansible, "PYTHON", tmp_path / "gone")
    assert "scripts/setup convert installs it" in refusal(inventory)
