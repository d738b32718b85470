"""A refresh reports manual changes on the hosts, and the next up reverts only those."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.machines import Lab
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator
from tests.lab.zones import assert_whole, holders, one

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
KEYS, REMOTES = "/var/lib/one/.one", "/var/lib/one/remotes"


@dataclass(frozen=True)
class Drift:
    """A manual change on a host, and the words with which a refresh reports it."""

    host: str
    by_hand: str
    shown: str


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["features"] = {"gui": True, "flow": True, "gate": False, "form": False}
    run = operator.up()
    assert run.ok, run.output
    for host in lab.hosts:
        # Not managed by any stack.
        host.run("echo '# ours' >>/etc/one/oned.conf; touch -d @1 /etc/one/oned.conf")
        host.run("echo ours >/etc/motd; touch /var/lib/one/.one/ours")
    yield lab, operator


def test_drift_on_a_host_is_reverted_without_a_rejoin(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    files = {name: configuration(lab, name) for name in NAMES}
    started = {name: starts(lab, name) for name in (leader, far)}
    drift = [
        Drift(near, edit("oned.conf", f"{VIP}:5030", f"{VIP}:5999"), "oned.conf"),
        Drift(near, edit("monitord.conf", f'"{VIP}"', '"auto"'), "monitord.conf"),
        Drift(near, "systemctl disable opennebula", "opennebula.service: disabled"),
        Drift(near, "systemctl disable mariadb", "mariadb.service: disabled"),
        Drift(near, "systemctl stop opennebula-fireedge", "opennebula-fireedge.service: stopped"),
        Drift(near, "apt-mark hold opennebula", "package opennebula: held back"),
        Drift(
            near,
            "mysql -e \"GRANT SELECT ON *.* TO 'oneadmin'@'localhost'\"",
            "database account oneadmin: rights on every database",
        ),
        Drift(far, "dpkg --remove opennebula-flow", "package opennebula-flow: not installed"),
        Drift(far, "systemctl mask opennebula-fireedge", "opennebula-fireedge.service: masked"),
        Drift(
            far,
            "sed -i '1i 10.2.50.99 n1a1 mine' /etc/hosts",
            "/etc/hosts: n1a1 at 10.2.50.10 10.2.50.99",
        ),
        Drift(far, f"chown root {KEYS}/one_auth", "one_auth: mode 600, owner root:oneadmin"),
        Drift(far, f"ip address add {VIP}/24 dev eth0", f"{VIP} left over on {far}"),
        Drift(leader, f"chmod 644 {KEYS}/one_auth", "one_auth: mode 644, owner oneadmin:oneadmin"),
    ]
    repair(lab, operator, drift)
    for name in NAMES:
        expected = files[name] if name != far else files[name] | {"10.2.50.99 mine"}
        assert configuration(lab, name) == expected
    assert {name: starts(lab, name) for name in (leader, far)} == started
    assert lab.host(near).run("systemctl is-enabled opennebula mariadb").returncode == 0
    assert lab.host(near).run("systemctl is-active opennebula-fireedge").returncode == 0
    assert lab.host(near).run("apt-mark showhold").stdout == ""
    assert lab.host(far).run("systemctl is-enabled opennebula-flow").returncode == 0
    assert lab.host(far).run("getent ahostsv4 n1a1").stdout.startswith("10.2.50.10 ")


@pytest.mark.campaign
def test_a_leftover_vip_does_not_make_a_server_the_leader(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    flow, hem = "opennebula-flow.service", "opennebula-hem.service"
    part = "/etc/systemd/system/opennebula-flow.service.d/opennebula-ha.conf"
    mode = "mode 600, owner root:root"
    drift = [
        Drift(near, f"ip address add {VIP}/24 dev eth0", f"{VIP} left over on {near}"),
        Drift(near, f"systemctl start {flow}", f"{flow}: runs on a follower"),
        Drift(
            near, f"systemctl disable {hem}; systemctl start {hem}", f"{hem}: runs on a follower"
        ),
        Drift(far, f"ip address add {VIP}/24 dev eth0", f"{VIP} left over on {far}"),
        Drift(far, f"chmod 600 {part}", f"{part}: {mode}"),
        Drift(leader, f"systemctl stop {flow}", f"{flow}: stopped"),
    ]
    for name in NAMES:
        assert lab.host(name).run(f"stat -c '%a %U:%G' {part}").stdout == "644 root:root\n"
    said = repair(lab, operator, drift)
    assert said.count(f"{far}: remove {VIP}") == 1
    runs = {name: lab.host(name).run(f"systemctl is-active {flow}").returncode for name in NAMES}
    assert [name for name, status in runs.items() if status == 0] == [leader]
    assert lab.host(near).run(f"systemctl is-enabled {hem}").stdout == "enabled\n"


def test_stopped_servers_start_and_different_data_are_resynced(
    zone: tuple[Lab, Operator],
) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    started = starts(lab, leader)
    drift = [
        Drift(
            near,
            "mysql opennebula -e \"DELETE FROM user_pool WHERE name = 'serveradmin'\"",
            "its data differ from the leader's: user_pool",
        ),
        Drift(far, "systemctl disable --now opennebula", "its oned is stopped"),
        Drift(leader, f"ip address del {VIP}/24 dev eth0", f"{VIP} missing on the leader"),
    ]
    repair(lab, operator, drift)
    assert starts(lab, leader) == started
    # The list shows ten characters of a name.
    assert "serveradmi" in one(lab.host(near), "oneuser list")
    assert "differing" in lab.host(near).run("ls /var/backups/opennebula").stdout


def test_servers_with_wrong_keys_remotes_or_ids_rejoin(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    started = starts(lab, leader)
    drift = [
        Drift(far, f"echo other >{KEYS}/one_key", f"{KEYS}/one_key: not as on the leader"),
        Drift(far, "echo other >>/var/lib/one/.ssh/id_rsa", ".ssh/id_rsa: not as on the leader"),
        Drift(far, f"echo '#' >>{REMOTES}/hooks/raft/vip.sh", f"{REMOTES}/hooks: not as on the"),
        Drift(near, edit("oned.conf", "SERVER_ID *= *[0-9]*", "SERVER_ID = 7"), "SERVER_ID 7 in"),
    ]
    repair(lab, operator, drift)
    assert starts(lab, leader) == started


@pytest.mark.campaign
def test_a_leader_with_drift_hands_over_before_its_restart(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    leader, near, far = roles(lab)
    drift = [
        Drift(leader, edit("oned.conf", "SERVER_ID *= *[0-9]*", "SERVER_ID = -1"), "SERVER_ID -1"),
        Drift(near, "systemctl disable --now mariadb", "mariadb.service: disabled"),
    ]
    repair(lab, operator, drift)
    assert roles(lab)[0] in (near, far)
    for name in NAMES:
        assert "# ours" in lab.host(name).run("cat /etc/one/oned.conf").stdout
        assert lab.host(name).run("cat /etc/motd; ls /var/lib/one/.one/ours").stdout


def test_a_refresh_runs_one_command_per_host(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    before = [asked(lab, name) for name in NAMES]
    run = operator.refresh()
    assert run.ok, run.output
    assert "16 unchanged" in run.output
    assert [asked(lab, name) for name in NAMES] == [number + 1 for number in before]


def asked(lab: Lab, name: str) -> int:
    """Count the commands that the program has run on that host."""
    done = lab.host(name).run("journalctl -t sudo -o cat | grep -c ' ubuntu .*COMMAND'")
    return int(done.stdout)


def repair(lab: Lab, operator: Operator, drift: list[Drift]) -> str:
    """Make these changes, see them reported, let ``up`` revert them, see no more drift.

    Return the output of the ``up``.
    """
    for one_of_them in drift:
        done = lab.host(one_of_them.host).run(one_of_them.by_hand)
        assert done.returncode == 0, f"{one_of_them}: {done.stderr}"
    shown = operator.refresh()
    assert shown.ok, shown.output
    for one_of_them in drift:
        assert any(one_of_them.shown in line for line in said_of(shown.output, one_of_them.host)), (
            f"{one_of_them} is not shown:\n{shown.output}"
        )
    run = operator.up()
    assert run.ok, run.output
    again = operator.refresh()
    assert again.ok, again.output
    assert "drift:" not in again.output
    assert operator.preview("--expect-no-changes").ok
    leader = assert_whole(lab, NAMES)
    assert holders(lab) == [leader]
    return run.output


def said_of(output: str, host: str) -> list[str]:
    """Return the drift that a run shows under that host's resources, or the VIP's."""
    found: list[str] = []
    of = ""
    for line in output.splitlines():
        if line.endswith("):"):
            of = line.rsplit("(", 1)[1].removesuffix("):")
        elif "drift:" in line and of in (host, "zone"):
            found.append(line)
    return found


def roles(lab: Lab) -> tuple[str, str, str]:
    """Return the leader and its two followers."""
    leader = assert_whole(lab, NAMES)
    near, far = (name for name in NAMES if name != leader)
    return leader, near, far


def edit(file: str, what: str, into: str) -> str:
    return f"grep -q '{what}' /etc/one/{file} && sed -i 's/{what}/{into}/' /etc/one/{file}"


def starts(lab: Lab, name: str) -> str:
    return lab.host(name).run("systemctl show -p ActiveEnterTimestamp opennebula mariadb").stdout


def configuration(lab: Lab, name: str) -> set[str]:
    """Return the checksums of the files in /etc, and the lines of /etc/hosts."""
    command = "find /etc -type f -not -path /etc/hosts -exec sha256sum {} +; cat /etc/hosts"
    return set(lab.host(name).run(command).stdout.splitlines())
