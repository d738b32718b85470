"""Preflight of other parts of a host: sshd, names, proxies, networks, passwords."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procedures.facts.facts import Package
from procedures.preflight.checks import findings
from procedures.preflight.checks.logins import refusal
from procedures.preflight.context import Finding, HostReport, Site, StackChange, Weight
from procedures.preflight.probe import Listener, Probe
from tests.unit.sandbox import Sandbox
from tests.unit.test_preflight import NAMES, VIP, address, bare, blank, looks, seen, site, spec

CARRIED_ON = {"pubkeyauthentication": ("yes",), "forcecommand": ("none",)}


@pytest.mark.parametrize(
    ("sshd", "said"),
    [
        ({}, ""),
        (CARRIED_ON, ""),
        ({"pubkeyauthentication": ("no",)}, "PubkeyAuthentication no"),
        ({"authorizedkeysfile": ("none",)}, "AuthorizedKeysFile none"),
        ({"authorizedkeysfile": ("/etc/ssh/keys/%u",)}, ""),
        ({"forcecommand": ("internal-sftp",)}, "ForceCommand internal-sftp"),
        ({"permitrootlogin": ("no",)}, ""),
        ({"allowusers": ("ubuntu",)}, ""),
        ({"allowusers": ("admin", "ubu*")}, ""),
        ({"allowusers": ("admin",)}, "AllowUsers admin"),
        ({"allowusers": ("ubuntu@10.2.50.1",)}, "AllowUsers ubuntu@10.2.50.1"),
        ({"allowusers": ("ubuntu@10.2.50.1", "ubuntu@10.2.50.10")}, ""),
        ({"allowusers": ("ubuntu@10.2.50.0/24",)}, ""),
        ({"allowusers": ("ubuntu@10.3.0.0/16",)}, "AllowUsers ubuntu@10.3.0.0/16"),
        ({"allowusers": ("ubuntu@10.2.50.*",)}, ""),
        ({"allowusers": ("ubuntu@bastion/x",)}, "AllowUsers ubuntu@bastion/x"),
        ({"allowusers": ("ubuntu@10.2.50.9,10.2.50.10",)}, ""),
        ({"allowusers": ("ubuntu@10.3.0.0/16,10.2.50.0/24",)}, ""),
        ({"allowusers": ("ubuntu@!10.2.50.99,10.2.50.*",)}, ""),
        (
            {"allowusers": ("ubuntu@10.2.50.*,!10.2.50.0/28",)},
            "AllowUsers ubuntu@10.2.50.*,!10.2.50.0/28",
        ),
        ({"allowusers": ("ubuntu@!10.2.50.99",)}, "AllowUsers ubuntu@!10.2.50.99"),
        ({"denyusers": ("ubuntu@!10.2.50.10,*",)}, ""),
        ({"denyusers": ("ubuntu@10.2.50.10",)}, "DenyUsers ubuntu@10.2.50.10"),
        ({"denyusers": ("root",)}, ""),
        ({"allowgroups": ("wheel", "su??")}, ""),
        ({"allowgroups": ("wheel",)}, "AllowGroups wheel"),
        ({"denygroups": ("sudo",)}, "DenyGroups sudo"),
        ({"authenticationmethods": ("any",)}, ""),
        ({"authenticationmethods": ("publickey,password publickey",)}, ""),
        (
            {"authenticationmethods": ("publickey,password keyboard-interactive",)},
            "AuthenticationMethods publickey,password keyboard-interactive",
        ),
    ],
)
def test_sshd_accepts_an_account_according_to_its_settings(sshd: Any, said: str) -> None:
    assert refusal(sshd, "ubuntu", ("ubuntu", "sudo"), "10.2.50.10") == said


def test_the_part_after_the_last_at_sign_is_the_hosts() -> None:
    sshd = {"allowusers": ("me@example.org@10.2.50.*",)}
    assert refusal(sshd, "me@example.org", (), "10.2.50.10") == ""
    assert refusal(sshd, "me", (), "10.2.50.10") != ""


def reported(root: Path, name: str, given: Callable[[Sandbox], object]) -> Any:
    """Return what a host of that kind reports of one fact."""
    host = Sandbox(root / "host", "ID=debian", "", new="")
    given(host)
    how = Probe.__dataclass_fields__[name].metadata
    text = f'login=ubuntu; tell it "$({how["shell"]})"'
    return how["parse"](host.call("family", text).values["it"])


def test_groups_may_have_blanks(tmp_path: Path) -> None:
    """As those of Active Directory have."""

    def id_of(host: Sandbox) -> None:
        host.file("bin/id", "#!/bin/sh\nprintf 'ubuntu\\0domain users\\0'\n")
        (host.root / "bin/id").chmod(0o755)

    assert reported(tmp_path, "groups", id_of) == ("ubuntu", "domain users")


def test_a_proxy_in_a_comment_does_not_count(tmp_path: Path) -> None:
    text = "[Service]\n#Environment=http_proxy=a\n ; Environment=all_proxy=b\n"
    text += 'Environment="https_proxy=c" no_proxy=d\n'
    file = "etc/systemd/system/opennebula.service.d/proxy.conf"
    found = reported(tmp_path, "environment", lambda host: host.file(file, text))
    assert found == {"https_proxy": "c", "no_proxy": "d"}


def test_root_may_log_in_with_a_key_unless_forbidden() -> None:
    for value in ("yes", "prohibit-password", "without-password", "forced-commands-only"):
        assert refusal({"permitrootlogin": (value,)}, "root", ("root",), "10.2.50.10") == ""
    assert refusal({"permitrootlogin": ("no",)}, "root", (), "10.2.50.10") == "PermitRootLogin no"


def found(one: Any, **changes: Any) -> list[Finding]:
    """Return the findings if n1a2 reports that, and the others are healthy."""
    wanted = spec(**changes)
    return findings(at(one, wanted))


def at(one: Any, wanted: Any, db_password: str = "") -> Site:
    return Site(
        StackChange(wanted, None),
        seen=looks(n1a2=one),  # type: ignore[arg-type]
        silent={},
        ssh=dict.fromkeys(NAMES, 22),
        db_password=db_password,
    )


def only(findings_: list[Finding]) -> Finding:
    assert len(findings_) == 1, [str(one.error) for one in findings_]
    return findings_[0]


def test_one_message_names_the_setting_and_all_refused_accounts() -> None:
    rules = {"allowusers": ("ubuntu@10.2.50.1",)}
    sshd = {address("n1a1"): rules, address("n1a3"): rules}
    error = only(found(seen("n1a2", login="ubuntu", groups=("ubuntu",), sshd=sshd))).error
    assert (error.host, error.step) == ("n1a2", "check the logins that sshd accepts")
    assert error.expected == "ubuntu to be accepted with a key from 10.2.50.10, 10.2.50.12"
    assert error.seen == "AllowUsers ubuntu@10.2.50.1 (from 10.2.50.10, 10.2.50.12)"
    assert "ubuntu@10.2.50.10 in AllowUsers" in error.remedy
    assert error.remedy.endswith("skip_checks: [logins]")


def test_an_unresolvable_own_host_name_is_refused_with_a_remedy() -> None:
    error = only(found(seen("n1a2", own_name="stranger "))).error
    assert error.expected == "an address for stranger, the host's own name"
    assert "ensure_hostname: true" in error.remedy
    assert found(seen("n1a2", own_name="stranger "), ensure_hostname=True) == []
    assert found(seen("n1a2", own_name="stranger 127.0.1.1")) == []
    # Our own lines in /etc/hosts will resolve it.
    assert found(seen("n1a2", own_name="n1a2 ")) == []
    assert found(seen("n1a2", own_name="n1a2 "), ensure_hosts=False) != []


@pytest.mark.parametrize(
    ("past", "lacking"),
    [
        ("", "n1a1,10.2.50.10,n1a2,10.2.50.11,n1a3,10.2.50.12,127.0.0.1,localhost," + VIP),
        ("*", ""),
        ("n1a1,n1a2,n1a3,localhost,127.0.0.1,10.2.50.0/24", ""),
        ("localhost,127.0.0.0/8,n1a1 n1a2 n1a3", f"10.2.50.10,10.2.50.11,10.2.50.12,{VIP}"),
        (".example.org,localhost", None),
    ],
)
def test_a_proxy_of_the_unit_must_exclude_the_front_ends(past: str, lacking: str | None) -> None:
    environment = {"http_proxy": "http://me:secret@proxy:3128", "no_proxy": past}
    said = found(seen("n1a2", environment=environment))
    if lacking == "":
        assert said == []
        return
    error = only(said).error
    if lacking is not None:
        assert error.expected == f"none, or no_proxy with {lacking}"
    assert error.seen == "http_proxy=http://…@proxy:3128"
    assert found(seen("n1a2", environment={"https_proxy": "http://proxy", "no_proxy": ""})) == []


def test_a_vip_in_the_network_configuration_is_refused() -> None:
    error = only(found(seen("n1a2", vip_files={VIP: ("/etc/netplan/50.yaml",)}))).error
    assert error.step == "check that nothing else configures the VIP"
    assert error.seen == "/etc/netplan/50.yaml"


@pytest.mark.parametrize(
    ("manager", "remedy"),
    [
        ("systemd-networkd", "KeepConfiguration=static"),
        ("NetworkManager", "switchover"),
        ("keepalived", "take this VIP out"),
    ],
)
def test_the_manager_of_the_interface_is_recorded(manager: str, remedy: str) -> None:
    one = only(found(seen("n1a2", managers=(manager,))))
    assert one.weight is Weight.NOTE
    assert one.error.seen == f"{manager} on eth0"
    assert remedy in one.error.remedy
    assert found(seen("n1a2", managers=(manager,)), vips={}) == []


POLICY = {
    "simple_password_check": "",
    "simple_password_check_minimal_length": "8",
    "simple_password_check_digits": "1",
    "simple_password_check_letters_same_case": "1",
    "simple_password_check_other_characters": "1",
}


@pytest.mark.parametrize(
    ("password", "lacks"),
    [
        ("Long-enough-1", ""),
        ("long-enough-1", "1 upper-case letters"),
        ("Short-1", "8 characters"),
        ("databases", "1 digits, 1 upper-case letters, 1 other characters"),
    ],
)
def test_a_password_that_mariadb_would_refuse_is_refused(password: str, lacks: str) -> None:
    one = seen("n1a2", password_policy=POLICY)
    said = findings(at(one, spec(), db_password=password))
    if not lacks:
        assert said == []
        return
    error = only(said).error
    assert error.expected.startswith(f"an opennebula-ha:db_password with {lacks}")
    assert password not in str(error)


def test_a_password_policy_that_cannot_be_read_is_a_warning() -> None:
    one = only(found(seen("n1a2", password_policy={"cracklib_password_check": ""})))
    assert one.weight is Weight.WARNING
    assert "cracklib_password_check" in one.error.seen


@pytest.mark.parametrize(
    ("there", "wanted", "missing"),
    [
        (("C", "C.utf8", "POSIX"), ("C.UTF-8",), ""),
        (("C", "C.utf8", "POSIX"), ("C",), ""),
        (("C", "C.utf8"), ("en_US.UTF-8", "C.UTF-8"), "en_US.UTF-8"),
        (("C", "en_US.utf8"), ("en_US.UTF-8",), ""),
        ((), ("en_US.UTF-8",), ""),
    ],
)
def test_the_configured_locale_must_exist(
    there: tuple[str, ...], wanted: tuple[str, ...], missing: str
) -> None:
    said = found(seen("n1a2", locales=frozenset(there)), locales=wanted)
    assert [one.error.expected for one in said] == ([missing] if missing else [])
    assert all("locale-gen" in one.error.remedy for one in said)


def with_packages(**packages: str) -> HostReport:
    there = {name.replace("_", "-"): Package(one) for name, one in packages.items()}
    return HostReport(bare("n1a2"), blank("n1a2", packages=there))


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ({"mysql_server_8.0": "8.0.40"}, "mysql-server-8.0 8.0.40"),
        ({"mysql_community_server": "8.4.3-1"}, "mysql-community-server 8.4.3-1"),
        ({"percona_server_server": "8.0.36"}, "percona-server-server 8.0.36"),
        ({"default_mysql_server": "1.1.0", "mariadb_server": "1:10.11.6-0"}, ""),
        ({"mysql_server": "8.0.40", "MariaDB_server": "11.4.4-1.el9"}, ""),
        ({"mysql_server": "8.0.40", "mariadb_server_10.6": "1:10.6.22-0"}, ""),
        ({"mysql_common": "5.8", "mysql_client_8.0": "8.0.40"}, ""),
        ({}, ""),
    ],
)
def test_a_server_that_mariadbs_packages_would_remove_is_refused(
    packages: dict[str, str], said: str
) -> None:
    found = findings(site(looks(n1a2=with_packages(**packages))))
    assert [(one.error.seen, one.weight) for one in found] == (
        [(said, Weight.REFUSAL)] if said else []
    )


def test_a_mariadb_of_any_package_may_have_its_port() -> None:
    names = ("mariadb", "mariadb-server", "mariadb-server-10.5", "mariadb-server-core-10.6")
    port = {"listening": {3306: Listener("mariadbd", ("127.0.0.1",))}}
    for name in (*names, "MariaDB-server"):
        there = blank("n1a2", packages={name: Package("11.4.4-1.el9")})
        assert found(HostReport(bare("n1a2", **port), there)) == []
    foreign = blank("n1a2", packages={"mariadb-server-galera": Package("11.4.4-1")})
    assert found(HostReport(bare("n1a2", **port), foreign)) != []


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (("1:10.11.6-0+deb12u1", "1:10.11.19-0+deb12u1"), ""),
        (("1:10.11.6-0+deb12u1", "1:11.8.2-1"), "n1a1 10.11, n1a2 11.8"),
        (("3:10.5.27-1.el9", "3:10.11.9-1.el9"), "n1a1 10.5, n1a2 10.11"),
        (("1:10.11.6-0+deb12u1", ""), ""),
    ],
)
def test_different_releases_of_mariadb_are_a_warning(versions: tuple[str, str], said: str) -> None:
    reports = {
        name: HostReport(
            bare(name),
            blank(name, packages={"mariadb-server": Package(version)} if version else {}),
        )
        for name, version in zip(("n1a1", "n1a2"), versions, strict=True)
    }
    found = findings(site(looks() | reports))
    assert [(one.error.seen, one.weight) for one in found] == (
        [(said, Weight.WARNING)] if said else []
    )


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("sudo: sorry, you must have a tty to run sudo", "'Defaults:oneadmin !requiretty'"),
        ("sudo: a password is required", "the rule that asks for a password"),
    ],
)
def test_sudo_that_stops_the_hooks_is_refused(said: str, remedy: str) -> None:
    packaged = HostReport(bare("n1a2"), blank("n1a2", sudo_refusal=said))
    for one in (seen("n1a2", sudo_refusal=said), packaged):
        finding = only(found(one))
        assert (finding.error.host, finding.weight) == ("n1a2", Weight.REFUSAL)
        assert finding.error.step == "ask sudo what oneadmin may do"
        assert finding.error.seen == said
        assert remedy in finding.error.remedy
        assert "skip_checks: [hook_rights]" in finding.error.remedy
    # Without a VIP no hook needs sudo.
    assert found(seen("n1a2", sudo_refusal=said), vips={}) == []


def test_a_trial_of_sudo_that_went_wrong_in_another_way_is_a_warning() -> None:
    said = "sudo: Account expired or PAM config lacks an account section for sudo"
    assert only(found(seen("n1a2", sudo_refusal=said))).weight is Weight.WARNING


def blocked(root: Path, given: Callable[[Sandbox], object], name: str, variables: str) -> Any:
    """Return what a host reports to be in the way of its mounts or links."""
    host = Sandbox(root / "host", "ID=debian", "", new="")
    (host.root / "var/lib/one/datastores").mkdir(parents=True)
    given(host)
    # Only folders whose path ends in "mounted" are mounted.
    (host.root / "bin/mountpoint").write_text(
        "#!/bin/sh\ncase $2 in *mounted) ;; *) exit 32 ;; esac\n"
    )
    (host.root / "bin/mountpoint").chmod(0o755)
    how = Probe.__dataclass_fields__[name].metadata
    variables = variables.replace("/DIR", str(host.root))
    output = host.call("prepared", f'{variables}; tell it "$({how["shell"]})"')
    assert "failed" not in output.values
    return how["parse"](output.values["it"])


OURS = "# opennebula-ha begin\n{}\n# opennebula-ha end\n"


@pytest.mark.parametrize(
    ("fstab", "folder", "found"),
    [
        ("", None, {}),
        ("", "empty/", {}),
        ("", "old", {"/var/one": "/var/one/old"}),
        (
            "nas:/b\t/var/one nfs  rw 0 0\n",
            None,
            {"/var/one": "the line nas:/b /var/one nfs rw 0 0 in /etc/fstab"},
        ),
        ("#nas:/b /var/one nfs rw 0 0\n", None, {}),
        # A host that returns.
        (OURS.format("nas:/b /var/one nfs rw 0 0"), None, {}),
    ],
)
def test_what_is_in_the_way_of_a_mount_is_found(
    tmp_path: Path, fstab: str, folder: str | None, found: dict[str, str]
) -> None:
    def given(host: Sandbox) -> None:
        host.file("etc/fstab", fstab.replace("/var/one", f"{host.root}/var/one"))
        if folder and folder.endswith("/"):
            (host.root / "var/one" / folder).mkdir(parents=True)
        elif folder:
            host.file(f"var/one/{folder}", "")

    assert blocked(tmp_path, given, "blocked_mounts", "mount_points=/DIR/var/one") == found


def test_files_in_a_share_that_is_mounted_are_not_in_its_way(tmp_path: Path) -> None:
    def given(host: Sandbox) -> None:
        host.file("var/mounted/image", "")

    assert blocked(tmp_path, given, "blocked_mounts", "mount_points=/DIR/var/mounted") == {}


LINK = "/var/lib/one/datastores/1"


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (lambda host, link: None, {}),
        (lambda host, link: link.mkdir(), {}),
        (lambda host, link: (link / "a").mkdir(parents=True), {LINK: "a"}),
        (lambda host, link: link.symlink_to("/mnt/one"), {}),
        (lambda host, link: link.symlink_to("/srv"), {LINK: "a link to /srv"}),
        # Our own, which this change replaces.
        (
            lambda host, link: (
                link.symlink_to("/srv"),
                host.file("var/lib/opennebula-ha/links", "1 /srv\n"),
            ),
            {},
        ),
        # A share of the stack, which this change unmounts.
        (
            lambda host, link: (
                (link / "image").mkdir(parents=True),
                host.file("etc/fstab", OURS.format(f"nas:/b {link} nfs rw 0 0")),
            ),
            {},
        ),
    ],
)
def test_what_is_in_the_way_of_a_link_is_found(
    tmp_path: Path, there: Callable[[Sandbox, Path], object], found: dict[str, str]
) -> None:
    def given(host: Sandbox) -> None:
        there(host, host.root / LINK.lstrip("/"))

    assert blocked(tmp_path, given, "blocked_links", "links='1 /mnt/one'") == found


def hang(host: Sandbox) -> None:
    """Let each command about a path that ends in "hangs" be killed after its time."""
    (host.root / "bin/timeout").write_text(
        '#!/bin/sh\ncase $* in *hangs) exit 137 ;; esac\nshift 3\nexec "$@"\n'
    )
    (host.root / "bin/timeout").chmod(0o755)


def test_what_operators_have_not_prepared_is_found(tmp_path: Path) -> None:
    absent = blocked(
        tmp_path,
        hang,
        "missing",
        "accounts='root nobody-there' programs='/bin/sh /usr/local/none'"
        " sources='/usr /srv/none /srv/hangs' timezone=Mars/Olympus",
    )
    zone = (("timezone", "Mars/Olympus"),) if Path("/usr/share/zoneinfo").is_dir() else ()
    assert absent == (
        ("account", "nobody-there"),
        ("program", "/usr/local/none"),
        ("source", "/srv/none"),
        *zone,
    )


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("''", ""),
        ("/DIR/var/own.key", "no private key in /var/own.key"),
        ("/etc/ssl/private/ssl-cert-snakeoil.key", ""),
    ],
)
def test_a_missing_certificate_is_found(tmp_path: Path, key: str, fault: str) -> None:
    variables = f"key={key} certchain=/DIR/var/own.pem"
    assert blocked(tmp_path, lambda host: None, "certificate_fault", variables) == fault
