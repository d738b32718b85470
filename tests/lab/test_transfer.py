"""Transfers from the leader to other front-ends, by each way to log in; no access is left.

The tests share a zone that grows: each way is used for the bootstrap or for a join. The hosts' own
sshds show which key was accepted.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.messages import only
from tests.lab.operators import Operator, Run, config, kill_session
from tests.lab.zones import assert_whole, servers, wait_for

pytestmark = pytest.mark.lab

THREE = ["n1a1", "n1a2", "n1a3"]
ALL = [*THREE, "n1a4", "n1a5"]
MADE, OWN, AGENT = "a key for this alone", "keys of ubuntu here", "the operator's agent"
BLOB = "/var/lib/one/.one/blob"
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(5, template="mariadb")
    yield lab, Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=THREE)


@pytest.fixture
def agent(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the operator an agent with the key that all hosts accept; return its fingerprint."""
    lab, _ = site
    socket = tmp_path / "agent"
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE
    ) as running:
        try:
            wait_for(lambda: socket.exists() or None, "the agent")
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", str(lab.key)], check=True, capture_output=True)
            yield operators_key(lab)
        finally:
            running.terminate()


def operators_key(lab: Lab) -> str:
    shown = ["ssh-keygen", "-lf", str(lab.key)]
    return subprocess.run(shown, check=True, capture_output=True, text=True).stdout.split()[1]


def own_key(host: LabHost) -> str:
    """Return the fingerprint of ubuntu's own key there."""
    return host.run("ssh-keygen -lf /home/ubuntu/.ssh/id_ed25519").stdout.split()[1]


@dataclass(frozen=True, order=True)
class Sending:
    """A transfer as the progress reports it."""

    source: str
    target: str
    way: str


def sendings(output: str) -> list[Sending]:
    """Return all reported transfers by name: several run at the same time, in any order."""
    said = r"(\w+): send the database and the keys to (\w+), with (.+)"
    return sorted(Sending(*found) for found in re.findall(said, output))


def logins(lab: Lab, source: str, target: str, verb: str = "Accepted") -> list[str]:
    """Return the fingerprints of a front-end's logins to another, as the other's sshd saw them."""
    address = re.escape(lab.host(source).address)
    journal = lab.host(target).run("journalctl -u ssh -o cat").stdout
    pattern = rf"{verb} publickey for ubuntu from {address} port \d+ ssh2: ED25519 (\S+)"
    return re.findall(pattern, journal)


def assert_no_trust_left(lab: Lab) -> None:
    for host in lab.hosts:
        assert trust(host) == "", host.name
        assert reachable_agents(host) == "", host.name


def trust(host: LabHost) -> str:
    """Collect what a transfer may leave: authorized keys, known hosts, and the key."""
    return host.run(
        "grep -hs opennebula-ha-transfer {/home/ubuntu,/root}/.ssh/authorized_keys;"
        " ls -d /run/opennebula-ha* /var/lib/opennebula-ha/incoming 2>/dev/null;"
        " grep -rlsF 'PRIVATE KEY' /run; ls -d /var/lib/mysql/opennebula_ha_incoming 2>/dev/null;"
        " systemctl -q is-active opennebula-ha-import && echo an import"
    ).stdout


def reachable_agents(host: LabHost) -> str:
    """Return the keys of all agents that root can reach on a host."""
    return host.run(
        "find / -xdev -type s -name 'agent*' 2>/dev/null; find /tmp /run -type s -name 'agent*'"
        " | while read -r socket; do SSH_AUTH_SOCK=$socket timeout 5 ssh-add -l; done"
    ).stdout


@contextmanager
def another_in_the_place_of(lab: Lab, name: str, operator: Operator) -> Iterator[Run]:
    """Run an ``up`` that already knows the host when its sshd begins to show other keys."""
    host = lab.host(name)
    process = operator.start_up()
    assert process.stdout is not None
    said = []
    swapped = False
    for line in process.stdout:
        said.append(line)
        # Long before the transfer: an sshd that restarts resets connections.
        if f"{name}: install packages" in line and not swapped:
            swapped = True
            host.run(
                "mkdir /root/true; mv /etc/ssh/ssh_host_* /root/true; ssh-keygen -qA;"
                " systemctl restart ssh"
            )
    try:
        yield Run(process.wait(), "".join(said))
    finally:
        host.run(
            "mv -f /root/true/* /etc/ssh; rm -f /etc/ssh/ssh_host_rsa_key*; rmdir /root/true;"
            " systemctl restart ssh"
        )


