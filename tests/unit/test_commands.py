"""Commands of your own: pulumi-command's resources, at their place in the graph."""

import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.unit.bad_configs import CANARY
from tests.unit.test_graph import Graph, build
from tests.unit.test_settings import GOOD, faults

# The private part of this key was deleted.
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2k0m1rQZ8n5u0dZq7o5sY5yVv3nq0n0E2l9fP0m1aB"
BEFORE = {
    "name": "firewall",
    "hosts": ["n1a2"],
    "when": "before-installation",
    "create": "sudo ufw allow 2633",
    "delete": "sudo ufw delete allow 2633",
}
AFTER = {
    "name": "motd",
    "when": "after-join",
    "create": "echo front-end | sudo tee /etc/motd",
    "update": "true",
    "triggers": ["2026-11"],
}
SSH = {
    "user": "ubuntu",
    "private_key": f"{CANARY}-key",
    "host_keys": dict.fromkeys(GOOD["frontends"], HOST_KEY),
}


def built(*commands: dict[str, Any], **ssh: Any) -> Graph:
    return build(commands=list(commands), ssh={**SSH, **ssh})


def test_without_commands_the_plugins_library_is_not_loaded() -> None:
    before = set(sys.modules)
    build()
    assert not [name for name in set(sys.modules) - before if name.startswith("pulumi_command")]


def test_the_installation_waits_for_commands_before_it() -> None:
    graph = built(BEFORE)
    command = graph["Command firewall-n1a2"]
    assert command.type == "command:remote:Command"
    assert command.parent == graph["HighAvailableZone zone"].urn
    assert graph.directly("Installation n1a2") == {"Command firewall-n1a2", "Preflight zone"}
    assert graph.directly("Installation n1a1") == {"Preflight zone"}
    # The command may make the host pass the checks.
    assert graph.directly("Preflight zone") == {"Command firewall-n1a2"}
    assert [key for key in graph.kinds() if key.startswith("Command ")] == ["Command firewall-n1a2"]


def test_a_command_after_the_join_waits_for_the_join() -> None:
    graph = built(AFTER)
    for name in GOOD["frontends"]:
        assert {f"ZoneMember {name}", f"Installation {name}"} <= graph.directly(
            f"Command motd-{name}"
        )


def test_commands_of_one_host_run_one_after_the_other() -> None:
    graph = built(AFTER, {**AFTER, "name": "second"})
    assert "Command motd-n1a1" in graph.directly("Command second-n1a1")


def test_a_command_uses_the_stacks_login_and_verified_host_key() -> None:
    command = built(BEFORE)["Command firewall-n1a2"]
    assert command.inputs["create"] == BEFORE["create"]
    assert command.inputs["delete"] == BEFORE["delete"]
    connection = command.inputs["connection"]["value"]
    assert (connection["host"], connection["user"]) == ("10.2.50.11", "ubuntu")
    assert connection["hostKey"] == HOST_KEY
    assert connection["privateKey"] == f"{CANARY}-key"
    later = built(AFTER)["Command motd-n1a3"]
    assert later.inputs["connection"]["value"]["port"] == 2222
    assert later.inputs["triggers"] == ["2026-11"]


def test_a_command_before_the_host_key_is_known_is_refused(tmp_path: Path) -> None:
    nobody = str(tmp_path / "known_hosts")
    with pytest.raises(pulumi.RunError, match=r"firewall.*host key of n1a2"):
        built(BEFORE, host_keys={}, known_hosts_file=nobody)


def test_a_key_in_known_hosts_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"10.2.50.11 {HOST_KEY}\n", encoding="utf-8")
    graph = built(BEFORE, host_keys={}, known_hosts_file=str(file))
    connection = graph["Command firewall-n1a2"].inputs["connection"]["value"]
    assert connection["hostKey"] == HOST_KEY


def test_each_command_has_its_own_name_and_hosts_of_the_stack() -> None:
    assert faults(commands=[AFTER, AFTER]) == [
        "commands: motd is listed 2 times; expected each name once"
    ]
    assert faults(commands=[{**BEFORE, "hosts": ["n9"]}]) == [
        "commands: firewall names n9, which is not in frontends"
    ]
    (fault,) = faults(commands=[{**BEFORE, "when": "later"}])
    assert fault.startswith("commands.0.when: expected 'before-installation' or 'after-join'")
