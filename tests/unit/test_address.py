"""Where the VIP is, and where it must not be."""

import pytest

from procedures.facts.observe import Address
from procedures.specs import Vip
from procedures.vip.address import faults, holders
from tests.unit.test_procedures import facts

VIP = "10.2.50.86"
VIPS = [
    Vip(address=VIP, prefix=24, interface="eth0"),
    Vip(address="fd00:2:50::86", prefix=64, interface="eth0"),
]


@pytest.mark.parametrize(
    ("held_by", "leader", "found"),
    [
        ("b", "b", []),
        ("ab", "b", [f"{VIP} left over on a"]),
        ("a", "b", [f"{VIP} left over on a", f"{VIP} missing on the leader b"]),
        ("", "b", [f"{VIP} missing on the leader b"]),
        ("", None, []),
        ("a", None, [f"{VIP} left over on a"]),
    ],
)
def test_the_vip_is_on_the_leader_and_nowhere_else(
    held_by: str, leader: str | None, found: list[str]
) -> None:
    seen = {
        name: facts(name, addresses=(Address("eth0", VIP, 24),) if name in held_by else ())
        for name in "abc"
    }
    assert holders(seen, VIP) == sorted(held_by)
    assert faults(seen, VIPS[:1], leader) == found


def test_of_several_vips_each_is_on_the_leader() -> None:
    first, second = (Address(vip.interface, vip.address, vip.prefix) for vip in VIPS)
    seen = {"a": facts("a", addresses=(first,)), "b": facts("b", addresses=(second,))}
    assert faults(seen, VIPS, "a") == [
        "fd00:2:50::86 left over on b",
        "fd00:2:50::86 missing on the leader a",
    ]
    assert faults({"a": facts("a", addresses=(first, second))}, VIPS, "a") == []
