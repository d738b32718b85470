"""Each zone server has an ENDPOINT_GRPC where OpenNebula speaks gRPC, and the zone the VIP's."""

from types import SimpleNamespace
from typing import Any

import pytest

from opennebula.api import Api, has_grpc
from opennebula.zone import ServerEntry, endpoint
from procedures.facts.facts import pool_of
from procedures.specs import ZoneSpec
from procedures.vip.virtual_ip import endpoint_differences
from tests.unit.test_procedures import facts, installed

BODY = (
    "<ZONE><SERVER_POOL><SERVER><ID>0</ID><NAME>n1</NAME><ENDPOINT>http://n1:2633/RPC2</ENDPOINT>"
    "<ENDPOINT_GRPC>n1:2634</ENDPOINT_GRPC></SERVER></SERVER_POOL>"
    "<TEMPLATE><ENDPOINT>http://10.0.0.9:2633/RPC2</ENDPOINT>{}</TEMPLATE></ZONE>"
)
ZONE = ZoneSpec(name="Main", endpoint=endpoint("10.0.0.9"), highly_available=True)


class Oned(Api):
    """An oned of that version; what it was asked to write."""

    def __init__(self, version: str) -> None:
        self.written: list[str] = []

        def note(*given: Any) -> None:
            self.written.append(given[1])

        self._before_write = lambda: None
        self._server = SimpleNamespace(  # type: ignore[assignment]
            zone=SimpleNamespace(addserver=note, update=note),
            system=SimpleNamespace(version=lambda: version),
        )

    def _call(self, call: Any) -> Any:
        return call()


@pytest.mark.parametrize(
    ("version", "has_it"),
    [("6.10.0", False), ("7.0.1", False), ("7.2.0", True), ("7.10.0-1.ce", True), ("", False)],
)
def test_it_is_written_where_opennebula_has_it(version: str, has_it: bool) -> None:
    assert has_grpc(version) is has_it
    oned = Oned(version)
    oned.add_server("n1", endpoint("n1"), "n1:2634")
    oned.set_endpoint(ZONE.endpoint, ZONE.grpc)
    assert ['ENDPOINT_GRPC = "n1:2634"' in oned.written[0], "ENDPOINT_GRPC" in oned.written[1]] == [
        has_it,
        has_it,
    ]
    assert 'ENDPOINT = "http://n1:2633/RPC2"' in oned.written[0]


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
def test_a_balancer_of_other_ports_is_left_alone(where: str, grpc: str) -> None:
    assert ZONE.model_copy(update={"endpoint": where}).grpc == grpc


def test_a_server_is_the_same_with_it_and_without() -> None:
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
def test_another_one_of_the_zone_is_drift(there: str, version: str, drift: list[str]) -> None:
    packages = installed() | {"opennebula": installed()["opennebula"].__class__(version)}
    seen = {"n1": facts("n1", zone_body=BODY.format(there), packages=packages)}
    assert endpoint_differences(ZONE, seen, "n1") == [
        f"the zone's ENDPOINT_GRPC: {x}" for x in drift
    ]
