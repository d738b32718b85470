"""Each config key outside oned.conf: set, and then changed, on all hosts.

One zone of three: an `up` with all of those keys, and one with another value for each.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator, Secret
from tests.lab.zones import assert_whole, call, connections, one, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
BY_HAND = "# a line of somebody else"
PASSWORDS = ("canary-ldap-password-7b2e", "canary-ldap-password-2nd-91ff")
TOKEN = "canary-user:canary-token-40aa"
SUNSTONE = "/etc/one/fireedge/sunstone/sunstone-server.conf"
FOREIGN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ somebody"
FILES = (
    "/etc/one/onegate-server.conf",
    "/etc/one/oneflow-server.conf",
    "/etc/one/oneform-server.conf",
    "/etc/one/fireedge-server.conf",
    "/etc/one/auth/ldap_auth.conf",
    "/etc/one/schedulers/one_drs.conf",
    "/etc/one/schedulers/rank.conf",
    "/var/lib/one/remotes/etc/vmm/kvm/kvmrc",
    "/var/lib/one/remotes/etc/vnm/OpenNebulaNetwork.conf",
    "/etc/chrony/chrony.conf",
)
REMOTES = tuple(path for path in FILES if "/remotes/" in path)


def ldap(password: str, **changes: Any) -> dict[str, Any]:
    server = {
        ":user": "cn=admin,dc=one",
        ":password": Secret(password),
        ":host": "10.2.50.200",
        ":encryption": ":simple_tls",
        ":mapping_generate": False,
        ":mapping_filename": "dir.yaml",
        **changes,
    }
    return {
        "config": {":order": ["dir"], "dir": server},
        "mapping": {"dir": {"cn=users,dc=one": 1}},
    }


FIRST: dict[str, Any] = {
    "gate_bind_addr": VIP,
    "gate_tproxy": [{":service_port": 5030, ":remote_addr": VIP, ":remote_port": 5030}],
    "gate_endpoint": "http://one.example.org:5030",
    "flow_bind_addr": VIP,
    "form_bind_addr": VIP,
    "admin_pubkey": "leader",
    "unsafe_migrations": True,
    "keep_empty_bridge": True,
    "sched_rank": {"MAX_HOST": 2, "DEFAULT_SCHED": {"POLICY": 3, "RANK": "- RUNNING_VMS"}},
    "sched_drs": {"PLACE": {"POLICY": "PACK"}, "PREDICTIVE": 0.3},
    "auth": {"default": "ldap", "ldap": ldap(PASSWORDS[0])},
    "ntp": [{"pool": "pool.ntp.org"}, {"timezone": "Europe/Madrid"}, {"locale": "LC_TIME=C.UTF-8"}],
    "ensure_hostname": True,
    "ensure_keys_for": ["ubuntu"],
    "rsa_key_size": 2048,
}
SECOND: dict[str, Any] = {
    "gate_bind_addr": "0.0.0.0",
    "gate_tproxy": [],
    "gate_endpoint": f"http://{VIP}:5030",
    "flow_bind_addr": "0.0.0.0",
    "form_bind_addr": "127.0.0.1",
    "admin_pubkey": FOREIGN,
    "unsafe_migrations": False,
    "keep_empty_bridge": False,
    "sched_rank": {"DIFFERENT_VNETS": False},
    "sched_drs": {"PLACE": {"WEIGHTS": {"MEMORY": 2}}},
    "auth": {"ldap": ldap(PASSWORDS[1], **{":host": "10.2.50.201"})},
    "ntp": [{"server": "10.2.50.202"}, {"timezone": "UTC"}],
    "ensure_hostname": True,
    "ensure_keys_for": ["ubuntu"],
    "rsa_key_size": None,
}


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    for host in lab.hosts:
        keeps_time(host)
        host.run("hostname something-else")
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["features"] = {"gui": True, "flow": True, "gate": True, "form": True}
    yield lab, operator


def keeps_time(host: LabHost) -> None:
    """Run a time service on a lab host, although its clock cannot be set."""
    for command in (
        "apt-get -q update && apt-get -q -y --no-install-recommends install chrony tzdata",
        "mkdir -p /etc/systemd/system/chrony.service.d",
        "printf '[Unit]\nConditionCapability=\n' >/etc/systemd/system/chrony.service.d/lab.conf",
        "echo 'DAEMON_OPTS=\"-x\"' >/etc/default/chrony",
        "systemctl daemon-reload && systemctl restart chrony",
    ):
        done = host.run(command)
        assert done.returncode == 0, f"{host.name}: {command}: {done.stderr}"


def up(operator: Operator, keys: dict[str, Any]) -> None:
    operator.config.update({key: value for key, value in keys.items() if value is not None})
    for key in [key for key, value in keys.items() if value is None]:
        operator.config.pop(key, None)
    run = operator.up()
    print(run.output)
    assert run.ok
    for secret in (*PASSWORDS, TOKEN):
        assert secret not in run.output + operator.state()


def text(lab: Lab, path: str) -> str:
    """Return the text of a file, which is equal on all hosts."""
    (found,) = everywhere(lab, f"cat {path}")
    return found


def content(lab: Lab, path: str) -> Any:
    return yaml.safe_load(text(lab, path))


def everywhere(lab: Lab, command: str) -> set[str]:
    """Return the output of the command on each host."""
    return {host.run(command).stdout.strip() for host in lab.hosts}


def listens(host: LabHost, port: int, address: str) -> None:
    """Wait until a service listens there, at that address only."""
    command = f"ss -Hltn sport = {port} | awk '{{print $4}}'"
    wanted = [f"{address}:{port}"]
    wait_for(lambda: host.run(command).stdout.split() == wanted or None, f"port {port}")


def in_log(lab: Lab, name: str) -> str:
    """Search all logs and processes of the hosts for what they must not show."""
    return lab.host(name).run("journalctl -o cat --no-pager; ps axww -o args").stdout


def assert_silent(lab: Lab, operator: Operator) -> None:
    """Check that a second up opens no connection, and that a refresh finds nothing."""
    before = connections(lab)
    run = operator.up()
    assert run.ok, run.output
    assert connections(lab) == before
    run = operator.refresh()
    assert run.ok, run.output
    assert "drift:" not in run.output
    for name in NAMES:
        assert not any(secret in in_log(lab, name) for secret in (*PASSWORDS, TOKEN))


def test_each_key_is_set_on_all_hosts(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    up(operator, FIRST)
    leader = lab.host(assert_whole(lab, NAMES))

    gate = content(lab, "/etc/one/onegate-server.conf")
    assert gate.get(":server", {}).get(":bind", gate.get(":host")) == VIP
    assert gate[":oneflow_server"] == f"http://{VIP}:2474"
    assert content(lab, "/etc/one/oneflow-server.conf")[":host"] == VIP
    assert content(lab, "/etc/one/oneform-server.conf")[":host"] == VIP
    fireedge = content(lab, "/etc/one/fireedge-server.conf")
    assert fireedge["oneflow_server"] == f"http://{VIP}:2474"
    assert fireedge["oneform_server"].startswith(f"http://{VIP}:13013")
    for port in (5030, 2474, 13013):
        listens(leader, port, VIP)

    assert "MIGRATE_OPTIONS=--unsafe\n" in text(lab, REMOTES[0]) + "\n"
    network = content(lab, REMOTES[1])
    assert network[":keep_empty_bridge"] is True
    assert network[":tproxy"] == FIRST["gate_tproxy"]
    assert everywhere(lab, f"stat -c %U:%G {' '.join(REMOTES)} | sort -u") == {"oneadmin:oneadmin"}

    rank = text(lab, "/etc/one/schedulers/rank.conf")
    assert "MAX_HOST = 2\n" in rank
    assert 'RANK = "- RUNNING_VMS"' in rank
    drs = content(lab, "/etc/one/schedulers/one_drs.conf")
    assert (drs["PLACE"]["POLICY"], drs["PREDICTIVE"]) == ("PACK", 0.3)

    server = content(lab, "/etc/one/auth/ldap_auth.conf")["dir"]
    assert (server[":password"], server[":host"]) == (PASSWORDS[0], "10.2.50.200")
    assert everywhere(
        lab, "stat -c '%a %U:%G' /etc/one/auth/ldap_auth.conf /var/lib/one/dir.yaml"
    ) == {"640 root:oneadmin\n640 oneadmin:oneadmin"}
    assert content(lab, "/var/lib/one/dir.yaml") == {"cn=users,dc=one": 1}
    oned = everywhere(lab, "grep -E '^ *(DEFAULT_AUTH|ONEGATE_ENDPOINT)' /etc/one/oned.conf | sort")
    assert oned == {'DEFAULT_AUTH = "ldap"\nONEGATE_ENDPOINT = "http://one.example.org:5030"'}

    assert "token_remote_support" not in content(lab, SUNSTONE)
    key = text(lab, "/var/lib/one/.ssh/id_rsa.pub")
    assert key in one(leader, "oneuser show 0 -x")

    assert everywhere(lab, "readlink /etc/localtime") == {"../usr/share/zoneinfo/Europe/Madrid"}
    assert everywhere(lab, "cat /etc/default/locale") == {"LC_TIME=C.UTF-8"}
    assert "pool pool.ntp.org iburst" in text(lab, "/etc/chrony/sources.d/99-ntp.sources")
    assert everywhere(lab, "grep -cE '^(pool|server) ' /etc/chrony/chrony.conf") == {"0"}
    assert everywhere(lab, "systemctl is-active chrony") == {"active"}
    for host in lab.hosts:
        assert host.run("hostname; cat /etc/hostname").stdout.split() == [host.name, host.name]

    for host in lab.hosts:
        bits = host.run("ssh-keygen -lf ~ubuntu/.ssh/id_rsa.pub").stdout.split()[0]
        assert bits == "2048"
    assert_silent(lab, operator)


def test_each_key_is_changed_on_all_hosts_without_an_outage(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    for host in lab.hosts:
        for path in FILES:
            host.run(f"echo '{BY_HAND}' >>{path}")
    for host in lab.hosts:
        host.run("touch -d @1 /etc/one/oned.conf /etc/one/monitord.conf")
    started = everywhere(lab, "systemctl show -p ActiveEnterTimestamp opennebula-flow")
    # Set later: apt sends no token to a repository without TLS, such as the lab's.
    operator.secrets["one_token"] = TOKEN
    up(operator, SECOND)
    leader = lab.host(assert_whole(lab, NAMES))

    gate = content(lab, "/etc/one/onegate-server.conf")
    assert gate.get(":server", {}).get(":bind", gate.get(":host")) == "0.0.0.0"
    assert content(lab, "/etc/one/oneflow-server.conf")[":host"] == "0.0.0.0"
    fireedge = content(lab, "/etc/one/fireedge-server.conf")
    assert fireedge["oneflow_server"] == f"http://{VIP}:2474"
    assert fireedge["oneform_server"].startswith("http://127.0.0.1:13013")
    for port, address in ((5030, "0.0.0.0"), (2474, "0.0.0.0"), (13013, "127.0.0.1")):
        listens(leader, port, address)
    assert everywhere(lab, "systemctl show -p ActiveEnterTimestamp opennebula-flow") != started

    assert "MIGRATE_OPTIONS=\n" in text(lab, REMOTES[0]) + "\n"
    network = content(lab, REMOTES[1])
    assert network[":keep_empty_bridge"] is False
    assert ":tproxy" not in network

    rank = text(lab, "/etc/one/schedulers/rank.conf")
    assert "MAX_HOST = 1\n" in rank
    assert 'DIFFERENT_VNETS = "NO"' in rank
    drs = content(lab, "/etc/one/schedulers/one_drs.conf")
    assert drs["PLACE"] == {"POLICY": "BALANCE", "WEIGHTS": {"MEMORY": 2}}
    assert drs["PREDICTIVE"] == 0

    server = content(lab, "/etc/one/auth/ldap_auth.conf")["dir"]
    assert (server[":password"], server[":host"]) == (PASSWORDS[1], "10.2.50.201")
    assert PASSWORDS[0] not in text(lab, "/etc/one/auth/ldap_auth.conf")
    oned = everywhere(lab, "grep -E '^ *(DEFAULT_AUTH|ONEGATE_ENDPOINT)' /etc/one/oned.conf | sort")
    assert oned == {f'ONEGATE_ENDPOINT = "http://{VIP}:5030"'}
    assert FOREIGN in one(leader, "oneuser show 0 -x")
    assert content(lab, SUNSTONE)["token_remote_support"] == TOKEN
    assert everywhere(lab, f"stat -c '%a %U:%G' {SUNSTONE}") == {"640 root:oneadmin"}

    assert everywhere(lab, "readlink /etc/localtime") == {"../usr/share/zoneinfo/UTC"}
    sources = text(lab, "/etc/chrony/sources.d/99-ntp.sources")
    assert "server 10.2.50.202 iburst" in sources
    assert "pool.ntp.org" not in sources
    assert all("10.2.50.202" in host.run("chronyc -n sources").stdout for host in lab.hosts)

    for path in FILES:
        assert everywhere(lab, f"grep -c '{BY_HAND}' {path}") == {"1"}
    assert_silent(lab, operator)


@pytest.mark.campaign
def test_manual_edits_are_reported_and_reverted(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    host = lab.host("n1a2")
    for command in (
        "sed -i 's/^:host: .*/:host: 10.9.9.9/' /etc/one/oneflow-server.conf",
        "sed -i 's/^MIGRATE_OPTIONS=.*/MIGRATE_OPTIONS=--unsafe/' " + REMOTES[0],
        "chmod 0644 /etc/one/auth/ldap_auth.conf",
        "hostname another",
        "timedatectl set-timezone Europe/Madrid",
    ):
        done = host.run(command)
        assert done.returncode == 0, done.stderr
    call(lab.host("n1a1"), "one.user.update", 0, 'SSH_PUBLIC_KEY = "none"', 1)
    run = operator.refresh()
    assert run.ok, run.output
    for name in (
        "oneflow-server.conf: :host",
        "kvmrc: MIGRATE_OPTIONS",
        "auth/ldap_auth.conf: mode 644, owner root:oneadmin",
        "hostname: another",
        "time zone: Europe/Madrid",
        "oneadmin's SSH_PUBLIC_KEY",
    ):
        assert f"drift: {name}" in run.output.replace("/var/lib/one/remotes/etc/vmm/kvm/", "")
    assert operator.up().ok
    assert content(lab, "/etc/one/oneflow-server.conf")[":host"] == "0.0.0.0"
    assert FOREIGN in one(lab.host("n1a1"), "oneuser show 0 -x")
    assert_silent(lab, operator)


def test_removed_keys_restore_the_original_values(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    for key in ("sched_rank", "sched_drs", "auth", "ntp"):
        del operator.config[key]
    del operator.secrets["one_token"]
    run = operator.up()
    assert run.ok, run.output
    for path in ("/etc/one/auth/ldap_auth.conf", "/etc/one/schedulers/rank.conf"):
        assert "opennebula-ha" not in text(lab, path)
    for path in ("/etc/one/schedulers/one_drs.conf", SUNSTONE):
        assert "opennebula-ha" not in text(lab, path)
    assert not any(password in text(lab, "/etc/one/auth/ldap_auth.conf") for password in PASSWORDS)
    gone = "ls /var/lib/one/dir.yaml /etc/chrony/sources.d/99-ntp.sources 2>/dev/null"
    assert everywhere(lab, gone) == {""}
    assert everywhere(lab, "grep -cE '^(pool|server) ' /etc/chrony/chrony.conf") == {"1"}
    assert_silent(lab, operator)
