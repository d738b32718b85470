"""Secrets and the VIP of a running zone change, also if the change is interrupted.

The tests share one lab and run in order: each changes the stack that the previous one left. The
last one looks for all secrets that the stack has had.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.machines import Lab
from tests.lab import canaries, hardened
from tests.lab.canaries import Samples
from tests.lab.conftest import MakeLab
from tests.lab.operators import DB_PASSWORD, ONE_PASS, VIP, Operator, Secret, config, kill_at
from tests.lab.zones import assert_whole, one, servers, zone_entry

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
OTHER_VIP = "10.2.50.87"
ELECTION = 5.0
"""Maximum seconds without a VIP while the leader restarts, on a busy machine."""
Zone = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def watched(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Zone, Samples, float]]:
    """Build a zone whose stack has its key and a password for sudo as secrets, too."""
    lab = make_module_lab(3)
    for host in lab.hosts:
        hardened.sudo_with_password(host)
    begin = canaries.now()
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    canaries.plant(lab, operator)
    with canaries.sampled(lab) as samples:
        up(operator)
        yield (lab, operator), samples, begin


@pytest.fixture(scope="module")
def zone(watched: tuple[Zone, Samples, float]) -> Zone:
    return watched[0]


def up(operator: Operator) -> str:
    run = operator.up()
    assert run.ok, run.output
    return run.output


def test_a_new_oneadmin_password_keeps_clients_logged_in(zone: Zone) -> None:
    lab, operator = zone
    new = operator.secrets["one_pass"] = "canary-one-pass-2nd"
    term = servers(lab.host("n1a1"))[0].term
    for moment in (
        "accept the new password",
        "n1a2: write one_auth",
        "make the new password the only one",
    ):
        # The CLI shows a step a moment late: the last step may be over by then.
        assert kill_at(operator, moment) or moment == "make the new password the only one"
        for name in NAMES:
            one(lab.host(name), f"oneuser create {name}-{moment.split()[-1]} secret-of-that")
    said = up(operator)
    assert_whole(lab, NAMES)
    for name in NAMES:
        assert [logs_in(lab, name, password) for password in (new, ONE_PASS)] == [True, False]
        file = "/var/lib/one/.one/one_auth"
        there = lab.host(name).run(f"stat -c '%U %a' {file}; cat {file}").stdout
        assert there == f"oneadmin 600\noneadmin:{new}\n"
    logs = "".join(lab.host(name).run("cat /var/log/one/*.log").stdout for name in NAMES)
    assert "one.user.login result SUCCESS, ***" in logs
    assert new[:20] not in logs
    # A refused login between servers would have raised the term to the maximum.
    assert {server.term for server in servers(lab.host("n1a1"))} == {term}
    assert new not in said + operator.state()
    assert operator.up("--expect-no-changes").ok


def test_a_new_database_password_keeps_every_oned_connected(zone: Zone) -> None:
    lab, operator = zone
    new = operator.secrets["db_password"] = "canary-db-password-2nd"
    assert kill_at(operator, "restart oned")
    for name in NAMES:
        assert opens_database(lab, name, "oneadmin", DB_PASSWORD)
        assert opens_database(lab, name, "oneadmin", new)
    said = up(operator)
    assert_whole(lab, NAMES)
    for name in NAMES:
        assert opens_database(lab, name, "oneadmin", new)
        assert not opens_database(lab, name, "oneadmin", DB_PASSWORD)
    assert new not in said + operator.state()
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_another_vip_replaces_the_previous_one(zone: Zone) -> None:
    lab, operator = zone
    operator.config |= {"one_vip": OTHER_VIP, "one_vip_cidr": 25, "db_owner": "oneowner"}
    with watching(lab) as absence:
        assert kill_at(operator, "restart oned")
        up(operator)
    assert places(lab) == [(leader(lab), "eth0", f"{OTHER_VIP}/25")]
    for name in NAMES:
        files = lab.host(name).run("cat /etc/one/oned.conf /etc/one/monitord.conf").stdout
        assert VIP not in files
        assert f'ONEGATE_ENDPOINT = "http://{OTHER_VIP}:5030"' in files
        assert f'MONITOR_ADDRESS = "{OTHER_VIP}"' in files
        one(lab.host(name), f"env ONE_XMLRPC=http://{OTHER_VIP}:2633/RPC2 oneuser list")
        assert f"http://{OTHER_VIP}:2633/RPC2" in zone_entry(lab.host(name))
        password = operator.secrets["db_password"]
        assert opens_database(lab, name, "oneowner", password)
        assert not opens_database(lab, name, "oneadmin", password)
    print(f"without any VIP for {max(absence):.1f} s at most")
    assert max(absence) < ELECTION
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_the_vip_moves_to_another_interface_of_some_hosts(zone: Zone) -> None:
    lab, operator = zone
    others = [name for name in NAMES if name != leader(lab)]
    for number, name in enumerate(others):
        done = lab.host(name).run(
            "ip link add link eth0 name vip0 type macvlan mode bridge && ip link set vip0 up &&"
            f" ip address add 10.2.50.{101 + number}/32 dev vip0"
        )
        assert done.returncode == 0, done.stderr
        operator.config["frontends"][name]["one_vip_if"] = "vip0"
    operator.config["one_vip_cidr"] = 24
    with watching(lab) as absence:
        assert kill_at(operator, "restart oned")
        up(operator)
    # The leader restarts last: another server leads now.
    assert leader(lab) in others
    assert places(lab) == [(leader(lab), "vip0", f"{OTHER_VIP}/24")]
    print(f"without any VIP for {max(absence):.1f} s at most")
    assert max(absence) < ELECTION
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_a_oneadmin_password_and_a_vip_change_in_one_up(zone: Zone) -> None:
    lab, operator = zone
    new = operator.secrets["one_pass"] = "canary-one-pass-3rd"
    operator.config |= {"one_vip": VIP, "one_vip_cidr": 24}
    run = operator.up("--diff", "--debug")
    assert run.ok, run.output
    assert {(name, address) for name, _, address in places(lab)} == {(leader(lab), f"{VIP}/24")}
    for name in NAMES:
        assert logs_in(lab, name, new)
        assert not logs_in(lab, name, "canary-one-pass-2nd")
    assert operator.up("--expect-no-changes").ok


@pytest.mark.campaign
def test_one_deploys_database_account_is_removed_with_its_password(zone: Zone) -> None:
    lab, operator = zone
    old = operator.secrets["db_password"]
    grant = f"GRANT ALL PRIVILEGES ON *.* TO 'oneowner'@'%' IDENTIFIED BY '{old}' WITH GRANT OPTION"
    foreign = "GRANT SELECT ON shop.* TO 'oneowner'@'10.2.50.99' IDENTIFIED BY 'of-somebody-else'"
    for name in NAMES:
        done = lab.host(name).run(f'mysql -e "{grant}; {foreign}"')
        assert done.returncode == 0, done.stderr
    shown = operator.refresh()
    listed = shown.output.partition("\nDiagnostics:")[2]
    assert listed.count("database account oneowner@%: lets in from any host") == len(NAMES)
    assert "10.2.50.99" not in shown.output

    operator.secrets["db_password"] = "canary-db-password-3rd"
    said = up(operator)
    for name in NAMES:
        assert f"{name}: drop the database account oneowner@%" in said
    assert_whole(lab, NAMES)
    kept = "/var/backups/opennebula/accounts.sql"
    for name in NAMES:
        accounts = "SELECT host FROM mysql.user WHERE user = 'oneowner' ORDER BY host"
        found = lab.host(name).run(f'mysql -BNe "{accounts}"').stdout.split()
        assert found == ["10.2.50.99", "localhost"]
        copy = lab.host(name).run(f"stat -c '%a %U' {kept} && cat {kept}").stdout
        assert copy.startswith("600 root\n")
        assert "CREATE USER `oneowner`@`%`" in copy
        # The rollback.
        again = lab.host(name).run(f"mysql <{kept} && mysql -e \"DROP USER 'oneowner'@'%'\"")
        assert again.returncode == 0, again.stderr
    assert old not in said + operator.state()
    assert "drift" not in operator.refresh().output
    assert operator.up("--expect-no-changes").ok


def test_secrets_are_only_in_their_own_files(watched: tuple[Zone, Samples, float]) -> None:
    (lab, operator), samples, begin = watched
    for command in ("status", "doctor", "logs", "backup"):
        assert operator.look(command).ok
    with config(operator, ssh={"sudo_password": Secret(canaries.TYPING_ERROR)}):
        assert "sudo: it does not accept that password" in operator.look("status").output
    for what in (operator.state(), *operator.printed):
        assert not canaries.secrets_in(what, lab)
    assert samples.arguments == set()
    assert samples.programs >= {"pulumi", "bash", "sudo", "rsync", "mariadb"}
    owned = {
        "/var/lib/one/.one/one_auth": {operator.secrets["one_pass"]},
        "/etc/one/oned.conf": {operator.secrets["db_password"]},
    }
    # oned writes its whole configuration there when it starts, and InnoDB each change to its log.
    by_others = {"/var/lib/one/config", "/var/log/one/oned.log", "/var/lib/mysql/ib_logfile0"}
    for host in lab.hosts:
        left = canaries.left_on(host, lab, begin)
        assert {path: left.secrets[path] for path in left.secrets.keys() - by_others} == owned
        assert left.cores == []
        # The database's own files are mysql's and its group's.
        assert [one for one in left.writable if " /var/lib/mysql/" not in one] == []
        assert [one for one in left.names if ".partial" in one or "/run/opennebula-ha" in one] == []
        for path in left.secrets:
            assert host.run(f"runuser -u nobody -- cat {path}").returncode != 0


def leader(lab: Lab) -> str:
    """Return the leader."""
    (name,) = (server.name for server in servers(lab.host("n1a1")) if server.state == "leader")
    return name


def places(lab: Lab) -> list[tuple[str, str, str]]:
    """Return host, interface, and address with prefix of each VIP."""
    return [
        (host.name, words[1], words[3])
        for host in lab.hosts
        for words in map(str.split, host.run("ip -o -4 address show").stdout.splitlines())
        if words[3].split("/")[0] in (VIP, OTHER_VIP)
    ]


@contextmanager
def watching(lab: Lab) -> Iterator[list[float]]:
    """Measure each period, in seconds, in which no host has any of the VIPs."""
    absence, over = [0.0], threading.Event()

    def watch() -> None:
        last = time.monotonic()
        while not over.is_set():
            found, now = places(lab), time.monotonic()
            absence[-1] = now - last
            if found:
                last = now
                absence.append(0.0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield absence
    finally:
        over.set()
        thread.join()


def logs_in(lab: Lab, name: str, password: str) -> bool:
    """Tell whether oneadmin can log in to that host's own oned with that password."""
    done = lab.host(name).run(
        f"auth=$(mktemp) && echo 'oneadmin:{password}' >$auth && chown oneadmin $auth &&"
        " runuser -u oneadmin -- env ONE_AUTH=$auth oneuser show; status=$?; rm $auth; exit $status"
    )
    return done.returncode == 0


def opens_database(lab: Lab, name: str, owner: str, password: str) -> bool:
    """Tell whether that account and password open the zone's database on that host."""
    done = lab.host(name).run(
        f"MYSQL_PWD={password} mariadb --user={owner} opennebula -e 'DESCRIBE zone_pool'"
    )
    return done.returncode == 0
