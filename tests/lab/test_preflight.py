"""Preflight on hosts that fail every check: one run reports all problems and changes nothing.

Two properties cannot be set for a lab host: its own clock, and another amount of memory. The clock
is a ``date`` that comes first in the PATH of our scripts; the memory is a file that is mounted over
``/proc/meminfo``. A system without systemd is one whose systemd has lost its mark.
"""

from collections.abc import Iterator

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.messages import all_messages, only, warnings
from tests.lab.operators import VIP, Operator, config
from tests.lab.zones import assert_whole, connections, footprint

pytestmark = pytest.mark.lab

NAMES = [f"n1a{number}" for number in range(1, 6)]
STRANGER = "n1a5"
OFF = {"n1a9": {"address": "10.2.50.40"}}
FOUND_IT = "n1a1, n1a2, n1a3"
REACH = "check that the front-ends reach each other"
Site = tuple[Lab, Operator]

FIREWALL = """
table inet filter {
    chain input {
        type filter hook input priority 0
        ip saddr 10.2.50.11 tcp dport 2633 drop
        ip saddr 10.2.50.12 tcp dport { 2616, 2474 } reject with icmp type admin-prohibited
    }
    chain output {
        type filter hook output priority 0
        tcp dport 8080 reject with tcp reset
    }
}
"""
SILENT = """
table inet filter {
    chain input {
        type filter hook input priority 0
        ip daddr 10.2.50.86 drop
    }
}
"""
NO_FIREWALL = "delete table inet filter"


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(5, template="mariadb")
    names = "".join(f"{host.address} {host.name}\n" for host in lab.hosts)
    for host in lab.hosts:
        do(host, f"echo '{names}{OFF['n1a9']['address']} n1a9' >>/etc/hosts")
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)


def do(host: LabHost, script: str) -> None:
    done = host.run(f"set -e\n{script}")
    assert done.returncode == 0, done.stderr


def break_everything(lab: Lab) -> None:
    """Give each host a problem of its own."""
    lab.host("n1a1").firewall(FIREWALL)
    do(lab.host("n1a1"), "sed -i '/n1a3$/s/.*/10.2.50.99 n1a3/' /etc/hosts")
    pretend_memory(lab.host("n1a1"), 1500)
    do(lab.host("n1a2"), "systemd-run --unit=squatter python3 -m http.server 2633")
    pretend_memory(lab.host("n1a2"), 300)
    lab.host("n1a2").fill_disk()
    do(
        lab.host("n1a3"),
        "sed -i 's/^ID=.*/ID=slackware/' /etc/os-release\n"
        """printf '#!/bin/sh\\nexec /bin/date -d "+45 seconds" "$@"\\n' >/usr/local/bin/date\n"""
        "chmod +x /usr/local/bin/date\n"
        "mv /run/systemd/system /run/systemd/away",
    )
    do(lab.host("n1a4"), "sed -i 's/NOPASSWD: //' /etc/sudoers.d/ubuntu")
    do(lab.host(STRANGER), f"ip address add {VIP}/24 dev eth0")
    lab.host(STRANGER).firewall(SILENT)


def fix_everything(lab: Lab) -> None:
    lab.host("n1a1").firewall(NO_FIREWALL)
    do(lab.host("n1a1"), "sed -i 's/10.2.50.99/10.2.50.12/' /etc/hosts; umount /proc/meminfo")
    lab.host("n1a2").free_disk()
    do(lab.host("n1a2"), "umount /proc/meminfo; systemctl stop squatter")
    do(
        lab.host("n1a3"),
        "sed -i 's/^ID=.*/ID=debian/' /etc/os-release; rm /usr/local/bin/date\n"
        "mv /run/systemd/away /run/systemd/system",
    )
    do(lab.host("n1a4"), "sed -i 's/ALL$/NOPASSWD: ALL/' /etc/sudoers.d/ubuntu")
    do(lab.host(STRANGER), f"ip address del {VIP}/24 dev eth0")
    lab.host(STRANGER).firewall(NO_FIREWALL)


def deaf_to(name: str) -> str:
    """Return the firewall rules that block SSH from that host."""
    return f"""
table inet filter {{
    chain input {{
        type filter hook input priority 0
        ip saddr 10.2.50.{9 + int(name[-1])} tcp dport 22 drop
    }}
}}
"""


def pretend_memory(host: LabHost, mebibytes: int) -> None:
    do(
        host,
        f"sed 's/^MemTotal:.*/MemTotal: {mebibytes << 10} kB/' /proc/meminfo >/run/meminfo\n"
        "mount --bind /run/meminfo /proc/meminfo",
    )


def everything(hosts: list[LabHost]) -> set[str]:
    """Collect what a change would leave on the running hosts: files, packages, units, addresses."""
    look = (
        "find /etc /root /run/lock /var/backups /var/cache /var/lib -type f"
        # MariaDB writes to its own files for some time after its start.
        " -not -path '*/systemd/*' -not -path '/var/lib/mysql/*' -exec sha256sum {} + | sort -k2;"
        " dpkg -l;"
        " find /etc/systemd /lib/systemd -printf '%p %l\\n' | sort; ip -o address;"
        " ls -a /run /tmp /var/lib /var/lib/mysql | grep -v motd"
    )
    return {
        f"{host.name}: {line}"
        for host in hosts
        for line in (footprint(host) + host.run(look).stdout).splitlines()
    }


FEATURES = {"gui": True, "flow": True, "gate": False, "form": False}


