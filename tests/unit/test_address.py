"""The hosts on which the VIP must be, and on which it must not be."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hosts.errors import HostError
from hosts.models import Host
from hosts.script import Output
from opennebula.zone import RaftStatus, State, ZoneView
from procedures.facts.facts import Address, Facts
from procedures.specs import Vip, ZoneSpec
from procedures.vip import address
from procedures.vip.address import faults, holders, in_effect
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
def test_the_vip_is_only_on_the_leader(held_by: str, leader: str | None, found: list[str]) -> None:
    seen = {
        name: facts(name, addresses=(Address("eth0", VIP, 24),) if name in held_by else ())
        for name in "abc"
    }
    assert holders(seen, VIP) == sorted(held_by)
    assert faults(seen, VIPS[:1], leader) == found


def test_each_of_several_vips_is_on_the_leader() -> None:
    first, second = (Address(vip.interface, vip.address, vip.prefix) for vip in VIPS)
    seen = {"a": facts("a", addresses=(first,)), "b": facts("b", addresses=(second,))}
    assert faults(seen, VIPS, "a") == [
        "fd00:2:50::86 left over on b",
        "fd00:2:50::86 missing on the leader a",
    ]
    assert faults({"a": facts("a", addresses=(first, second))}, VIPS, "a") == []


def test_a_leaving_leader_may_hold_the_vips() -> None:
    """It is not among the observed front-ends any more."""
    assert faults({"a": facts("a")}, VIPS, "gone") == []
    left = {"a": facts("a", addresses=(Address("eth0", VIPS[0].address, 24),))}
    assert faults(left, VIPS[:1], "gone") == [f"{VIPS[0].address} left over on a"]


class Site:
    """Hosts with a VIP; the commands that ran on them. ``keeper`` adds it to itself again each
    time.
    """

    def __init__(
        self, held_by: str, *, leads: str = "b", keeper: str = "", hooks: str = ""
    ) -> None:
        self.held, self.leads, self.keeper = set(held_by), leads, keeper
        self.hooks = [tuple(hook.split()) for hook in hooks.split(",") if hook]
        self.ran: list[tuple[str, str]] = []
        self.report = lambda said: None

    def facts(self, *_: Any) -> dict[str, Facts]:
        self.held |= set(self.keeper)
        there = (Address("eth0", VIP, 24),)
        # The first one ends now, after it was seen.
        at_work, self.hooks = self.hooks, self.hooks[1:]
        seen = {
            name: facts(
                name,
                addresses=there if name in self.held else (),
                hooks=frozenset(role for host, role in at_work if host == name),
            )
            for name in "abc"
        }
        for name, role in at_work[:1]:
            (self.held.add if role == "leader" else self.held.discard)(name)
        return seen

    def view(self, *_: Any) -> ZoneView:
        return ZoneView((), {self.leads: RaftStatus(1, State.LEADER, 1, 1, 1)})

    def api(self, host: Host, *_: Any, **__: Any) -> Any:
        if host.name == self.leads:
            return SimpleNamespace(raft_status=lambda: RaftStatus(1, State.LEADER, 1, 1, 1))
        return SimpleNamespace(raft_status=lambda: RaftStatus(2, State.FOLLOWER, 1, 1, 1))

    def run(self, host: Host, name: str, **_: Any) -> Output:
        self.ran.append((host.name, name))
        if name == "drop_addresses":
            self.held -= {host.name}
        if name == "take_addresses":
            self.held |= {host.name}
        return Output({"managers": "keepalived runs\nprocess 7: keeper"})


HOSTS = {name: Host(name=name, address=f"10.0.0.{n}") for n, name in enumerate("abc", 1)}


def moved(
    site: Site, monkeypatch: pytest.MonkeyPatch, leader: str = "b", *, elected: bool = True
) -> None:
    monkeypatch.setattr(address, "all_facts", site.facts)
    monkeypatch.setattr(address, "zone_view", site.view)
    monkeypatch.setattr(address, "SECOND_LOOK", 0.05)
    monkeypatch.setattr(address, "BEGIN", 0.0)
    zone = ZoneSpec(
        name="Main", endpoint="http://n1:2633/RPC2", highly_available=True, vips=(VIPS[0],)
    )
    address.to_leader(cast(Any, site), zone, HOSTS, leader, site.facts(), elected=elected)


@pytest.mark.parametrize(("elected", "ran"), [(True, [("b", "announce")]), (False, [])])
def test_after_an_election_the_leader_announces_the_vip_last(
    monkeypatch: pytest.MonkeyPatch, elected: bool, ran: list[tuple[str, str]]
) -> None:
    """Of two candidates, the one that led for a moment had announced it last: it was silent there
    for half a minute.
    """
    site = Site("b")
    moved(site, monkeypatch, elected=elected)
    assert site.ran == ran


def test_a_leftover_vip_is_removed_and_announced_by_the_leader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site("ab")
    moved(site, monkeypatch)
    assert site.ran == [("a", "drop_addresses"), ("b", "announce")]


def test_the_program_that_adds_an_address_again_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site("b", keeper="c")
    with pytest.raises(HostError) as caught:
        moved(site, monkeypatch)
    assert "on c: keepalived runs; process 7: keeper" in caught.value.seen
    assert f"remove {VIP} from what gives it to c" in caught.value.remedy


def test_the_leader_hook_does_not_run_on_a_former_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site("", leads="c")
    with pytest.raises(address.LeaderChanged):
        moved(site, monkeypatch)
    assert site.ran == []


@pytest.mark.parametrize(
    ("hooks", "ran"),
    [
        ("b leader", [("b", "announce")]),
        # The leader was a follower a moment ago, and its hooks come in any order.
        ("b follower", [("b", "take_addresses"), ("b", "announce")]),
        ("b leader,b follower", [("b", "take_addresses"), ("b", "announce")]),
        # The former leader still announces the VIP, and its next hook removes it there.
        ("a leader,a follower", [("a", "drop_addresses"), ("b", "announce"), ("b", "announce")]),
        ("c follower", [("b", "announce")]),
    ],
)
def test_hooks_that_may_yet_move_the_vip_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, hooks: str, ran: list[tuple[str, str]]
) -> None:
    site = Site("b", hooks=hooks)
    moved(site, monkeypatch)
    assert site.ran == ran
    assert site.held == {"b"}


def test_a_vip_that_no_hook_brings_is_put_on_the_leader_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "PATIENCE", 10**6)
    site = Site("")
    moved(site, monkeypatch)
    assert site.ran == [("b", "take_addresses")]


def test_a_hook_that_never_ends_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "HOOKS", 0.05)
    moved(Site("b", hooks=",".join(["a follower"] * 10**5)), monkeypatch)


def test_vips_in_effect_are_those_of_the_leaders_own_hook() -> None:
    def leader(arguments: str, **more: Any) -> Facts:
        hook = f'RAFT_LEADER_HOOK = [ COMMAND = "x", ARGUMENTS = "{arguments}" ]'
        return facts("a", oned_conf=hook, since=2, configured=1, **more)

    pair = "leader eth0 10.2.50.86/24 eth0 fd00:2:50::86/64"
    assert in_effect(leader(pair)) == tuple(VIPS)
    assert in_effect(leader(pair, next_conf="x")) == tuple(VIPS)
    assert in_effect(leader("leader")) == ()
    assert in_effect(leader("leader of my own")) == ()
    assert in_effect(leader("leader eth0 nothing")) == ()
    # The file was changed after the start of its oned.
    assert in_effect(replace(leader(pair), configured=3)) == ()
    assert in_effect(facts("a", oned_conf="")) == ()
