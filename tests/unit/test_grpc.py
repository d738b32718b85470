"""Each zone server has an ENDPOINT_GRPC if OpenNebula speaks gRPC, and the zone has the VIP's."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from hosts.errors import HostError
from opennebula.api import Api, has_grpc
from opennebula.zone import ServerEntry, endpoint
from procedures import health
from procedures.facts.facts import pool_of
from procedures.preflight.checks import findings
from procedures.preflight.checks.grpc import grpc
from procedures.preflight.context import Finding, HostReport, StackChange, Weight
from procedures.preflight.preflight import _targets
from procedures.preflight.probe import Listener
from procedures.specs import ZoneSpec
from procedures.vip.virtual_ip import endpoint_differences
from tests.unit.test_preflight import NAMES, SSHD, bare, looks, seen, settled, site, spec
from tests.unit.test_procedures import facts, installed

BODY = (
    "<ZONE><SERVER_POOL><SERVER><ID>0</ID><NAME>n1</NAME><ENDPOINT>http://n1:2633/RPC2</ENDPOINT>"
    "<ENDPOINT_GRPC>n1:2634</ENDPOINT_GRPC></SERVER></SERVER_POOL>"
    "<TEMPLATE><ENDPOINT>http://10.0.0.9:2633/RPC2</ENDPOINT>{}</TEMPLATE></ZONE>"
)
ZONE = ZoneSpec(name="Main", endpoint=endpoint("10.0.0.9"), highly_available=True)


class Oned(Api):
    """An oned of that version, which records its writes."""

    def __init__(self, version: str) -> None:
        self.written: list[str] = []

        def note(*given: Any) -> None:
            self.written.append(given[1])

        self._before_write = lambda: None
        self._server = SimpleNamespace(  # type: ignore[assignment]
            zone=SimpleNamespace(addserver=note, update=note),
            system=SimpleNamespace(version=lambda: version),
            asking=nullcontext,
        )


@pytest.mark.parametrize(
    ("version", "has_it"),
    [("6.10.0", False), ("7.0.1", False), ("7.2.0", True), ("7.10.0-1.ce", True), ("", False)],
)
def test_the_grpc_endpoint_is_written_if_opennebula_has_it(version: str, has_it: bool) -> None:
    assert has_grpc(version) is has_it
    oned = Oned(version)
    oned.add_server("n1", endpoint("n1"), "n1:2634")
    oned.set_endpoint(ZONE.endpoint, ZONE.grpc)
    assert ['ENDPOINT_GRPC = "n1:2634"' in oned.written[0], "ENDPOINT_GRPC" in oned.written[1]] == [
        has_it,
        has_it,
    ]
    assert 'ENDPOINT = "http://n1:2633/RPC2"' in oned.written[0]


def test_servers_are_registered_with_grpc_only_if_configured() -> None:
    # Raft sets no time limit for its gRPC requests: it costs 25 s of a failover.
    assert ZONE.grpc_of("n1") == ""
    assert ZONE.model_copy(update={"register_grpc": True}).grpc_of("n1") == "n1:2634"
    # Nothing in the state, so that an earlier state is not a change.
    assert "register_grpc" not in ZONE.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize(
    ("where", "grpc"),
    [
        (endpoint("10.0.0.9"), "10.0.0.9:2634"),
        (endpoint("fd00::9"), "[fd00::9]:2634"),
        (endpoint("localhost"), "localhost:2634"),
        ("https://one.example.org/RPC2", ""),
        ("http://one.example.org:8080/RPC2", ""),
    ],
)
def test_a_balancer_with_other_ports_is_left_alone(where: str, grpc: str) -> None:
    assert ZONE.model_copy(update={"endpoint": where}).grpc == grpc


def test_a_server_with_or_without_grpc_endpoint_is_the_same() -> None:
    (entry,) = pool_of(BODY.format(""))
    assert entry.grpc == "n1:2634"
    assert entry == ServerEntry(0, "n1", endpoint("n1"))


@pytest.mark.parametrize(
    ("there", "version", "drift"),
    [
        ("<ENDPOINT_GRPC>10.0.0.9:2634</ENDPOINT_GRPC>", "7.2.0-1", []),
        ("<ENDPOINT_GRPC>localhost:2634</ENDPOINT_GRPC>", "7.2.0-1", ["localhost:2634"]),
        ("", "7.2.0-1", ["none"]),
        ("", "7.0.0-1", []),
    ],
)
def test_another_grpc_endpoint_of_the_zone_is_drift(
    there: str, version: str, drift: list[str]
) -> None:
    packages = installed() | {"opennebula": installed()["opennebula"].__class__(version)}
    seen = {"n1": facts("n1", zone_body=BODY.format(there), packages=packages)}
    assert endpoint_differences(ZONE, seen, "n1") == [
        f"the zone's ENDPOINT_GRPC: {x}" for x in drift
    ]


def health_of(**changes: Any) -> str:
    """Return the health check's faults of such a server."""
    packages = installed() | {"opennebula": installed()["opennebula"].__class__("7.2.0-1")}
    seen = facts("n1", **{"packages": packages, "active": True, "has_grpc_port": False, **changes})
    try:
        health._speak_grpc({"n1": seen})
    except HostError as error:
        return error.seen
    return ""


