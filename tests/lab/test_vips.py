"""Two VIPs, IPv4 and IPv6: they are only on the leader, whatever happens to it.

The tests share one lab and run in order: each changes the stack that the previous one left.
"""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator, kill_at
from tests.lab.web import Page
from tests.lab.zones import (
    assert_whole,
    leader_seen_by,
    one,
    servers,
    wait_for,
    zone_entry,
)

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
VIP6 = "fd00:2:50::86"
OTHER6 = "fd00:2:50::87"
FURTHER = "10.2.50.88"
HOOK = "/var/lib/one/remotes/hooks/raft/vips.sh"
LEADS = "/usr/local/lib/opennebula-ha/leads"
GATE = Page(5030, "/")
ELECTION = 5.0
"""Maximum seconds without a VIP while a leader restarts, on a busy machine."""
APART = 1.5
"""Maximum seconds until both have moved, on such a machine."""


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["features"] |= {"gate": True}
    operator.config["one_vips"] = [{"address": VIP6, "cidr": 64}]
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


@pytest.fixture
def silent(zone: tuple[Lab, Operator]) -> Iterator[tuple[Lab, LabHost]]:
    """Use a follower on which a hook gets no answer from oned, and so follows its arguments."""
    lab, _ = zone
    host = lab.host(follower(lab))
    assert host.run(f"mv {LEADS} {LEADS}.away").returncode == 0
    yield lab, host
    assert host.run(f"mv {LEADS}.away {LEADS}").returncode == 0


