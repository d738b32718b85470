"""Settings of this program in files other than oned.conf, by subject."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hosts.errors import HostError
from opennebula import packages
from procedures.context import Secrets
from procedures.facts.facts import Facts, File, Unit
from procedures.install.files import (
    clock,
    collect,
    drivers,
    ldap,
    leader,
    schedulers,
    services,
)
from procedures.install.files.collect import PATHS
from procedures.install.files.managed import HEADER
from procedures.specs import ClockSpec, Drivers, Hooks, InstallationSpec, LdapSpec, Schedulers
from tests.unit.test_procedures import VIP, VIP6, facts, read, spec, units

SHIPPED = Path(__file__).parents[2] / "lab/standin/packages/opennebula/root"
CANARY = "canary-that-nobody-may-see"
SECRETS = Secrets("one", "database")
TEXTS = {
    services.GATE: ":server:\n  :bind: 127.0.0.1\n:oneflow_server: http://localhost:2475\n",
    services.FLOW: ":host: 127.0.0.1\n:port: 2474\n",
    services.FORM: ":host: 127.0.0.1\n",
    services.FIREEDGE: "host: '0.0.0.0'\noneform_server: 'http://localhost:13013/api/v1'\n",
    services.SUNSTONE: "#token_remote_support: ''\nlangs:\n  en: 'English'\n",
    **{
        path: (SHIPPED / path.lstrip("/")).read_text()
        for path in (drivers.KVM, drivers.NETWORK, schedulers.RANK, schedulers.DRS, ldap.SERVERS)
    },
}
FEATURES = tuple(packages.FEATURES)


def host(changes: dict[str, str | None] | None = None, **others: Any) -> Facts:
    """Make a host with these files, as their packages have them, with those changes (None:
    missing).
    """
    given: dict[str, str | None] = {**TEXTS, **(changes or {})}
    files = {
        **facts().files,
        **{path: File(text or "", 0o644, "root:root") for path, text in given.items()},
    }
    gone = {path for path, text in given.items() if text is None}
    return facts(files={path: one for path, one in files.items() if path not in gone}, **others)


def written(
    wanted: InstallationSpec, seen: Facts | None = None, secrets: Secrets = SECRETS
) -> dict[str, str]:
    """Return the written files by path; check that a second run writes nothing."""
    seen = seen or host()
    changes = collect.changes(seen, wanted, secrets)
    after = dict(seen.files)
    for change in changes:
        there = after.pop(change.file.path, None)
        owner = change.file.owner or (there.owner if there else "root:root")
        mode = int(change.file.mode, 8) if change.file.mode else there.mode if there else 0o600
        if change.text:
            after[change.file.path] = File(change.text, mode, owner)
    again = collect.changes(facts(files=after, units=seen.units), wanted, secrets)
    assert again == []
    return {change.file.path: change.text for change in changes}


def loaded(text: str) -> Any:
    return yaml.safe_load(text)


# The mechanism


def test_every_file_is_among_those_read_from_hosts() -> None:
    seen = host(units=units(chrony=Unit("enabled", "active")))
    wanted = spec(
        features=FEATURES,
        clock=ClockSpec(servers=("a",), locale={"LANG": "C"}),
        ldap=LdapSpec(servers={"a": {":host": "b"}}, mappings={"a.yaml": {"g": 1}}),
    )
    paths = {file.path for file in collect.managed(seen, wanted, SECRETS)}
    assert {path for path in paths if not path.startswith(ldap.MAPPINGS)} <= set(PATHS)
    assert f"{ldap.MAPPINGS}*.yaml" in PATHS


def test_our_files_have_owner_and_mode_with_any_umask() -> None:
    wanted = spec(
        features=FEATURES,
        vips=(VIP, VIP6),
        leader_check=2636,
        clock=ClockSpec(servers=("n1",), locale={"LANG": "C.UTF-8"}),
        ldap=LdapSpec(mappings={"groups.yaml": {"cn=all": 100}}),
    )
    ours = [
        file
        for unit in clock.UNITS
        for file in collect.managed(host(units={**units(), **keeps_time(unit)}), wanted, SECRETS)
        if not file.package and file.edit("")
    ]
    assert set(services.LIMITS.values()) < {file.path for file in ours}
    assert {file.path for file in ours if not (file.owner and file.mode)} == set()
    parts = [file for file in ours if "/systemd/" in file.path]
    assert {(file.owner, file.mode) for file in parts} == {("root:root", "644")}


def test_a_broken_file_is_an_error_that_names_it() -> None:
    with pytest.raises(HostError, match=r"read /etc/one/oneflow-server.conf: .* line 3: "):
        written(spec(features=("flow",)), host({services.FLOW: "a: 1\nb: [\n"}))


def test_a_missing_file_of_a_package_is_not_created() -> None:
    seen = host({drivers.KVM: None})
    assert [name for change in collect.changes(seen, spec(), SECRETS) for name in change.shown] == [
        f"{drivers.KVM}: missing",
        f"{drivers.NETWORK}: :keep_empty_bridge",
    ]
    with pytest.raises(HostError, match=r"(?s)edit /var/lib/one/.*/kvmrc.*--reinstall"):
        collect.writing(seen, spec(), SECRETS)


def test_a_file_without_settings_may_be_missing() -> None:
    seen = host({services.SUNSTONE: None, ldap.SERVERS: None, schedulers.DRS: None})
    paths = {change.file.path for change in collect.changes(seen, spec(features=("gui",)), SECRETS)}
    assert paths.isdisjoint({services.SUNSTONE, ldap.SERVERS, schedulers.DRS})


def test_only_changed_files_cause_a_restart_and_only_one() -> None:
    given, _ = collect.writing(host(), spec(features=("flow", "gui", "gate")), SECRETS)
    restarts = given["restarts"].split()
    assert sorted(restarts) == ["opennebula-fireedge", "opennebula-flow", "opennebula-gate"]
    seen = host({services.FLOW: ":host: 0.0.0.0\n"})
    given, _ = collect.writing(seen, spec(features=("flow",)), SECRETS)
    assert given["restarts"] == ""


def test_a_text_with_secrets_is_marked_as_secret() -> None:
    wanted = spec(features=("gui",), ldap=LdapSpec(servers={"a": {":host": "b"}}))
    secrets = Secrets("one", "two", one_token=f"user:{CANARY}", ldap_passwords={"a": CANARY})
    variables, hidden = collect.writing(host(), wanted, secrets)
    assert CANARY not in str(variables)
    assert sum(CANARY in text for text in hidden.values()) == 2


def test_a_readable_file_with_a_secret_gets_a_strict_mode() -> None:
    servers = LdapSpec(servers={"a": {":host": "b"}}, choice={":order": ["a"]})
    secrets = Secrets("one", "two", ldap_passwords={"a": CANARY})
    text = written(spec(ldap=servers), None, secrets)[ldap.SERVERS]
    (change,) = (
        change
        for change in collect.changes(host({ldap.SERVERS: text}), spec(ldap=servers), secrets)
        if change.file.path == ldap.SERVERS
    )
    assert change.shown == ("auth/ldap_auth.conf: mode 644, owner root:root",)
    assert (change.file.owner, change.file.mode, change.file.restarts) == (
        "root:oneadmin",
        "640",
        "",
    )


# OneGate, OneFlow, OneForm, FireEdge


def test_services_listen_as_configured_and_use_the_vip() -> None:
    given = written(spec(features=FEATURES, bind={"gate": "10.2.50.86"}))
    gate, flow = loaded(given[services.GATE]), loaded(given[services.FLOW])
    assert gate == {
        ":server": {":bind": "10.2.50.86"},
        ":oneflow_server": f"http://{VIP.address}:2475",
    }
    assert flow == {":host": "0.0.0.0", ":port": 2474}
    assert loaded(given[services.FORM]) == {":host": "0.0.0.0"}
    assert loaded(given[services.FIREEDGE]) == {
        "host": "0.0.0.0",
        "oneflow_server": f"http://{VIP.address}:2474",
        "oneform_server": f"http://{VIP.address}:13013/api/v1",
    }
    assert services.SUNSTONE not in given


def test_without_a_vip_services_use_their_own_host() -> None:
    given = written(spec(features=("flow", "gui"), vips=(), entrance=""))
    assert loaded(given[services.FIREEDGE])["oneflow_server"] == "http://localhost:2474"


def test_behind_a_balancer_services_use_it() -> None:
    given = written(spec(features=("flow", "gui"), vips=(), entrance="one.example.org"))
    assert loaded(given[services.FIREEDGE])["oneflow_server"] == "http://one.example.org:2474"


def test_with_an_ipv6_vip_services_listen_there() -> None:
    bind = {"flow": "::", "form": "::", "gate": "::"}
    vips = (VIP6, VIP)
    given = written(spec(features=FEATURES, bind=bind, vips=vips, entrance=VIP6.address))
    assert loaded(given[services.FLOW])[":host"] == "::"
    assert loaded(given[services.FIREEDGE]) == {
        "host": "::",
        "oneflow_server": "http://[fd00:2:50::86]:2474",
        "oneform_server": "http://[fd00:2:50::86]:13013/api/v1",
    }


def test_a_service_at_one_address_is_asked_there() -> None:
    bind = {"flow": "127.0.0.1", "form": "10.2.50.86"}
    given = loaded(written(spec(features=FEATURES, bind=bind))[services.FIREEDGE])
    assert given["oneflow_server"] == "http://127.0.0.1:2474"
    assert given["oneform_server"] == "http://10.2.50.86:13013/api/v1"


def test_gate_has_its_address_for_older_and_newer_releases() -> None:
    seen = host({services.GATE: ":host: 127.0.0.1\n:port: 5031\n"})
    text = written(spec(features=("gate",), bind={"gate": "10.2.50.86"}), seen)[services.GATE]
    assert loaded(text) == {
        ":host": "10.2.50.86",
        ":port": 5031,
        ":server": {":bind": "10.2.50.86", ":port": 5031},
    }
    assert services.GATE not in written(
        spec(features=("gate",), bind={"gate": "10.2.50.86"}), host({services.GATE: text})
    )


def test_services_may_start_as_often_as_the_leader_changes() -> None:
    limits = services.LIMITS
    given = written(spec(features=FEATURES))
    assert set(limits) == {"gate", "flow", "form"}
    assert {given[path] for path in limits.values()} == {
        f"{HEADER}[Unit]\nStartLimitIntervalSec=0\n"
    }
    there = host({path: given[path] for path in limits.values()})
    assert written(spec(features=("gate",)), there)[limits["flow"]] == ""
    assert limits["gate"] not in written(spec(features=("gate",)), there)
    # Outside a zone no hook starts them.
    assert set(limits.values()).isdisjoint(written(spec(features=FEATURES, hooks=None)))


def test_what_runs_hooks_may_start_as_often_as_the_leader_changes() -> None:
    seen = host({services.HEM: None})
    assert written(spec(), seen)[services.HEM] == f"{HEADER}[Unit]\nStartLimitIntervalSec=0\n"
    assert services.HEM not in written(spec(hooks=None), seen)


def test_the_kill_mode_of_oned_is_set_without_a_restart() -> None:
    seen = host({services.ONED: None})
    for wanted in (spec(), spec(features=FEATURES, hooks=None)):
        given = written(wanted, seen)[services.ONED]
        assert given == f"{HEADER}[Service]\nKillMode=mixed\n"
    assert collect.writing(seen, spec(), SECRETS)[0]["restarts"] == ""


def test_a_feature_that_is_off_is_not_touched() -> None:
    assert services.FLOW not in written(spec(features=("gui",)))
    assert "oneflow_server" not in str(written(spec(features=("gui",))))


def test_sunstone_gets_the_token_and_loses_it() -> None:
    secrets = Secrets("one", "two", one_token=f"user:{CANARY}")
    given = written(spec(features=("gui",)), None, secrets)[services.SUNSTONE]
    assert loaded(given) == {"langs": {"en": "English"}, "token_remote_support": f"user:{CANARY}"}
    after = written(spec(features=("gui",)), host({services.SUNSTONE: given}))
    assert after[services.SUNSTONE] == TEXTS[services.SUNSTONE]


# Drivers


def test_hypervisors_get_the_settings_of_the_stack() -> None:
    given = written(spec(drivers=Drivers(tproxy=({":service_port": 5030, ":remote_port": 5030},))))
    assert given[drivers.KVM].replace("\nMIGRATE_OPTIONS=--unsafe\n", "\n") == TEXTS[drivers.KVM]
    network = loaded(given[drivers.NETWORK])
    assert network[":keep_empty_bridge"] is True
    assert network[":tproxy"] == [{":service_port": 5030, ":remote_port": 5030}]
    before = host({drivers.KVM: given[drivers.KVM], drivers.NETWORK: given[drivers.NETWORK]})
    after = written(spec(drivers=Drivers(unsafe_migrations=False, keep_empty_bridge=False)), before)
    assert "\nMIGRATE_OPTIONS=\n" in after[drivers.KVM]
    assert after[drivers.NETWORK] == TEXTS[drivers.NETWORK]


# Schedulers


def test_schedulers_get_and_lose_their_settings() -> None:
    rank = {"MAX_HOST": 3, "DEFAULT_SCHED": {"POLICY": 3, "RANK": "- (RUNNING_VMS * 50)"}}
    drs = {"PLACE": {"WEIGHTS": {"MEMORY": 0.5}}, "DIFFERENT_VNETS": False}
    given = written(spec(schedulers=Schedulers(rank=rank, drs=drs)))
    text = read(given[schedulers.RANK])
    assert text["DEFAULT_SCHED"] == {"POLICY": "3", "RANK": "- (RUNNING_VMS * 50)"}
    assert (text["MAX_HOST"], text["DIFFERENT_VNETS"]) == ("3", "YES")
    content = loaded(given[schedulers.DRS])
    assert content["PLACE"] == {"POLICY": "BALANCE", "WEIGHTS": {"MEMORY": 0.5}}
    assert content["OPTIMIZE"] == loaded(TEXTS[schedulers.DRS])["OPTIMIZE"]
    after = written(spec(), host(dict(given)))
    assert after[schedulers.RANK] == TEXTS[schedulers.RANK]
    assert after[schedulers.DRS] == f"{TEXTS[schedulers.DRS]}\n"


# LDAP

SERVERS = {
    "dir": {":host": "10.3.10.1", ":encryption": ":simple_tls", ":mapping_filename": "d.yaml"}
}


def test_ldap_gets_its_servers_and_their_order() -> None:
    wanted = LdapSpec(servers=SERVERS, choice={":match_user_regex": {"^(.*)@a$": "dir"}})
    secrets = Secrets("one", "two", ldap_passwords={"dir": CANARY})
    content = loaded(written(spec(ldap=wanted), None, secrets)[ldap.SERVERS])
    assert content["dir"] == {**SERVERS["dir"], ":password": CANARY}
    assert content[":match_user_regex"] == {"^(.*)@a$": "dir"}
    assert ":order" not in content
    assert content["server 1"] == loaded(TEXTS[ldap.SERVERS])["server 1"]


def test_without_servers_ldap_is_as_packaged() -> None:
    wanted = LdapSpec(servers=SERVERS, choice={":order": ["dir"]})
    secrets = Secrets("one", "two", ldap_passwords={"dir": CANARY})
    text = written(spec(ldap=wanted), None, secrets)[ldap.SERVERS]
    assert CANARY in text
    assert written(spec(), host({ldap.SERVERS: text}))[ldap.SERVERS] == TEXTS[ldap.SERVERS]


def test_unused_mapping_files_are_removed() -> None:
    theirs = {f"{ldap.MAPPINGS}server1.yaml": "cn=a: 1\n"}
    wanted = spec(ldap=LdapSpec(servers=SERVERS, mappings={"d.yaml": {"cn=users,dc=a": 100}}))
    given = written(wanted, host(dict(theirs)))
    path = f"{ldap.MAPPINGS}d.yaml"
    assert given[path] == f"{HEADER}cn=users,dc=a: 100\n"
    assert not given.keys() & theirs.keys()
    after = written(spec(), host({**theirs, path: given[path]}))
    assert after[path] == ""
    assert not after.keys() & theirs.keys()


# Time

CHRONYD = (
    "# Debian's\npool 2.debian.pool.ntp.org iburst\nsourcedir /etc/chrony/sources.d\nmakestep 1 3\n"
)
RED_HAT = "server a\nmakestep 1 3\n"
TIMESYNCD = "[Time]\n#NTP=\nNTP=a b\nFallbackNTP=c\nRootDistanceMaxSec=5\n"
ASKED = ClockSpec(pools=("pool.ntp.org",), servers=("ntp.example.org",))


def keeps_time(name: str) -> dict[str, Unit]:
    return units(**{name: Unit("enabled", "active")})


def test_chrony_uses_only_the_stacks_servers() -> None:
    seen = host({clock.CHRONY[0]: CHRONYD}, units=keeps_time("chrony"))
    given = written(spec(clock=ASKED), seen)
    assert given[clock.SOURCES] == (
        f"{HEADER}pool pool.ntp.org iburst\nserver ntp.example.org iburst\n"
    )
    assert given[clock.CHRONY[0]] == CHRONYD.replace("pool 2", "# opennebula-ha off: pool 2")
    restarts = collect.writing(seen, spec(clock=ASKED), SECRETS)[0]["restarts"]
    assert restarts == "chrony"
    after = written(spec(), host(dict(given), units=keeps_time("chrony")))
    assert (after[clock.SOURCES], after[clock.CHRONY[0]]) == ("", CHRONYD)


def test_a_chrony_without_a_folder_of_sources_gets_one() -> None:
    seen = host({clock.CHRONY[1]: RED_HAT}, units=keeps_time("chronyd"))
    given = written(spec(clock=ASKED), seen)
    assert "\nsourcedir /etc/chrony/sources.d\n" in given[clock.CHRONY[1]]
    after = written(spec(), host(dict(given), units=keeps_time("chronyd")))
    assert after[clock.CHRONY[1]] == RED_HAT


def test_timesyncd_uses_only_the_stacks_servers() -> None:
    unit = "systemd-timesyncd"
    given = written(spec(clock=ASKED), host({clock.TIMESYNCD: TIMESYNCD}, units=keeps_time(unit)))
    assert given[clock.TIMESYNCD_PART] == f"{HEADER}[Time]\nNTP=pool.ntp.org ntp.example.org\n"
    lines = [line for line in given[clock.TIMESYNCD].splitlines() if not line.startswith("#")]
    assert lines == ["[Time]", "RootDistanceMaxSec=5"]
    after = written(spec(), host(dict(given), units=keeps_time(unit)))
    assert (after[clock.TIMESYNCD_PART], after[clock.TIMESYNCD]) == ("", TIMESYNCD)


@pytest.mark.parametrize(
    ("enabled", "service"),
    [
        ((), ""),
        (("chrony",), "chrony"),
        (("systemd-timesyncd",), "systemd-timesyncd"),
        (("chronyd", "systemd-timesyncd"), ""),
    ],
)
def test_only_one_service_keeps_the_time(enabled: tuple[str, ...], service: str) -> None:
    states = {name: Unit("enabled" if name in enabled else "", "inactive") for name in clock.UNITS}
    assert collect.time_service(facts(units=units(**states))) == service


def test_the_locale_is_in_the_distributions_file() -> None:
    wanted = spec(clock=ClockSpec(locale={"LC_TIME": "C.UTF-8"}))
    assert written(wanted)["/etc/default/locale"] == "LC_TIME=C.UTF-8\n"
    (change,) = (
        change
        for change in collect.changes(
            host(distribution="almalinux", release="9.4"), wanted, SECRETS
        )
        if "locale" in change.file.path
    )
    assert (change.file.path, change.file.mode) == ("/etc/locale.conf", "644")


# Settings that depend on the leader

OF_HOOK = (leader.HOOK, leader.ANNOUNCE, leader.SUDOERS, leader.LEADS)


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, ()),
        ({"vips": (VIP, VIP6)}, OF_HOOK),
        ({"hooks": Hooks(follower="raft/vips.sh")}, OF_HOOK),
        # The operator's own hook may call it.
        ({"vips": (VIP6,), "hooks": Hooks(leader="/srv/a", follower="/srv/b")}, OF_HOOK),
        ({"leader_check": 2636}, (leader.LEADS, leader.SOCKET, leader.SERVICE)),
        ({"leader_check": 2636, "hooks": None, "vips": (VIP6,)}, ()),
    ],
)
def test_our_hook_and_the_role_check_are_installed_if_used(
    changes: dict[str, Any], there: tuple[str, ...]
) -> None:
    files = {file.path: file.edit("") for file in leader.files(spec(**changes), {})}
    assert {path for path, text in files.items() if text} == set(there)
    for path in set(there) - {leader.SUDOERS, leader.SOCKET, leader.SERVICE}:
        first, second, *_ = files[path].splitlines()
        assert (first[:2], second) == ("#!", "# Written by opennebula-ha.")
    if leader.SOCKET in there:
        assert "ListenStream=10.2.50.10:2636\n" in files[leader.SOCKET]


def test_our_hook_stays_while_in_use_and_other_hooks_are_kept() -> None:
    (hook, announce, *_) = leader.files(spec(vips=(VIP, VIP6)), {})
    present = {file.path: file.edit("") for file in (hook, announce)}
    after = {file.path: file for file in leader.files(spec(), present)}
    assert after[hook.path].edit(present[hook.path]) == present[hook.path]
    assert after[announce.path].edit(present[announce.path]) == ""
    somebodys = {hook.path: "#!/bin/bash\n# mine\n", announce.path: "mine\n"}
    for file in leader.files(spec(), somebodys):
        text = somebodys.get(file.path, "")
        assert (file.edit(text), file.owner, file.mode) == (text, "", "")


def test_a_hook_without_rights_is_reported_and_gets_them() -> None:
    (sudoers,) = [
        file
        for file in leader.files(spec(), {}, sudo_refusal="sudo: a password is required")
        if file.path == leader.SUDOERS
    ]
    assert "oneadmin ALL=(root) NOPASSWD: /usr/sbin/ip address *" in sudoers.edit("")
    (shown,) = sudoers.differences("", "")
    assert shown.endswith("no hook can move a VIP (sudo: a password is required)")
    # An existing right stays; if the package's own file allows it, nothing is added.
    for present, given in ((sudoers.edit(""), True), ("", False)):
        (file,) = [
            one
            for one in leader.files(spec(), {leader.SUDOERS: present})
            if one.path == leader.SUDOERS
        ]
        assert ("ip address" in file.edit(present)) is given


def test_the_end_of_a_front_end_removes_our_units_and_their_parts() -> None:
    """What `drop_programs` gives to rm, with every other command a stub."""
    shown = """
    systemctl() { :; }; rmdir() { :; }; rm() { printf '%s\\n' "$@"; }
    . "$1"; drop_programs
    """
    script = Path(__file__).parents[2] / "procedures/shell/programs.sh"
    done = subprocess.run(
        ["bash", "-c", shown, "bash", str(script)], capture_output=True, text=True, check=True
    )
    ours = {path for path in PATHS if path.startswith("/etc/systemd/system/")}
    assert len(ours) > 5
    assert ours - set(done.stdout.splitlines()) == set()