def test_the_health_check_reports_an_oned_without_grpc() -> None:
    assert health_of() == "no listener"
    assert health_of(has_grpc_port=True) == ""
    assert health_of(active=False) == ""
    assert health_of(oned_conf="GRPC_PORT = 2700\n") == ""
    assert health_of(oned_conf="GRPC_PORT = 2634\n") == "no listener"
    old = {"opennebula": installed()["opennebula"].__class__("7.0.1-1")}
    assert health_of(packages=installed() | old) == ""


def adopting(entry: str, *, register_grpc: bool, version: str = "7.2") -> list[Finding]:
    wanted = spec("n1a1", version=version, register_grpc=register_grpc or None)
    body = f"<ZONE><SERVER_POOL><SERVER><ID>0</ID><NAME>n1a1</NAME>{entry}</SERVER></SERVER_POOL>"
    there = HostReport(bare(), settled(zone_body=f"{body}</ZONE>"))
    return list(grpc(site({"n1a1": there}, wanted)))


HAS_IT = "<ENDPOINT_GRPC>n1a1:2634</ENDPOINT_GRPC>"


@pytest.mark.parametrize(
    ("entry", "register_grpc", "said"),
    [
        ("", False, ""),
        (HAS_IT, True, ""),
        (HAS_IT, False, "a new leader takes about 30 s, not 6 s"),
        ("", True, "followers refuse gRPC calls"),
    ],
)
def test_entries_that_no_call_can_change_are_a_warning(
    entry: str, register_grpc: bool, said: str
) -> None:
    found = adopting(entry, register_grpc=register_grpc)
    assert [said in one.error.seen for one in found] == ([True] if said else [])
    assert all(one.weight is Weight.WARNING for one in found)
    assert adopting(entry, register_grpc=register_grpc, version="7.0") == []


@pytest.mark.parametrize(
    ("register_grpc", "weight"), [(True, Weight.REFUSAL), (False, Weight.WARNING)]
)
def test_the_grpc_port_is_checked_in_preflight(register_grpc: bool, weight: Weight) -> None:
    wanted = spec(register_grpc=register_grpc or None)
    deaf = seen("n1a1", reached={**bare("n1a1").reached, ("10.2.50.11", 2634): "no answer"})
    (found,) = findings(site(looks(n1a1=deaf), wanted))
    assert (found.weight, found.error.seen) == (
        weight,
        "from n1a1 to n1a2 port 2634 (gRPC): no answer",
    )
    taken = {22: SSHD, 2634: Listener("squatter", ("127.0.0.1",))}
    (found,) = findings(site(looks(n1a1=seen("n1a1", listening=taken)), wanted))
    assert found.error.seen == "squatter at 2634"
    old = spec(version="7.0")
    assert findings(site(looks(n1a1=seen("n1a1", listening=taken)), old)) == []
    assert "2634" in "".join(_targets(StackChange(wanted, None), "n1a1", dict.fromkeys(NAMES, 22)))


def test_a_proxy_for_grpc_matters_if_raft_uses_grpc() -> None:
    proxied = seen("n1a1", environment={"grpc_proxy": "http://10.9.9.9:3128"})
    assert findings(site(looks(n1a1=proxied), spec())) == []
    (found,) = findings(site(looks(n1a1=proxied), spec(register_grpc=True)))
    assert found.error.seen == "grpc_proxy=http://10.9.9.9:3128"