@contextmanager
def in_the_middle_of(
    operator: Operator, source: str, target: str, way: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run an ``up`` whose transfer to that host has begun and pauses; resume it afterwards."""
    lab = operator.lab
    lab.host(source).run(f"head -c 200M /dev/urandom >{BLOB}")
    process = operator.start_up()
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if Sending(source, target, way) in sendings(line):
                lab.host(target).freeze()
                break
        else:
            pytest.fail("".join(said))
        assert lab.host(source).run("pgrep -x rsync").returncode == 0, "it was over before"
        try:
            yield process
        finally:
            lab.host(target).thaw()
    finally:
        kill_session(process)
        process.wait()
        process.stdout.close()
        lab.host(source).run(f"rm -f {BLOB}")


def assert_no_other_use(lab: Lab, source: LabHost, target: LabHost) -> None:
    """Try a key that the target accepts as it accepts the one of a transfer."""
    keys, key = "/home/ubuntu/.ssh/authorized_keys", "/run/of-a-thief"
    source.run(f"ssh-keygen -q -t ed25519 -N '' -f {key}")
    public = source.run(f"cat {key}.pub").stdout.strip()
    granted = target.run(f"grep ' opennebula-ha-transfer$' {keys}").stdout.strip()
    options = re.match(r'restrict,command="[^"]*",expiry-time="\d+"(?= ssh-)', granted)
    assert options is not None, granted
    target.run(f"echo '{options[0]} {public} opennebula-ha-transfer' >>{keys}")
    ssh = (
        f"timeout 20 ssh -F none -i {key} -o BatchMode=yes -o StrictHostKeyChecking=no"
        f" -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR ubuntu@{target.address}"
    )
    target.run("mkdir -p /srv/own; echo canary >/srv/own/file; rm -f /tmp/done")
    rsync = f"rsync -e '{ssh.rpartition(' ')[0]} -l ubuntu'"
    there = f"{target.address}::"
    tried = {
        "a command": f"{ssh} 'cat /srv/own/file; touch /tmp/done'",
        "a shell": f"echo 'cat /srv/own/file; touch /tmp/done' | {ssh} -tt",
        "another command first": f"{ssh} 'touch /tmp/done; bash /run/opennebula-ha/import'",
        "a port": f"{ssh} -W {target.address}:22",
        "files by sftp": f"{ssh} -s sftp </dev/null",
        "another file": f"{rsync} --rsync-path='rsync' ubuntu@{target.address}:/srv/own/file /run/",
        "another module": f"{rsync} /etc/hostname {there}etc/",
        "what arrived": f"{rsync} {there}incoming/ /run/read/",
        "a way out": f"{rsync} /etc/hostname {there}incoming/../../../../tmp/done",
        "a link out": (
            f"ln -sfn /tmp /run/out && {rsync} -l /run/out {there}incoming/;"
            f" {rsync} /etc/hostname {there}incoming/out/done"
        ),
        "SQL of others": (
            "printf 'DROP DATABASE IF EXISTS mysql;\\n' | zstd |"
            f" {ssh} bash /run/opennebula-ha/import"
        ),
        "a shell of the client": (
            "printf '%s touch /tmp/done\\n' '\\!' | zstd |"
            f" {ssh} 'sudo -n systemd-run --quiet --pipe --wait --collect --setenv=HOME=/root"
            " --unit=opennebula-ha-import.service bash /run/opennebula-ha/import'"
        ),
    }
    for what, command in tried.items():
        done = source.run(command)
        assert "canary" not in done.stdout, what
        assert target.run("ls /tmp/done").returncode != 0, what
    assert target.run("mariadb -e 'SELECT 1 FROM mysql.global_priv LIMIT 1'").returncode == 0
    assert source.run("ls -A /run/read 2>/dev/null").stdout == ""
    # The same key without its line, as after the transfer.
    target.run(f"sed -i '/ opennebula-ha-transfer$/d' {keys}; echo '{granted}' >>{keys}")
    assert "Permission denied" in source.run(f"{ssh} true").stderr
    source.run(f"rm -f {key} {key}.pub")


def replace(lab: Lab, operator: Operator, name: str) -> str:
    """Replace that host by another, blank one, which the state knows; return the leader."""
    lab.replace(name, trust=True)
    run = operator.refresh()
    assert run.ok, run.output
    others = [other for other in ALL if other != name]
    (leads,) = (s.name for s in servers(lab.host(others[0])) if s.state == "leader")
    return leads


def up(operator: Operator) -> Run:
    run = operator.up()
    print(run.output)
    assert run.ok
    return run


def test_a_transfer_sends_nothing_if_another_host_answers(site: Site) -> None:
    lab, operator = site
    # A key that no host accepts does not help.
    stray = "runuser -u ubuntu -- ssh-keygen -q -t ed25519 -N '' -f /home/ubuntu/.ssh/id_ed25519"
    lab.host("n1a1").run(stray)
    with another_in_the_place_of(lab, "n1a2", operator) as run:
        message = only(run, "n1a1")
    assert message.step == "send the database and the keys"
    assert message.expected == "the host key of n1a2 that this program has verified"
    assert "Host key verification failed" in message.seen
    assert "a third party intercepts them" in message.remedy
    assert logins(lab, "n1a1", "n1a2") == []
    assert lab.host("n1a2").run("ls -A /var/lib/opennebula-ha/incoming").stdout == ""


def test_bootstrap_uses_temporary_keys(site: Site) -> None:
    lab, operator = site
    run = up(operator)
    assert_whole(lab, THREE)
    assert sendings(run.output) == [
        Sending("n1a1", "n1a2", MADE),
        Sending("n1a1", "n1a3", MADE),
    ]
    stray = own_key(lab.host("n1a1"))
    # Two logins each: for the files, and for the database.
    (made,) = set(logins(lab, "n1a1", "n1a2"))
    before, again = dict.fromkeys(logins(lab, "n1a1", "n1a3"))
    assert made == again != before
    assert not {made, before} & {stray, operators_key(lab)}
    assert stray in logins(lab, "n1a1", "n1a2", "Failed")
    assert_no_trust_left(lab)


def test_front_ends_join_with_existing_keys(site: Site) -> None:
    lab, operator = site
    operator.config |= {"frontends": operator.list_of(ALL), "ensure_keys_for": ["ubuntu"]}
    run = up(operator)
    assert_whole(lab, ALL)
    sent = sendings(run.output)
    assert [(one.target, one.way) for one in sent] == [("n1a4", OWN), ("n1a5", OWN)]
    for transfer in sent:
        used = logins(lab, transfer.source, transfer.target)
        assert set(used) == {own_key(lab.host(transfer.source))}
    assert_no_trust_left(lab)


@pytest.mark.campaign
def test_a_join_uses_the_operators_agent_only_temporarily(site: Site, agent: str) -> None:
    lab, operator = site
    operator.config["ssh"] |= {"forward_agent": True}
    name = replace(lab, operator, "n1a5")
    leader = lab.host(name)

    # Killed during the transfer, and the agent is no longer forwarded.
    with in_the_middle_of(operator, name, "n1a5", AGENT) as process:
        assert agent in reachable_agents(leader)
        assert "PRIVATE KEY" not in trust(leader)
        kill_session(process)
        wait_for(lambda: not reachable_agents(leader) or None, "the end of the agent's loan")

    process = operator.start_up()
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "n1a5: restore the database" in line:
            # The same run is still at work on the leader: on another connection.
            assert reachable_agents(leader) == ""
    assert process.wait() == 0, "".join(said)
    assert sendings("".join(said)) == [Sending(name, "n1a5", AGENT)]
    # Login keys are tried once they are in place.
    assert set(logins(lab, name, "n1a5")) == {agent, own_key(leader)}
    assert_whole(lab, ALL)
    assert_no_trust_left(lab)

    # The forwarded agent is not available to later connections.
    before = logins(lab, name, "n1a5")
    with config(operator, ssh={"forward_agent": False}):
        lab.host("n1a5").run("systemctl stop opennebula; mysql -e 'DROP DATABASE opennebula'")
        assert operator.refresh().ok
        run = up(operator)
    assert [one.way for one in sendings(run.output)] == [OWN]
    assert agent not in logins(lab, name, "n1a5")[len(before) :]


@pytest.mark.campaign
def test_the_agent_is_not_used_if_another_host_answers(site: Site, agent: str) -> None:
    lab, operator = site
    # With login keys it would be noticed before the transfer.
    operator.config["ensure_keys_for"] = []
    leader = replace(lab, operator, "n1a4")
    with another_in_the_place_of(lab, "n1a4", operator) as run:
        message = only(run, leader)
    assert message.expected.startswith("the host key of n1a4 that")
    assert logins(lab, leader, "n1a4") == []
    run = up(operator)
    assert sendings(run.output) == [Sending(leader, "n1a4", AGENT)]
    operator.config["ssh"] |= {"forward_agent": False}
    up(operator)
    assert_no_trust_left(lab)


def test_a_killed_transfer_leaves_no_key_and_the_next_up_resumes(
    site: Site,
) -> None:
    lab, operator = site
    operator.config["ensure_keys_for"] = []
    name = replace(lab, operator, "n1a4")
    leader, joining = lab.host(name), lab.host("n1a4")
    with in_the_middle_of(operator, name, "n1a4", MADE):
        assert "PRIVATE KEY" not in trust(leader)
        leader.run("kill -KILL $(pgrep -f 'bash -s$')")
        assert trust(leader) == ""
    assert "opennebula-ha-transfer" in trust(joining)
    assert_no_other_use(lab, leader, joining)
    run = up(operator)
    assert sendings(run.output) == [Sending(name, "n1a4", MADE)]
    assert_whole(lab, ALL)
    assert_no_trust_left(lab)


@pytest.mark.campaign
def test_the_next_start_removes_remains_of_an_unneeded_transfer(
    site: Site,
) -> None:
    lab, operator = site
    leader = assert_whole(lab, ALL)
    name = next(name for name in ALL if name != leader)
    lab.host(name).run(
        "systemctl stop opennebula; mkdir -p /run/opennebula-ha /var/lib/opennebula-ha/incoming;"
        " mysql -e 'CREATE DATABASE opennebula_ha_incoming';"
        " systemd-run -q --collect --unit=opennebula-ha-import sleep 600;"
        " echo 'restrict ssh-ed25519 AAAA opennebula-ha-transfer' >>~ubuntu/.ssh/authorized_keys"
    )
    assert operator.refresh().ok
    assert sendings(up(operator).output) == []
    assert_whole(lab, ALL)
    assert_no_trust_left(lab)
    assert lab.host(name).run("wc -l <~ubuntu/.ssh/authorized_keys").stdout == "1\n"
    assert operator.up("--expect-no-changes").ok
