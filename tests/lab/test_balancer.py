"""A zone without a VIP: HAProxy sends clients to the leader, as each front-end reports its role.

The tests share one lab and run in order.
"""

from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, VIP_KEYS, VIP_VALUES, Operator
from tests.lab.web import Answer, Page
from tests.lab.zones import leader_seen_by, one, servers, wait_for, zone_entry

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
BALANCER = "n1a4"
PORT = 2636
CHECK = Page(PORT, "/")
GATE = Page(5030, "/")
LEADS = "/usr/local/lib/opennebula-ha/leads"
SOCKET = "opennebula-ha-leader.socket"


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(4)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    balance(lab)
    for key in VIP_KEYS:
        del operator.config[key]
    operator.config |= {
        "features": {"gui": False, "flow": False, "gate": True, "form": False},
        "zone_endpoint": f"http://{lab.host(BALANCER).address}:2633/RPC2",
        "leader_check": {"port": PORT},
    }
    run = operator.up()
    assert run.ok, run.output
    yield lab, operator


def test_balancer_sends_clients_to_the_leader_and_its_services(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader = leader_seen_by(lab.host("n1a1"))
    assert_led_to(lab, leader)
    assert_idle(lab, leader)
    assert operator.outputs()["endpoint"] == operator.config["zone_endpoint"]
    for name in NAMES:
        assert operator.config["zone_endpoint"] in zone_entry(lab.host(name))
        conf = lab.host(name).run("cat /etc/one/oned.conf /etc/one/monitord.conf").stdout
        assert 'ARGUMENTS = "leader"' in conf
        assert f'MONITOR_ADDRESS = "{lab.host(BALANCER).address}"' in conf
    assert operator.up("--expect-no-changes").ok
    shown = operator.refresh()
    assert shown.ok and "drift:" not in shown.output, shown.output


def test_each_front_end_reports_only_whether_it_leads(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    leader = leader_seen_by(lab.host("n1a1"))
    for name in NAMES:
        host = lab.host(name)
        said = CHECK.of(lab, host.address)
        wanted = (200, "leader\n") if name == leader else (503, "not the leader\n")
        assert (said.status, said.body) == wanted
        for user in ("root", "oneadmin"):
            done = host.run(f"runuser -u {user} -- {LEADS}")
            assert (done.returncode, done.stdout + done.stderr) == (int(name != leader), "")
        # No other user may read the credentials of the check.
        assert host.run(f"runuser -u ubuntu -- {LEADS}").returncode == 1
        listening = host.run(f"ss -Hltn sport = :{PORT}").stdout.split()
        assert listening[3] == f"{host.address}:{PORT}"
        assert "Started" not in host.run("journalctl -u 'opennebula-ha-leader@*' -o cat").stdout
    host = lab.host(leader)
    # An invalid request, one that never ends, and many at once.
    for request in ("OPTIONS / HTTP/1.0\\r\\n\\r\\n", "", "GET / HTTP/1.1\\r\\nHost: x\\r\\n"):
        asked = f"exec 3<>/dev/tcp/{host.address}/{PORT}; printf '{request}' >&3; head -n 1 <&3"
        assert host.run(asked).stdout == "HTTP/1.1 200 OK\n"
    host.run(f"for n in $(seq 300); do (exec 3<>/dev/tcp/{host.address}/{PORT}) & done; wait")
    wait_for(lambda: CHECK.of(lab, host.address).status == 200 or None, "an answer after all")


def test_an_oned_that_hangs_does_not_report_that_it_leads(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    leader = leader_seen_by(lab.host("n1a1"))
    host = lab.host(leader)
    # All processes of oned; the program that answers for it is not part of its unit.
    assert host.run("systemctl kill --signal=SIGSTOP opennebula").returncode == 0
    try:
        assert CHECK.of(lab, host.address).status == 503
        other = next(name for name in NAMES if name != leader)
        heir = leader_seen_by(lab.host(other), other_than=leader)
        assert_led_to(lab, heir)
    finally:
        host.run("systemctl kill --signal=SIGCONT opennebula")
    wait_for(lambda: states(lab, leader).get(leader) == "follower" or None, f"{leader} to follow")
    assert CHECK.of(lab, host.address).status == 503
    assert_idle(lab, heir)


@pytest.mark.campaign
def test_balancer_follows_when_the_leaders_host_fails(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    fallen = leader_seen_by(lab.host("n1a1"))
    others = [name for name in NAMES if name != fallen]
    lab.host(fallen).kill()
    heir = leader_seen_by(lab.host(others[0]), other_than=fallen)
    assert_led_to(lab, heir)
    assert_idle(lab, heir)
    one(lab.host(heir), "oneuser create after-the-fall secret-of-that")
    lab.host(fallen).start()
    wait_for(lambda: states(lab, fallen).get(fallen) == "follower" or None, f"{fallen} to follow")
    leader = leader_seen_by(lab.host(fallen))
    assert_led_to(lab, leader)
    assert_idle(lab, leader)


@pytest.mark.campaign
def test_a_stopped_service_on_the_leader_is_drift(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader = leader_seen_by(lab.host("n1a1"))
    stop = f"systemctl stop opennebula-gate; systemctl disable --now {SOCKET}"
    assert lab.host(leader).run(stop).returncode == 0
    shown = operator.refresh()
    assert "drift: opennebula-gate.service: stopped" in shown.output
    assert f"drift: {SOCKET}: disabled" in shown.output
    run = operator.up()
    assert run.ok, run.output
    assert_led_to(lab, leader)
    assert "drift:" not in operator.refresh().output


@pytest.mark.campaign
def test_change_from_balancer_to_vip_to_neither(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    endpoint = operator.config.pop("zone_endpoint")
    operator.config |= {
        **VIP_VALUES,
        "leader_check": {},
    }
    run = operator.up()
    assert run.ok, run.output
    assert f"http://{VIP}:2633/RPC2" in zone_entry(lab.host("n1a1"))
    for name in NAMES:
        assert CHECK.of(lab, lab.host(name).address).status == 0
        gone = lab.host(name).run(f"ls {LEADS}; systemctl list-unit-files 'opennebula-ha*'")
        assert "opennebula-ha" not in gone.stdout
    for key in VIP_KEYS:
        del operator.config[key]
    run = operator.up()
    assert run.ok, run.output
    shown = zone_entry(lab.host("n1a1"))
    assert "http://localhost:2633/RPC2" in shown and endpoint not in shown
    assert all(f" {VIP}/" not in host.run("ip -o address").stdout for host in lab.hosts)
    leader = leader_seen_by(lab.host("n1a1"))
    answer = GATE.of(lab, lab.host(leader).address)
    assert answer.server == f"opennebula-gate ({leader})"


def balance(lab: Lab) -> None:
    """Set up HAProxy on a host that is not a front-end, as docs/config.md describes."""
    backends = []
    for port in (2633, 5030):
        lines = [f"server {name} {lab.host(name).address}:{port}" for name in NAMES]
        backends.append(
            f"""
frontend of-{port}
    mode tcp
    bind :{port}
    default_backend to-{port}
backend to-{port}
    mode tcp
    option httpchk
    default-server check port {PORT} inter 2s fall 2 rise 1 on-marked-down shutdown-sessions
    """
            + "\n    ".join(lines)
        )
    text = "defaults\n    timeout connect 2s\n    timeout client 30s\n    timeout server 30s\n"
    done = lab.host(BALANCER).run(
        "apt-get -qq update && apt-get -qq -y --no-install-recommends install haproxy &&"
        f" cat >/etc/haproxy/haproxy.cfg <<'END'\n{text}{''.join(backends)}\nEND\n"
        "systemctl restart haproxy"
    )
    assert done.returncode == 0, done.stderr


def assert_led_to(lab: Lab, leader: str) -> None:
    """Wait until oned and OneGate at the balancer are those of that host.

    The balancer checks the host for each of them at its own time.
    """
    at_balancer = f"env ONE_XMLRPC=http://{lab.host(BALANCER).address}:2633/RPC2"
    users = f"runuser -u oneadmin -- {at_balancer} oneuser list"

    def gate() -> Answer | None:
        answer = GATE.of(lab, lab.host(BALANCER).address)
        return answer if answer.server == f"opennebula-gate ({leader})" else None

    wait_for(gate, f"the balancer to lead to {leader}")

    def oned() -> bool | None:
        return "oneadmin" in lab.host(leader).run(users).stdout or None

    wait_for(oned, f"the balancer to lead oned's clients to {leader}")


def assert_idle(lab: Lab, leader: str) -> None:
    """Check that OneGate does not run on other hosts."""

    def running() -> list[str]:
        asked = "systemctl -q is-active opennebula-gate"
        up = (name for name in NAMES if lab.host(name).is_running)
        return [name for name in up if lab.host(name).run(asked).returncode == 0]

    wait_for(lambda: running() == [leader] or None, f"Gate on {leader} alone")


def states(lab: Lab, asked: str) -> dict[str, str]:
    """Return the state of each server, as that host sees it."""
    try:
        return {server.name: server.state for server in servers(lab.host(asked))}
    except AssertionError:
        return {}