def test_preflight_reports_all_problems_and_changes_nothing(site: Site) -> None:
    lab, operator = site
    break_everything(lab)
    front_ends = operator.list_of(NAMES[:4]) | OFF
    front_ends["n1a2"] |= {"one_vip_if": "eth9"}
    before = everything(lab.hosts)
    with config(operator, frontends=front_ends, ensure_hosts=False, features=FEATURES):
        run = operator.up()
    found = all_messages(run)
    assert everything(lab.hosts) == before
    assert "Installation" not in run.output
    fix_everything(lab)

    said = {(one.host, one.step, one.expected, one.seen) for one in found}
    assert {(host, step) for host, step, *_ in said} == {
        ("n1a1", "resolve the front-ends' names"),
        ("n1a1", REACH),
        ("n1a1", "check the package repository"),
        (FOUND_IT, "check that the VIP is free"),
        ("n1a2", "check the VIP's interface"),
        ("n1a2", "check the free space"),
        ("n1a2", "check the memory"),
        ("n1a2", "check that the ports of its services are free"),
        ("n1a3", "choose the package repository"),
        ("n1a3", "compare the clocks"),
        ("n1a3", "check for systemd"),
        ("n1a4", "become root"),
        ("n1a9", "connect"),
    }
    seen = {(host, step): text for host, step, _, text in said if step != REACH}
    assert {text for _, step, _, text in said if step == REACH} == {
        "from n1a2 to n1a1 port 2633 (oned): no answer",
        "from n1a3 to n1a1 port 2616 (opennebula-fireedge), 2474 (opennebula-flow): No route to"
        " host",
    }
    assert seen["n1a1", "resolve the front-ends' names"] == "n1a3 at 10.2.50.99"
    assert "Connection refused" in seen["n1a1", "check the package repository"]
    assert seen[FOUND_IT, "check that the VIP is free"].startswith("02:00:0a:02:32:0e there")
    assert seen["n1a2", "check the VIP's interface"].count("eth0 10.2.50.11/24") == 1
    assert seen["n1a2", "check the free space"] == "0 MiB"
    assert seen["n1a2", "check the memory"] == "300 MiB"
    assert seen["n1a2", "check that the ports of its services are free"] == "python3 at 2633"
    assert seen["n1a3", "choose the package repository"] == "slackware 12"
    assert "n1a3 +4" in seen["n1a3", "compare the clocks"]
    assert "password is required" in seen["n1a4", "become root"]
    assert warnings(run) == [
        "n1a1: check the memory: expected 2.0 GiB for a front-end, saw 1.5 GiB"
    ]


def test_the_same_hosts_become_a_zone_after_the_remedies(site: Site) -> None:
    lab, operator = site
    operator.change(NAMES[:3])
    assert_whole(lab, NAMES[:3])
    before = connections(lab)
    assert operator.up("--expect-no-changes").ok
    assert connections(lab) == before


@pytest.mark.campaign
def test_problems_of_new_hosts_do_not_prevent_an_adoption(
    site: Site,
) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES[:3])
    follower, off = (name for name in NAMES[:3] if name != leader)
    lab.host(off).kill()
    lab.host(follower).firewall(deaf_to(leader))
    pretend_memory(lab.host(follower), 300)
    before = trace(lab)
    operator.forget()
    run = operator.up()
    lab.host(follower).firewall(NO_FIREWALL)
    do(lab.host(follower), "umount /proc/meminfo")
    assert only(run, off).step == "connect"
    # Every server of the zone must answer; other problems of a running server block nothing.
    assert "opennebula:Installation" not in operator.state()
    assert trace(lab) == before
    lab.host(off).start()
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, NAMES[:3])


def test_a_vip_in_use_by_another_host_is_refused(site: Site) -> None:
    lab, operator = site
    leader = assert_whole(lab, NAMES[:3])
    before = trace(lab)
    with config(operator, one_vip=lab.host(STRANGER).address):
        message = only(operator.up(), ", ".join(NAMES[:3]))
    assert message.step == "check that the VIP is free"
    assert message.expected == f"no other host at {lab.host(STRANGER).address}"
    assert trace(lab) == before
    assert assert_whole(lab, NAMES[:3]) == leader
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_an_unsuitable_new_host_stops_the_growth_before_any_change(site: Site) -> None:
    lab, operator = site
    present = assert_whole(lab, NAMES[:3])
    off = next(name for name in NAMES[:3] if name != present)
    lab.host(off).kill()
    do(lab.host("n1a4"), "systemd-run --unit=squatter python3 -m http.server 2633")
    lab.host("n1a5").firewall(deaf_to(present))
    new = [lab.host(name) for name in NAMES[3:]]
    before = everything(new), trace(lab)
    with config(operator, frontends=operator.list_of(NAMES)):
        found = all_messages(operator.up())
    assert {(one.host, one.step) for one in found if one.host == off} == {(off, "connect")}
    assert {(one.host, one.step, one.seen) for one in found if one.host != off} == {
        ("n1a4", "check that the ports of its services are free", "python3 at 2633"),
        ("n1a5", REACH, f"from {present} to n1a5 port 22 (sshd): no answer"),
    }
    assert (everything(new), trace(lab)) == before
    do(lab.host("n1a4"), "systemctl stop squatter")
    lab.host("n1a5").firewall(NO_FIREWALL)
    lab.host(off).start()
    operator.change(NAMES)
    assert_whole(lab, NAMES)


def trace(lab: Lab) -> dict[str, str]:
    return {host.name: footprint(host) for host in lab.hosts if host.is_running}
