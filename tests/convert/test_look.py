"""Differences between a running zone and its inventory."""

from pathlib import Path
from typing import Any

import pytest

from commands.convert import with_ansible
from commands.convert.__main__ import main
from commands.convert.conversion import Conversion
from commands.convert.keys import convert
from commands.convert.look import differences
from hosts.models import Host
from procedures.facts.facts import Address, Facts, Package
from tests.convert.cases import ha
from tests.unit.test_procedures import facts

BODY = (
    "<ZONE><ID>0</ID><NAME>{name}</NAME><TEMPLATE><ENDPOINT>x</ENDPOINT></TEMPLATE>"
    "<SERVER_POOL>{servers}</SERVER_POOL></ZONE>"
)
OWN = {"n1a1": "10.2.50.10", "n1a2": "10.2.50.11", "n1a3": "10.2.50.12"}


@pytest.fixture
def made(tmp_path: Path) -> Conversion:
    path = tmp_path / "inventory.yml"
    path.write_text(ha()["inventory.yml"], encoding="utf-8")
    return convert(with_ansible.read(path, ()))


def zone(*names: str, name: str = "OpenNebula") -> str:
    servers = "".join(
        f"<SERVER><ID>{number}</ID><NAME>{one}</NAME><ENDPOINT>x</ENDPOINT></SERVER>"
        for number, one in enumerate(names)
    )
    return BODY.format(name=name, servers=servers)


def seen(**changes: dict[str, Any]) -> dict[str, Facts]:
    """Make facts of three front-ends as in the inventory, with these changes."""
    found = {}
    for name, address in OWN.items():
        addresses = [Address("lo", "127.0.0.1", 8), Address("eth0", address, 24)]
        if name == "n1a1":
            addresses.append(Address("eth0", "10.2.50.86", 24))
        given: dict[str, Any] = {
            "host": Host(name=name, address=address),
            "addresses": tuple(addresses),
            "zone_body": zone(*OWN),
            "oned_conf": 'DB = [ BACKEND = "mysql", DB_NAME = "opennebula", USER = "oneadmin" ]\n'
            'ONEGATE_ENDPOINT = "http://10.2.50.86:5030"\n',
        }
        found[name] = facts(name, **{**given, **changes.get(name, {})})
    return found


def said(made: Conversion, **changes: dict[str, Any]) -> set[str]:
    return {f"{one.key}: {one.text}" for one in differences(made, seen(**changes))}


def test_a_zone_as_in_its_inventory_has_no_differences(made: Conversion) -> None:
    assert said(made) == set()


def test_each_difference_is_reported_with_its_host(made: Conversion) -> None:
    text = "\n".join(
        said(
            made,
            n1a1={
                "zone_body": zone("n1a1", "n1a2", "old", name="Frankfurt"),
                "log_index": 9,
                "oned_conf": 'DB = [ BACKEND = "mysql", DB_NAME = "one", USER = "oneadmin" ]\n'
                'ONEGATE_ENDPOINT = "http://gate:5030"\n'
                'FEDERATION = [ MODE = "MASTER", SERVER_ID = 0 ]\n',
            },
            n1a2={"packages": {"opennebula": Package("7.0.1-1")}, "active": False},
            n1a3={"packages": {}},
        )
    )
    for expected in (
        "zone_name: the zone is called Frankfurt, the stack has OpenNebula",
        "frontends: old is a server of the zone, but not in the stack",
        "frontends: n1a3 is not a server of the zone (n1a1, n1a2, old)",
        "db_name: n1a1 has one, the stack has opennebula",
        "gate_endpoint: n1a1 has http://gate:5030, the stack has http://10.2.50.86:5030",
        "federation: n1a1 is in a federation (MASTER)",
        "one_version: n1a2 runs 7.0.1-1, the stack has 7.2",
        "n1a2: oned does not run",
        "features.gui: no opennebula-fireedge on n1a2: the up without adopt would install it",
        "n1a3: OpenNebula is not installed",
    ):
        assert expected in text


def test_the_vip_is_where_the_inventory_has_it_or_is_reported(made: Conversion) -> None:
    lo = Address("lo", "127.0.0.1", 8)
    other = (lo, Address("br0", "10.2.50.11", 16), Address("br0", "10.2.50.86", 16))
    none = (lo, Address("eth0", "10.2.50.10", 24))
    text = "\n".join(said(made, n1a1={"addresses": none}, n1a2={"addresses": other}))
    assert "one_vip_if: n1a2 has 10.2.50.86 on br0, the stack has eth0" in text
    assert "one_vip_cidr: n1a2 has 10.2.50.86/16, the stack has /24" in text
    assert "one_vip_if: n1a2 has no interface eth0 with an address, only br0" in text
    assert "one_vip: 10.2.50.86 is on none" in "\n".join(said(made, n1a1={"addresses": none}))
    assert "on several hosts (n1a1, n1a2)" in "\n".join(said(made, n1a2={"addresses": other}))


def test_data_in_sqlite_are_reported(made: Conversion) -> None:
    text = "\n".join(said(made, n1a1={"oned_conf": 'DB = [ BACKEND = "sqlite" ]\n'}))
    assert "db_backend: n1a1 uses SQLite" in text


def test_a_host_that_does_not_answer_is_a_line_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # No process listens at this port of this machine.
    text = (
        "all: {vars: {one_version: '7.2', ansible_user: root, ansible_port: 1}}\n"
        "frontend: {hosts: {n1a1: {ansible_host: 127.0.0.1}}}\n"
    )
    Path("inventory.yml").write_text(text, encoding="utf-8")
    assert main(["--look", "inventory.yml"]) == 0
    report = capsys.readouterr().out
    assert "The running zone differs" in report
    assert "n1a1: connect: expected an SSH server at 127.0.0.1 port 1" in report