def test_leader_has_both_vips_and_serves_at_them(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader = assert_whole(lab, NAMES)
    assert places(lab) == [(leader, "eth0", f"{VIP}/24"), (leader, "eth0", f"{VIP6}/64")]
    assert operator.outputs()["status"]["vip_holder"] == leader
    assert_served(lab, leader)
    assert f"http://{VIP}:2633/RPC2" in zone_entry(lab.host("n1a1"))
    assert operator.up("--expect-no-changes").ok
    shown = operator.refresh()
    assert shown.ok and "drift:" not in shown.output, shown.output


def test_a_late_hook_acts_by_the_state_of_its_oned(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    leader = assert_whole(lab, NAMES)
    for host in lab.hosts:
        for role in ("leader", "follower"):
            one(host, f"{HOOK} {role} eth0 {VIP}/24 eth0 {VIP6}/64")
    assert held_by(lab) == {VIP: [leader], VIP6: [leader]}
    gates = {h.name: h.run("systemctl is-active opennebula-gate").stdout for h in lab.hosts}
    assert [name for name, said in gates.items() if said == "active\n"] == [leader]


def test_the_hook_may_run_twice_and_with_leftover_addresses(silent: tuple[Lab, LabHost]) -> None:
    lab, host = silent
    asked = f"eth0 {FURTHER}/24 eth0 {OTHER6}/64"
    there = [(host.name, "eth0", f"{FURTHER}/24"), (host.name, "eth0", f"{OTHER6}/64")]
    for left_over in (
        "true",
        "true",
        f"ip address del {FURTHER}/24 dev eth0 && ip address add {FURTHER}/25 dev eth0",
        f"ip address add {FURTHER}/24 dev lo",
        f"ip address del {OTHER6}/64 dev eth0 && ip address add {OTHER6}/128 dev eth0 nodad",
    ):
        assert host.run(left_over).returncode == 0
        one(host, f"{HOOK} leader {asked}")
        assert places(lab, (FURTHER, OTHER6)) == there
    assert "deprecated" in host.run(f"ip -o address show to {OTHER6}").stdout
    for _ in range(2):
        one(host, f"{HOOK} follower {asked}")
        assert places(lab, (FURTHER, OTHER6)) == []


def test_the_hook_reports_a_failed_address_and_does_the_rest(silent: tuple[Lab, LabHost]) -> None:
    lab, host = silent
    done = host.run(f"runuser -u oneadmin -- {HOOK} leader eth9 {OTHER6}/64 eth0 {FURTHER}/24")
    assert (done.returncode, done.stderr) == (
        1,
        f'vips.sh leader: cannot add {OTHER6}/64 to eth9: Cannot find device "eth9"\n',
    )
    assert places(lab, (FURTHER, OTHER6)) == [(host.name, "eth0", f"{FURTHER}/24")]
    assert host.run("systemctl is-active opennebula-gate").stdout.strip() == "active"
    one(host, f"{HOOK} follower eth9 {OTHER6}/64 eth0 {FURTHER}/24")
    assert places(lab, (FURTHER, OTHER6)) == []
    assert host.run("systemctl is-active opennebula-gate").stdout.strip() == "inactive"
    # Root announces no address that the host does not have.
    done = host.run(
        f"runuser -u oneadmin -- sudo -n /usr/local/lib/opennebula-ha/announce eth0 {FURTHER}"
    )
    assert (done.returncode, done.stderr) == (1, f"{FURTHER} is not on eth0\n")


def test_the_hook_announces_the_vips_at_once_and_repeatedly(silent: tuple[Lab, LabHost]) -> None:
    lab, host = silent
    mac = host.run("cat /sys/class/net/eth0/address").stdout.strip()
    forget(lab)
    one(host, f"{HOOK} leader eth0 {FURTHER}/24 eth0 {OTHER6}/64")
    for _ in range(2):
        wait_for(lambda: neighbours(lab) == {mac} or None, f"{host.name} at both", 10)
        forget(lab)
    one(host, f"{HOOK} follower eth0 {FURTHER}/24 eth0 {OTHER6}/64")


def test_gate_follows_frequent_leader_changes_past_its_start_limit(
    silent: tuple[Lab, LabHost],
) -> None:
    _, host = silent
    for _ in range(5):
        one(host, f"{HOOK} leader eth0 {FURTHER}/24 eth0 {OTHER6}/64")
        assert host.run("systemctl is-active opennebula-gate").stdout.strip() == "active"
        one(host, f"{HOOK} follower eth0 {FURTHER}/24 eth0 {OTHER6}/64")


def test_both_vips_move_together_when_the_leaders_host_fails(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    fallen = assert_whole(lab, NAMES)
    others = [name for name in NAMES if name != fallen]
    with watching(lab) as absence:
        lab.host(fallen).kill()
        heir = leader_seen_by(lab.host(others[0]), other_than=fallen)
        wait_for(lambda: held_by(lab) == {VIP: [heir], VIP6: [heir]} or None, f"both on {heir}")
    assert_served(lab, heir)
    gone = [max(absence[address]) for address in (VIP, VIP6)]
    print(f"both without a host for {gone} s")
    assert abs(gone[0] - gone[1]) < APART
    lab.host(fallen).start()
    assert assert_whole(lab, NAMES) == heir
    assert held_by(lab) == {VIP: [heir], VIP6: [heir]}


def test_a_leader_whose_oned_is_killed_loses_both_vips(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    killed = assert_whole(lab, NAMES)
    # The end of its unit must remove them, not its next start.
    unit = "/run/systemd/system/opennebula.service.d"
    done = lab.host(killed).run(
        f"mkdir {unit} && printf '[Service]\nRestart=no\n' >{unit}/stay-down.conf &&"
        " systemctl daemon-reload && systemctl kill --signal=SIGKILL opennebula"
    )
    assert done.returncode == 0, done.stderr
    other = next(name for name in NAMES if name != killed)
    heir = leader_seen_by(lab.host(other), other_than=killed)
    wait_for(lambda: held_by(lab) == {VIP: [heir], VIP6: [heir]} or None, f"both on {heir}")
    done = lab.host(killed).run(
        f"rm -r {unit} && systemctl daemon-reload && systemctl start opennebula"
    )
    assert done.returncode == 0, done.stderr
    assert assert_whole(lab, NAMES) == heir


def test_a_vip_that_cannot_move_is_logged_and_the_next_up_fixes_it(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    before = assert_whole(lab, NAMES)
    others = [name for name in NAMES if name != before]
    for name in others:
        lab.host(name).run("sysctl -q net.ipv6.conf.eth0.disable_ipv6=1")
    lab.host(before).run("systemctl restart opennebula")
    heir = leader_seen_by(lab.host(before), other_than=before)
    wait_for(lambda: held_by(lab) == {VIP: [heir]} or None, f"{VIP} on {heir}")
    said = f"vips.sh leader: cannot add {VIP6}/64 to eth0:"
    wait_for(lambda: said in lab.host(heir).run("cat /var/log/one/oned.log").stdout or None, said)
    for name in others:
        number = lab.host(name).address.rpartition(".")[2]
        done = lab.host(name).run(
            "sysctl -q net.ipv6.conf.eth0.disable_ipv6=0 &&"
            f" ip address add fd00:2:50::{number}/64 dev eth0 nodad"
        )
        assert done.returncode == 0, done.stderr
    shown = operator.refresh()
    assert f"drift: {VIP6} missing on the leader {heir}" in shown.output
    run = operator.up()
    assert run.ok, run.output
    assert held_by(lab) == {VIP: [heir], VIP6: [heir]}


@pytest.mark.campaign
def test_other_vips_replace_the_previous_ones(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    operator.config["one_vips"] = [
        {"address": OTHER6, "cidr": 64},
        {"address": FURTHER, "cidr": 24},
    ]
    with watching(lab) as absence:
        assert kill_at(operator, "restart oned")
        run = operator.up()
        assert run.ok, run.output
    leader = assert_whole(lab, NAMES)
    assert places(lab, (VIP, VIP6, FURTHER, OTHER6)) == [
        (leader, "eth0", f"{VIP}/24"),
        (leader, "eth0", f"{FURTHER}/24"),
        (leader, "eth0", f"{OTHER6}/64"),
    ]
    assert_served(lab, leader, OTHER6)
    gone = max(absence[VIP])
    between = max(absence["any of IPv6"])
    print(f"without {VIP} for {gone:.1f} s, without any of IPv6 for {between:.1f} s at most")
    assert max(gone, between) < ELECTION
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_the_first_vip_may_be_ipv6(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    operator.config |= {
        "one_vip": OTHER6,
        "one_vip_cidr": 64,
        "one_vips": [{"address": VIP, "cidr": 24}],
    }
    run = operator.up()
    assert run.ok, run.output
    leader = assert_whole(lab, NAMES)
    assert held_by(lab) == {VIP: [leader], OTHER6: [leader]}
    assert operator.outputs()["endpoint"] == f"http://[{OTHER6}]:2633/RPC2"
    for name in NAMES:
        one(lab.host(name), f"env ONE_XMLRPC=http://[{OTHER6}]:2633/RPC2 oneuser list")
        assert f"http://[{OTHER6}]:2633/RPC2" in zone_entry(lab.host(name))
        files = lab.host(name).run("cat /etc/one/oned.conf /etc/one/monitord.conf").stdout
        assert f'ONEGATE_ENDPOINT = "http://[{OTHER6}]:5030"' in files
        assert f'MONITOR_ADDRESS = "{OTHER6}"' in files


@pytest.mark.campaign
def test_one_ipv4_vip_uses_opennebulas_own_hook(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    operator.config |= {"one_vip": VIP, "one_vip_cidr": 24, "one_vips": []}
    run = operator.up()
    assert run.ok, run.output
    leader = assert_whole(lab, NAMES)
    assert held_by(lab) == {VIP: [leader]}
    for name in NAMES:
        conf = lab.host(name).run("grep -v '^ *#' /etc/one/oned.conf").stdout
        assert "raft/vip.sh" in conf and "vips.sh" not in conf
        assert 'LISTEN_ADDRESS = "0.0.0.0"' in conf
        gone = lab.host(name).run("ls /etc/sudoers.d/opennebula-ha /usr/local/lib/opennebula-ha/*")
        assert gone.stdout == ""


@pytest.mark.campaign
def test_a_custom_hook_gets_the_vips_as_arguments(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    operator.config |= {"leader_hook": "/usr/local/sbin/lead", "follower_hook": "raft/vips.sh"}
    refused = operator.up()
    assert not refused.ok
    assert "/usr/local/sbin/lead, which oneadmin can run" in refused.output
    for name in NAMES:
        done = lab.host(name).run(
            f'printf \'#!/bin/sh\\necho "$@" >/tmp/lead; exec {HOOK} "$@"\\n\''
            " >/usr/local/sbin/lead; chmod 755 /usr/local/sbin/lead"
        )
        assert done.returncode == 0, done.stderr
    run = operator.up()
    assert run.ok, run.output
    leader = assert_whole(lab, NAMES)
    assert lab.host(leader).run("cat /tmp/lead").stdout == f"leader eth0 {VIP}/24\n"
    assert held_by(lab) == {VIP: [leader]}


def test_destroy_removes_all_of_our_files(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    run = operator.destroy()
    assert run.ok, run.output
    assert held_by(lab) == {}
    for name in NAMES:
        left = lab.host(name).run(
            f"ls {HOOK} /etc/sudoers.d/opennebula-ha /usr/local/lib/opennebula-ha;"
            " find /etc/systemd/system -name 'opennebula-ha*' -o -type d -name 'opennebula*.d'"
        )
        assert left.stdout == ""


def follower(lab: Lab) -> str:
    """Return a server that is not the leader."""
    return next(s.name for s in servers(lab.host("n1a1")) if s.state == "follower")


def places(lab: Lab, addresses: Collection[str] = (VIP, VIP6)) -> list[tuple[str, str, str]]:
    """Return host, interface, and address with prefix, for each of these."""
    return [
        (host.name, words[1], words[3])
        for host in lab.hosts
        if host.is_running
        for words in map(str.split, host.run("ip -o address show").stdout.splitlines())
        if words[3].split("/")[0] in addresses
    ]


def held_by(lab: Lab) -> dict[str, list[str]]:
    """Return the hosts of each address that any host has."""
    found = places(lab, (VIP, VIP6, OTHER6, FURTHER))
    held: dict[str, list[str]] = {}
    for host, _, place in found:
        held.setdefault(place.split("/")[0], []).append(host)
    return held


def assert_served(lab: Lab, leader: str, ipv6: str = VIP6) -> None:
    """Check that oned and OneGate of the leader answer at both."""
    for name in NAMES:
        if lab.host(name).is_running:
            at_vip = f"env ONE_XMLRPC=http://[{ipv6}]:2633/RPC2"
            assert "oneadmin" in one(lab.host(name), f"{at_vip} oneuser list")
    for address in (VIP, ipv6):
        answer = wait_for(lambda at=address: _answer(lab, at), f"Gate at {address}")  # type: ignore[misc]
        assert answer == f"opennebula-gate ({leader})"


def _answer(lab: Lab, address: str) -> str | None:
    answer = GATE.of(lab, address)
    return answer.server if answer.status == 200 else None


def forget(lab: Lab) -> None:
    """Make the operator's machine believe that both are in another place."""
    for address in (FURTHER, OTHER6):
        wrong = f"ip neigh replace {address} lladdr 02:00:00:00:00:99 dev lab0 nud stale"
        lab.exec(wrong.split(), check=True)


def neighbours(lab: Lab) -> set[str]:
    """Return where the operator's machine believes them to be."""
    lines = lab.exec(["ip", "neigh", "show", "dev", "lab0"], check=True).stdout.splitlines()
    return {
        words[words.index("lladdr") + 1]
        for words in map(str.split, lines)
        if words[0] in (FURTHER, OTHER6) and "lladdr" in words
    }


@contextmanager
def watching(lab: Lab) -> Iterator[dict[str, list[float]]]:
    """Measure each period, in seconds, in which no host had one of them, or any of IPv6."""
    groups = {address: {address} for address in (VIP, VIP6, OTHER6, FURTHER)}
    groups["any of IPv6"] = {VIP6, OTHER6}
    absence = {name: [0.0] for name in groups}
    over = threading.Event()

    def watch() -> None:
        last = dict.fromkeys(groups, time.monotonic())
        while not over.is_set():
            found, now = held_by(lab).keys(), time.monotonic()
            for name, addresses in groups.items():
                absence[name][-1] = now - last[name]
                if addresses & found:
                    last[name] = now
                    absence[name].append(0.0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield absence
    finally:
        over.set()
        thread.join()
