"""A zone is built on hardened hosts and changed, or messages say why this is not possible.

The three hosts have all properties of hardened.py that can be combined. One run reports all
problems that prevent them from becoming front-ends, and the tests apply the remedies.
"""

from collections.abc import Iterator

import pytest

from lab.machines import Lab
from lab.machines.template import USER
from tests.lab import hardened
from tests.lab.conftest import MakeLab
from tests.lab.foreign import do, sql
from tests.lab.messages import all_messages, only
from tests.lab.operators import VIP, Operator, Secret, config, kill_session
from tests.lab.test_preflight import everything
from tests.lab.zones import assert_whole, servers, wait_for

pytestmark = pytest.mark.lab

THREE = ["n1a1", "n1a2", "n1a3"]
LISTS = "/var/lib/apt/lists/lock"
DPKG = "/var/lib/dpkg/lock-frontend"
LATE = f"Defaults requiretty\\nDefaults:{USER} !requiretty\\n"
LATE_FILE = "/etc/sudoers.d/zz-hardening"
Site = tuple[Lab, Operator]


@pytest.fixture(scope="module")
def site(make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = make_module_lab(3, template="mariadb")
    hardened.harden(lab, THREE)
    records = lab.known_hosts.read_text()
    first = records.split()[2]
    lab.known_hosts.write_text(
        f"@cert-authority *.example.org ssh-ed25519 {first}\n"
        f"@revoked 10.9.9.9 ssh-ed25519 {first}\n"
        "10.2.50.10 1024 35 1199511\n10.2.50.11 ssh-ed25519 broken%%%\n@\n" + records
    )
    folder = tmp_path_factory.mktemp("stack")
    operator = Operator(lab, folder, front_ends=THREE)
    # As in a config in which the third host is reached only through the first.
    (folder / "ssh_config").write_text(
        "Host n1a3\n  ProxyJump door\nHost door\n  HostName 10.2.50.10\n"
        f"Host *\n  User {USER}\n  IdentityFile {lab.key}\n  IdentitiesOnly yes\n"
    )
    operator.config["ssh"] = {
        "config_file": str(folder / "ssh_config"),
        "known_hosts_file": str(lab.known_hosts),
        "sudo_password": Secret(hardened.SUDO_PASSWORD),
    }
    yield lab, operator


def refuse_in_all_ways(lab: Lab) -> None:
    first, second, third = (lab.host(name) for name in THREE)
    hardened.forget_own_name(first)
    hardened.sshd(second, f"AllowUsers {USER}@10.2.50.1")
    do(
        first,
        "mkdir -p /etc/systemd/system.conf.d\n"
        "printf '[Manager]\\nDefaultEnvironment=http_proxy=http://me:word@10.9.9.9:3128\\n'"
        " >/etc/systemd/system.conf.d/proxy.conf; systemctl daemon-reexec",
    )
    # As a hardening guide has it, in a file that comes after OpenNebula's own.
    do(second, f"printf '{LATE}' >{LATE_FILE}; chmod 0440 {LATE_FILE}; visudo -cq")
    do(second, f"mkdir -p /etc/netplan; echo '- {VIP}/24' >/etc/netplan/50-static.yaml")
    sql(
        third,
        "INSTALL SONAME 'simple_password_check'; SET GLOBAL"
        " simple_password_check_minimal_length = 60;",
    )


def follow_the_remedies(lab: Lab) -> None:
    """Apply all remedies but ensure_hostname, which is in the stack's config."""
    first, second, third = (lab.host(name) for name in THREE)
    do(
        second,
        f"sed -i 's/^AllowUsers.*/& {USER}@10.2.50.10 {USER}@10.2.50.12/'"
        " /etc/ssh/sshd_config.d/00-hardened.conf; systemctl reload ssh\n"
        f"rm /etc/netplan/50-static.yaml; mv {LATE_FILE} /etc/sudoers.d/00-local",
    )
    do(
        first,
        "sed -i '$s/$/ no_proxy=localhost,127.0.0.1,n1a1,n1a2,n1a3,10.2.50.0\\/24/'"
        " /etc/systemd/system.conf.d/proxy.conf; systemctl daemon-reexec",
    )
    sql(third, "UNINSTALL SONAME 'simple_password_check';")


def test_all_problems_are_reported_at_once_without_a_change(site: Site) -> None:
    lab, operator = site
    refuse_in_all_ways(lab)
    before = everything(lab.hosts)
    found = {(one.host, one.step): one for one in all_messages(operator.up())}
    assert everything(lab.hosts) == before
    own = found.pop(("n1a1", "resolve its own name"))
    assert own.expected == "an address for stranger, the host's own name"
    assert "ensure_hostname: true" in own.remedy
    proxy = found.pop(("n1a1", "check the proxies of services"))
    assert proxy.seen == "http_proxy=http://…@10.9.9.9:3128"
    who = found.pop(("n1a2", "check the logins that sshd accepts"))
    assert who.seen == "AllowUsers ubuntu@10.2.50.1 (from 10.2.50.10, 10.2.50.12)"
    vip = found.pop(("n1a2", "check that nothing else configures the VIP"))
    assert vip.seen == "/etc/netplan/50-static.yaml"
    rights = found.pop(("n1a2", "ask sudo what oneadmin may do"))
    assert rights.seen == "sudo: sorry, you must have a tty to run sudo"
    assert "/etc/sudoers.d/00-local" in rights.remedy
    policy = found.pop(("n1a3", "compare the database's password with MariaDB's policy"))
    assert "60 characters" in policy.expected
    assert found == {}


def test_sudo_that_requires_a_terminal_is_reported_with_a_remedy(site: Site) -> None:
    lab, operator = site
    # As in /etc/sudoers itself: after OpenNebula's own file it would stop the hooks of oneadmin.
    do(lab.host("n1a3"), "echo 'Defaults requiretty' >/etc/sudoers.d/00-tty")
    follow_the_remedies(lab)
    operator.config["ensure_hostname"] = True
    message = only(operator.up(), "n1a3")
    assert message.step == "become root"
    assert "tty" in message.seen
    assert "Defaults:ubuntu !requiretty" in message.remedy
    do(lab.host("n1a3"), "echo 'Defaults:ubuntu !requiretty' >/etc/sudoers.d/zz-remedy")


def test_a_zone_is_built_when_others_release_the_locks(site: Site) -> None:
    lab, operator = site
    with (
        hardened.locked(lab.host("n1a1"), LISTS) as release_lists,
        hardened.locked(lab.host("n1a2"), DPKG) as release_dpkg,
    ):
        process = operator.start_up()
        assert process.stdout is not None
        said = []
        waits = {"n1a1: wait up to": release_lists, "n1a2: wait up to": release_dpkg}
        try:
            for line in process.stdout:
                said.append(line)
                for text in [text for text in waits if text in line]:
                    assert "python3 (process" in line
                    waits.pop(text)()
            assert process.wait(600) == 0, "".join(said)
        finally:
            kill_session(process)
            process.wait()
            process.stdout.close()
    assert waits == {}
    assert_whole(lab, THREE)
    for name in THREE:
        assert do(lab.host(name), "cat /etc/hostname").strip() == name
    second, third = lab.host("n1a2"), lab.host("n1a3")
    assert hardened.SUDO_PASSWORD not in "".join(said)
    # A pattern that does not match the process that searches for it.
    word = hardened.SUDO_PASSWORD.replace("$", "[$]")
    do(third, f"! grep -rsE '{word}' /var/log /proc/[0-9]*/cmdline /home /root /tmp /run/log")
    assert "zz-opennebula-ha" not in do(third, "ls /etc/sudoers.d")
    # No temporary key is left in sshd's folder, and the link is still a link.
    assert len(do(second, f"cat {hardened.KEYS}").splitlines()) == 1
    assert do(third, f"readlink {hardened.HOME}/.ssh/authorized_keys") == "../dotfiles/keys\n"
    assert len(do(third, f"cat {hardened.HOME}/dotfiles/keys").splitlines()) == 1
    assert operator.up("--expect-no-changes").ok


def test_a_rollout_is_not_disturbed_by_restart_hooks(site: Site) -> None:
    lab, operator = site
    features = {**operator.config["features"], "flow": True}
    terms = {server.term for server in servers(lab.host("n1a1"))}
    starts = {name: started(lab, name) for name in THREE}
    # New packages on all servers, and no reason to restart oned.
    with config(operator, features=features):
        operator.config["ensure_keys_for"] = ["ubuntu"]
        operator.config["features"] = features
        # The logins with these keys are tried, and sshd's own log says what is wrong.
        # (This machine reaches that host through n1a1.)
        denied = "DenyUsers ubuntu@10.2.50.11"
        hardened.sshd(lab.host("n1a3"), denied)
        message = only(operator.up(), "n1a3")
        assert message.step == "log in from host to host"
        assert message.expected == "ubuntu of n1a2 to be accepted as ubuntu of n1a3"
        assert "User ubuntu from 10.2.50.11 not allowed" in message.seen
        do(
            lab.host("n1a3"),
            f"sed -i '/^{denied}/d' /etc/ssh/sshd_config.d/00-hardened.conf; systemctl reload ssh",
        )
        run = operator.up()
        assert run.ok, run.output
        assert {name: started(lab, name) for name in THREE} == starts
        assert {server.term for server in servers(lab.host("n1a1"))} == terms
        assert_whole(lab, THREE)
        for name, file in (("n1a2", hardened.KEYS), ("n1a3", f"{hardened.HOME}/dotfiles/keys")):
            assert "# opennebula-ha begin" in do(lab.host(name), f"cat {file}")
        run = operator.up("--expect-no-changes")
        assert run.ok, run.output


def test_front_ends_find_each_other_after_all_hosts_reboot(site: Site) -> None:
    lab, operator = site
    for name in THREE:
        lab.host(name).reboot()
        assert do(lab.host(name), "systemctl show -p Result --value cloud-init") == "success\n"
        wait_for(lambda: all_at_work(lab) or None, "a leader and two followers")
        assert "n1a1" in do(lab.host(name), "cat /etc/hosts")
    # A manual change of the template is found before the next boot would miss the line.
    do(lab.host("n1a2"), f"sed -i '/opennebula-ha begin/,$d' {hardened.TEMPLATE}")
    assert f"{hardened.TEMPLATE}: without n1a1" in operator.refresh().output
    run = operator.up()
    assert run.ok, run.output
    assert "10.2.50.10 n1a1\n" in do(lab.host("n1a2"), f"cat {hardened.TEMPLATE}")
    assert_whole(lab, THREE)


def test_sudo_rules_that_stop_the_hooks_later_are_drift(site: Site) -> None:
    lab, operator = site
    third = lab.host("n1a3")
    late = f"ALL ALL=(ALL) ALL\\n{USER} ALL=(ALL) ALL\\n"
    do(third, f"printf '{late}' >{LATE_FILE}; chmod 0440 {LATE_FILE}")
    shown = "no hook can move a VIP (sudo: a password is required)"
    assert shown in operator.refresh().output
    message = only(operator.up(), "n1a3")
    assert message.step == "ask sudo what oneadmin may do"
    assert "a file that comes before opennebula, such as /etc/sudoers.d/00-local" in message.remedy
    do(third, f"mv {LATE_FILE} /etc/sudoers.d/00-local")
    run = operator.up()
    assert run.ok, run.output
    assert_whole(lab, THREE)


@pytest.mark.parametrize(
    ("refused", "remedy"),
    [
        # A terminal is asked for by a file that comes last.
        (
            f"echo 'Defaults requiretty' >{LATE_FILE}",
            "echo 'Defaults:oneadmin !requiretty' >/etc/sudoers.d/zz-oneadmin",
        ),
        # A password is asked for by /etc/sudoers itself, after the line that includes the folder.
        (
            "cp -p /etc/sudoers /root/sudoers.kept; echo 'ALL ALL=(ALL) ALL' >>/etc/sudoers",
            "sed -i '/^[@#]includedir/d' /etc/sudoers"
            " && echo '@includedir /etc/sudoers.d' >>/etc/sudoers",
        ),
    ],
)
def test_each_remedy_against_sudo_that_stops_the_hooks_works(
    site: Site, refused: str, remedy: str
) -> None:
    host = site[0].host("n1a2")
    trial = "runuser -u oneadmin -- sudo -n ip address show dev lo"
    do(host, refused)
    assert host.run(trial).returncode != 0
    do(host, remedy)
    do(host, trial)
    do(
        host,
        f"rm -f {LATE_FILE} /etc/sudoers.d/zz-oneadmin"
        "; [ ! -e /root/sudoers.kept ] || mv /root/sudoers.kept /etc/sudoers; visudo -cq",
    )


def all_at_work(lab: Lab) -> bool:
    """Check that each of the servers sees one leader and two followers."""
    states = [sorted(s.state for s in servers(lab.host(name))) for name in THREE]
    return states == [["follower", "follower", "leader"]] * 3


def started(lab: Lab, name: str) -> str:
    """Return the time at which the host's oned was started."""
    return do(lab.host(name), "systemctl show -p ActiveEnterTimestamp opennebula")
