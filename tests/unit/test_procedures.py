"""The pure parts of the procedures: written files, differences, and the order of restarts."""

from dataclasses import replace
from typing import Any

import pytest

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, packages
from opennebula.families import platform
from procedures.context import Secrets
from procedures.facts.facts import Address, Facts, File, KeyFile, Package, Unit, pool_of
from procedures.facts.observe import require_names
from procedures.facts.traces import Traces
from procedures.host_drift import check, drift
from procedures.install import configuration
from procedures.install.files import drivers, leader, services
from procedures.install.install import confs
from procedures.rollout import pending
from procedures.specs import Database, Hooks, InstallationSpec, Vip
from procedures.zone_data import unequal
from tests.unit import oned_reader

SHIPPED = """\
# What the package brings
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]
DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]   # milliseconds
FEDERATION = [
    MODE      = "STANDALONE",
    SERVER_ID = -1
]
ONEGATE_ENDPOINT = "http://frontend:5030"
"""
MONITORD = 'NETWORK = [\n    MONITOR_ADDRESS = "auto",\n    PORT = 4124\n]\n'
DEBIAN_12 = platform("debian", "12", "7.2")
PASSWORD = 'can\\ary\'s "word"'
SECRETS = Secrets("one", PASSWORD)
VIP = Vip(address="10.2.50.86", prefix=24, interface="eth0")
VIP6 = Vip(address="fd00:2:50::86", prefix=64, interface="eth1")
NO_VIP: dict[str, Any] = {"vips": (), "entrance": VIP.address}
NO_ZONE: dict[str, Any] = {"vips": (), "hooks": None, "entrance": ""}


def spec(**changes: Any) -> InstallationSpec:
    given: dict[str, Any] = {
        "host": Host(name="n1a1", address="10.2.50.10"),
        "version": "7.2",
        "gate_endpoint": "http://10.2.50.86:5030",
        "vips": (VIP,),
        "hooks": Hooks(),
        "entrance": VIP.address,
    }
    return InstallationSpec(**{**given, **changes})


GRANTS = (
    "GRANT USAGE ON *.* TO `oneadmin`@`localhost`",
    "GRANT ALL PRIVILEGES ON `opennebula`.* TO `oneadmin`@`localhost`",
)


EVERYTHING = "GRANT ALL PRIVILEGES ON *.* TO `oneadmin`@`{}` WITH GRANT OPTION"


def installed(**changes: Package | None) -> dict[str, Package]:
    """Return all packages of every feature, with these changes (None: not installed)."""
    names = packages.packages(DEBIAN_12, tuple(packages.FEATURES), mariadb=True)
    given = {**{name: Package("7.2.0-1") for name in names}, **changes}
    return {name: one for name, one in given.items() if one is not None}


def units(**changes: Unit) -> dict[str, Unit]:
    names = ("opennebula", "mariadb", *packages.FEATURES.values())
    return {**{name: Unit("enabled", "active") for name in names}, **changes}


def facts(name: str = "n1a1", **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "host": Host(name=name, address="10.2.50.10"),
        "distribution": "debian",
        "release": "12",
        "machine_id": "m",
        "addresses": (Address("lo", "127.0.0.1", 8), Address("eth0", "10.2.50.10", 24)),
        "resolves": {},
        "packages": installed(),
        "pin": "*",
        "proxy": "",
        "active": True,
        "since": 100,
        "configured": 50,
        "oned_conf": configuration.oned_conf(SHIPPED, spec(), PASSWORD),
        "next_conf": "",
        "files": {
            configuration.MONITORD: File(
                configuration.monitord_conf(spec()).edit(MONITORD), 0o640, "root:oneadmin"
            ),
            drivers.KVM: File("MIGRATE_OPTIONS=--unsafe\n", 0o644, "oneadmin:oneadmin"),
            services.FLOW: File(":host: 0.0.0.0\n", 0o640, "root:oneadmin"),
            drivers.NETWORK: File(":keep_empty_bridge: true\n", 0o644, "oneadmin:oneadmin"),
            services.ONED: File(services.ONED_STOPS.edit(""), 0o644, "root:root"),
            services.HEM: File(services.HEM_STARTS.edit(""), 0o644, "root:root"),
        },
        "dumps": (),
        "has_content": True,
        "identity": "one",
        "zone_body": "",
        "zone_changed": 0,
        "log_index": 1,
        "log_term": 1,
        "log_begins": 1,
        "checksums": "",
        "units": units(),
        "grants": GRANTS,
        "keys": {"/var/lib/one/.one/one_auth": KeyFile(0o600, "oneadmin:oneadmin", "a")},
    }
    return Facts(**{**given, **changes})


OF_FLOW = spec(features=("flow",))


def with_flow(**changes: Any) -> Facts:
    """Make the same facts with OneFlow on."""
    limit = services.LIMITS["flow"]
    written = {file.path: file.edit("") for file in services.files(OF_FLOW, None)}
    return facts(
        files={**facts().files, limit: File(written[limit], 0o644, "root:root")}, **changes
    )


def read(text: str) -> dict[str, oned_reader.Value]:
    return dict(oned_reader.read(text))


# Configuration


def test_oned_conf_gets_the_database_the_hooks_and_gate() -> None:
    written = read(configuration.oned_conf(SHIPPED, spec(), PASSWORD))
    assert written["DB"] == {
        "BACKEND": "mysql",
        "TIMEOUT": "2500",
        "SERVER": "localhost",
        "PORT": "0",
        "USER": "oneadmin",
        "PASSWD": PASSWORD,
        "DB_NAME": "opennebula",
    }
    assert written["RAFT_LEADER_HOOK"] == {
        "COMMAND": "raft/vip.sh",
        "ARGUMENTS": "leader eth0 10.2.50.86/24",
    }
    assert written["RAFT_FOLLOWER_HOOK"] == {
        "COMMAND": "raft/vip.sh",
        "ARGUMENTS": "follower eth0 10.2.50.86/24",
    }
    assert written["ONEGATE_ENDPOINT"] == "http://10.2.50.86:5030"


def test_unmanaged_attributes_are_kept() -> None:
    written = configuration.oned_conf(SHIPPED, spec(), PASSWORD)
    assert read(written)["FEDERATION"] == {"MODE": "STANDALONE", "SERVER_ID": "-1"}
    assert "# What the package brings\n" in written
    assert "]   # milliseconds\n" in written


def test_writing_it_again_changes_nothing() -> None:
    once = configuration.oned_conf(SHIPPED, spec(), PASSWORD)
    assert configuration.oned_conf(once, spec(), PASSWORD) == once


def test_outside_a_zone_there_are_no_hooks() -> None:
    before = configuration.oned_conf(SHIPPED, spec(), PASSWORD)
    after = configuration.oned_conf(before, spec(**NO_ZONE), PASSWORD)
    assert {"RAFT_LEADER_HOOK", "RAFT_FOLLOWER_HOOK"} & read(after).keys() == set()
    assert configuration.without_hooks(before) == after
    assert configuration.without_hooks(after) == after


def test_another_vip_changes_only_the_hooks() -> None:
    before = configuration.oned_conf(SHIPPED, spec(), PASSWORD)
    other = Vip(address="10.2.50.87", prefix=25, interface="ens3")
    after = configuration.oned_conf(before, spec(vips=(other,)), PASSWORD)
    assert {key for key, value in read(after).items() if value != read(before)[key]} == {
        "RAFT_LEADER_HOOK",
        "RAFT_FOLLOWER_HOOK",
    }


@pytest.mark.parametrize(
    ("vips", "hooks", "leader", "follower"),
    [
        ((), Hooks(), "raft/vip.sh leader", "raft/vip.sh follower"),
        (
            (VIP6,),
            Hooks(),
            "raft/vips.sh leader eth1 fd00:2:50::86/64",
            "raft/vips.sh follower eth1 fd00:2:50::86/64",
        ),
        (
            (VIP, VIP6),
            Hooks(),
            "raft/vips.sh leader eth0 10.2.50.86/24 eth1 fd00:2:50::86/64",
            "raft/vips.sh follower eth0 10.2.50.86/24 eth1 fd00:2:50::86/64",
        ),
        (
            (VIP,),
            Hooks(leader="raft/vips.sh"),
            "raft/vips.sh leader eth0 10.2.50.86/24",
            "raft/vip.sh follower eth0 10.2.50.86/24",
        ),
        (
            (VIP, VIP6),
            Hooks(leader="/srv/lead", follower="raft/mine.sh"),
            "/srv/lead leader eth0 10.2.50.86/24 eth1 fd00:2:50::86/64",
            "raft/mine.sh follower eth0 10.2.50.86/24 eth1 fd00:2:50::86/64",
        ),
    ],
)
def test_each_role_has_the_hook_that_supports_all_vips(
    vips: tuple[Vip, ...], hooks: Hooks, leader: str, follower: str
) -> None:
    given = spec(vips=vips, hooks=hooks)
    written = read(configuration.oned_conf(SHIPPED, given, PASSWORD))
    for name, line in (("LEADER", leader), ("FOLLOWER", follower)):
        hook = written[f"RAFT_{name}_HOOK"]
        assert isinstance(hook, dict)
        assert f"{hook['COMMAND']} {hook['ARGUMENTS']}" == line


def test_with_an_ipv6_vip_oned_listens_there_too() -> None:
    before = configuration.oned_conf(SHIPPED + 'LISTEN_ADDRESS = "0.0.0.0"\n', spec(), PASSWORD)
    both = configuration.oned_conf(before, spec(vips=(VIP, VIP6)), PASSWORD)
    assert read(both)["LISTEN_ADDRESS"] == "::"
    assert configuration.oned_conf(both, spec(), PASSWORD) == before
    own = spec(vips=(VIP, VIP6), oned={"listen_address": "10.2.50.10"})
    assert read(configuration.oned_conf(both, own, PASSWORD))["LISTEN_ADDRESS"] == "10.2.50.10"


def test_sqlite_gets_no_account() -> None:
    written = configuration.oned_conf(SHIPPED, spec(database=Database(backend="SQLite")), PASSWORD)
    assert read(written)["DB"] == {"BACKEND": "sqlite", "TIMEOUT": "2500"}
    assert PASSWORD not in written


def test_further_attributes_of_the_stack_are_written() -> None:
    written = read(
        configuration.oned_conf(SHIPPED, spec(oned={"LOG": {"DEBUG_LEVEL": 5}, "PORT": 2700}), "x")
    )
    assert written["LOG"] == {"SYSTEM": "file", "DEBUG_LEVEL": "5"}
    assert written["PORT"] == "2700"


def test_a_removed_attribute_gets_its_original_value() -> None:
    before = configuration.oned_conf(SHIPPED, spec(), PASSWORD)
    wishes = {"LOG": {"DEBUG_LEVEL": 5}, "DB_HOST": "x", "PORT": []}
    written = configuration.oned_conf(SHIPPED, spec(oned=wishes), PASSWORD)
    assert written != before
    numbered = configuration.with_server_id(written, 2)
    after = configuration.oned_conf(numbered, spec(), PASSWORD)
    assert after == configuration.with_server_id(before, 2)


def test_an_attribute_edited_by_hand_differs_by_its_name() -> None:
    wanted = spec(oned={"LOG": {"DEBUG_LEVEL": 5}})
    written = configuration.oned_conf(SHIPPED, wanted, PASSWORD)
    assert configuration.differences(written, wanted, PASSWORD) == ()
    by_hand = written.replace("DEBUG_LEVEL = 5", "DEBUG_LEVEL = 0").replace('"mysql"', '"sqlite"')
    assert configuration.differences(by_hand, wanted, PASSWORD) == ("DB/BACKEND", "LOG/DEBUG_LEVEL")
    assert drift(facts(oned_conf=by_hand), wanted, SECRETS) == (
        "oned.conf: DB/BACKEND",
        "oned.conf: LOG/DEBUG_LEVEL",
    )


def test_monitord_listens_at_the_vip_or_at_an_address_of_its_own() -> None:
    assert read(configuration.monitord_conf(spec()).edit(MONITORD))["NETWORK"] == {
        "MONITOR_ADDRESS": "10.2.50.86",
        "PORT": "4124",
    }
    assert configuration.monitord_conf(spec(**NO_ZONE)).edit(MONITORD) == MONITORD


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_the_server_id_is_set_in_its_place(number: int) -> None:
    written = configuration.with_server_id(SHIPPED, number)
    assert written == SHIPPED.replace("SERVER_ID = -1", f"SERVER_ID = {number}")
    assert facts(oned_conf=written).server_id == number


def test_without_a_server_id_a_front_end_is_standalone() -> None:
    assert facts(oned_conf="").server_id == -1
    assert facts(oned_conf="PORT = 1\n").server_id == -1
    assert facts(oned_conf=configuration.with_server_id("PORT = 1\n", 2)).server_id == 2


def test_the_account_may_use_its_database_from_the_host_itself() -> None:
    assert configuration.account(Database(name="open_nebula", owner="one"), "a'b\\c").split(
        "\n"
    ) == [
        "CREATE DATABASE IF NOT EXISTS `open_nebula`;",
        "CREATE USER IF NOT EXISTS 'one'@'localhost' IDENTIFIED BY 'a''b\\\\c';",
        "GRANT ALL PRIVILEGES ON `open\\_nebula`.* TO 'one'@'localhost';",
    ]


AS_SHOWN = {
    "MariaDB 10.3": (
        "GRANT USAGE ON *.* TO 'oneadmin'@'localhost' IDENTIFIED BY PASSWORD '*AB'",
        "GRANT ALL PRIVILEGES ON `opennebula`.* TO 'oneadmin'@'localhost'",
    ),
    "MariaDB 10.5 to 11.8": (
        "GRANT USAGE ON *.* TO `oneadmin`@`localhost` IDENTIFIED VIA mysql_native_password USING"
        " '*AB' OR mysql_native_password USING '*CD'",
        "GRANT ALL PRIVILEGES ON `opennebula`.* TO `oneadmin`@`localhost`",
    ),
    "by hand": (
        "GRANT USAGE ON *.* TO `oneadmin`@`localhost` IDENTIFIED BY PASSWORD '*AB'",
        "GRANT ALL PRIVILEGES ON `opennebula`.* TO `oneadmin`@`localhost` WITH GRANT OPTION",
    ),
}
"""Return SHOW GRANTS of an account with rights to its own database only."""


@pytest.mark.parametrize("release", AS_SHOWN)
def test_grants_are_read_in_the_form_of_each_release(release: str) -> None:
    assert configuration.account_faults(Database(), AS_SHOWN[release]) == []
    too_much = (AS_SHOWN[release][0].replace("USAGE", "SELECT, RELOAD"), AS_SHOWN[release][1])
    assert configuration.account_faults(Database(), too_much) == [configuration.TOO_MUCH]


def test_an_account_keeps_its_old_password_while_an_oned_uses_it() -> None:
    database = Database(owner="one")
    assert configuration.identify(database, "new") == (
        "ALTER USER 'one'@'localhost' IDENTIFIED BY 'new';"
    )
    assert configuration.identify(database, "new", former="o'ld") == (
        "ALTER USER 'one'@'localhost' IDENTIFIED VIA mysql_native_password USING PASSWORD('new')"
        " OR mysql_native_password USING PASSWORD('o''ld');"
    )
    assert configuration.identify(database, "new", former="new").endswith("BY 'new';")


def test_the_password_in_use_is_that_of_the_same_account() -> None:
    text = 'DB = [ BACKEND = "mysql", USER = "one", PASSWD = "old" ]\n'
    assert configuration.in_use(text, Database(owner="one")) == "old"
    assert configuration.in_use(text, Database(owner="two")) == ""
    assert configuration.in_use("", Database(owner="one")) == ""


# Differences of a host

AUTH = "/var/lib/one/.one/one_auth"
UNATTENDED = {"unattended-upgrades": Package("2.9.1")}
PROXY = "http://10.2.50.1:3142"
FLOW, FIREEDGE = packages.FEATURES["flow"], packages.FEATURES["gui"]
HEM = packages.HOOK_MANAGER
RUNS, STOPPED = Unit("enabled", "active"), Unit("enabled", "inactive")
LEADERS = (Address("eth0", "10.2.50.10", 24), Address("eth0", VIP.address, 24))


def version(text: str) -> dict[str, Package]:
    return installed(opennebula=Package(text))


def test_a_host_that_matches_the_stack_shows_no_drift() -> None:
    assert drift(facts(), spec(), SECRETS) == ()


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (facts(packages=version("7.20.0-1")), ("package opennebula: version 7.20.0-1",)),
        (facts(packages=version("7.4.0-1")), ("package opennebula: version 7.4.0-1",)),
        (facts(packages=installed(rsync=None)), ("package rsync: not installed",)),
        (
            facts(packages=installed(**{"mariadb-server": None})),
            ("package mariadb-server: not installed",),
        ),
        # MariaDB.org's.
        (
            facts(
                packages=installed(
                    **{"mariadb-server": None, "MariaDB-server": Package("11.4.4-1.el9")}
                )
            ),
            (),
        ),
        (
            facts(packages=installed(opennebula=Package("7.2.0-1", held=True))),
            ("package opennebula: held back",),
        ),
        (facts(packages=installed(**{FLOW: None})), ()),
        (facts(pin="7.2.0-1"), ()),
        (facts(pin=""), ("packages of OpenNebula: not kept from a plain upgrade",)),
        (facts(pin="7.2.1-1"), ("packages of OpenNebula: not kept from a plain upgrade",)),
        (facts(proxy="http://x:1"), ("proxy for packages: http://x:1",)),
        (facts(packages=installed(**UNATTENDED)), ()),
        (facts(packages=version("7.2-1")), ()),
        (
            facts(units=units(opennebula=Unit("disabled", "active"))),
            ("opennebula.service: disabled",),
        ),
        # The zone starts and enables a stopped oned.
        (facts(active=False, units=units(opennebula=Unit("disabled", "inactive"))), ()),
        (facts(units=units(mariadb=Unit("disabled", "inactive"))), ("mariadb.service: disabled",)),
        (facts(units=units(mariadb=Unit("enabled", "inactive"))), ("mariadb.service: stopped",)),
        (facts(units=units(**{FLOW: Unit("masked", "active")})), ()),
        # It belongs to oned's package, whatever the features.
        (
            facts(units=units(**{HEM: RUNS}), leads=False),
            ("opennebula-hem.service: runs on a follower",),
        ),
        (facts(units=units(**{HEM: RUNS}), leads=True), ()),
        (facts(units=units(**{HEM: STOPPED}), leads=False), ()),
        (
            facts(keys={AUTH: KeyFile(0o644, "oneadmin:oneadmin", "a")}),
            (f"{AUTH}: mode 644, owner oneadmin:oneadmin",),
        ),
        (
            facts(keys={AUTH: KeyFile(0o600, "root:root", "a")}),
            (f"{AUTH}: mode 600, owner root:root",),
        ),
        (facts(grants=()), ("database account oneadmin: missing",)),
        (facts(grants=GRANTS[:1]), ("database account oneadmin: no right to its database",)),
        (
            facts(grants=("GRANT SELECT ON *.* TO `oneadmin`@`localhost`", GRANTS[1])),
            ("database account oneadmin: rights on every database",),
        ),
        # An account with all rights may use its own database, too.
        (
            facts(grants=(EVERYTHING.format("localhost"),)),
            ("database account oneadmin: rights on every database",),
        ),
        (
            facts(
                traces=Traces(
                    accounts={
                        "localhost": GRANTS,
                        "%": (EVERYTHING.format("%"),),
                        "10.0.0.%": (
                            "GRANT SELECT ON `opennebula`.`vm_pool` TO `oneadmin`@`10.0.0.%`",
                        ),
                        "n2": (GRANTS[0].replace("localhost", "n2"),),
                        "n3": (
                            EVERYTHING.format("n3"),
                            "GRANT SELECT ON `shop`.* TO `oneadmin`@`n3`",
                        ),
                    }
                )
            ),
            (
                "database account oneadmin@%: lets in from any host",
                "database account oneadmin@10.0.0.%: lets in from 10.0.0.%",
            ),
        ),
        (facts(grants=(), silent="no answer"), ()),
        (facts(keys={}), (f"{AUTH}: missing",)),
        (facts(keys={}, has_content=False), ()),
        (
            facts(
                keys={
                    AUTH: KeyFile(0o600, "oneadmin:oneadmin", "a"),
                    "/var/lib/one/.ssh/id_rsa.pub": KeyFile(0o644, "oneadmin:oneadmin", "b"),
                }
            ),
            (),
        ),
    ],
)
def test_what_differs_from_the_usual_stack_is_named(seen: Facts, found: tuple[str, ...]) -> None:
    assert drift(seen, spec(), SECRETS) == found


@pytest.mark.parametrize(
    ("seen", "wanted", "found"),
    [
        (
            facts(packages=installed(opennebula=None)),
            spec(oned={"PORT": 1}),
            ("package opennebula: not installed",),
        ),
        (
            with_flow(packages=installed(**{FLOW: Package("7.0.0-1", held=True)})),
            OF_FLOW,
            ("package opennebula-flow: version 7.0.0-1",),
        ),
        (facts(packages=installed()), spec(version="7.2.0"), ()),
        (facts(), spec(pkg_cache_proxy=PROXY), ("proxy for packages: none",)),
        (facts(proxy=PROXY), spec(pkg_cache_proxy=PROXY), ()),
        (
            facts(packages=installed(**UNATTENDED)),
            spec(unattend_disable=True),
            ("package unattended-upgrades: installs upgrades automatically",),
        ),
        (
            facts(),
            spec(**NO_ZONE),
            (
                "oned.conf: RAFT_FOLLOWER_HOOK",
                "oned.conf: RAFT_LEADER_HOOK",
                "monitord.conf: NETWORK/MONITOR_ADDRESS",
                services.HEM,
            ),
        ),
        (facts(), spec(oned={"PORT": 1}), ("oned.conf: PORT",)),
        (facts(), spec(names={"n1a2": "10.2.50.11"}), ("/etc/hosts: n1a2 at no address",)),
        (
            facts(resolves={"n1a2": "10.2.50.99"}),
            spec(names={"n1a2": "10.2.50.11"}),
            ("/etc/hosts: n1a2 at 10.2.50.99",),
        ),
        (
            facts(resolves={"n1a2": "10.2.50.11 10.2.50.99"}),
            spec(names={"n1a2": "10.2.50.11"}),
            ("/etc/hosts: n1a2 at 10.2.50.11 10.2.50.99",),
        ),
        (facts(resolves={"n1a2": "10.2.50.11"}), spec(names={"n1a2": "10.2.50.11"}), ()),
        (
            with_flow(units=units(**{FLOW: Unit("masked", "active")})),
            OF_FLOW,
            ("opennebula-flow.service: masked",),
        ),
        # OneFlow runs next to the leader, FireEdge next to every running oned.
        (with_flow(units=units(**{FLOW: STOPPED})), OF_FLOW, ()),
        (
            with_flow(units=units(**{FLOW: STOPPED}), leads=True),
            OF_FLOW,
            ("opennebula-flow.service: stopped",),
        ),
        (
            with_flow(units=units(**{FLOW: STOPPED}), leads=True, hooks=frozenset({"leader"})),
            OF_FLOW,
            (),
        ),
        # Raft decides who the leader is: a VIP may be a leftover.
        (with_flow(units=units(**{FLOW: STOPPED}), leads=False, addresses=LEADERS), OF_FLOW, ()),
        (
            with_flow(leads=False, addresses=LEADERS),
            OF_FLOW,
            ("opennebula-flow.service: runs on a follower",),
        ),
        (with_flow(leads=False, hooks=frozenset({"leader"})), OF_FLOW, ()),
        (with_flow(leads=None), OF_FLOW, ()),
        (
            with_flow(units=units(**{FLOW: STOPPED})),
            spec(features=("flow",), **NO_VIP),
            ("oned.conf: RAFT_FOLLOWER_HOOK/ARGUMENTS", "oned.conf: RAFT_LEADER_HOOK/ARGUMENTS"),
        ),
        (
            with_flow(units=units(**{FLOW: STOPPED}), leads=True),
            spec(features=("flow",), **NO_VIP),
            (
                "oned.conf: RAFT_FOLLOWER_HOOK/ARGUMENTS",
                "oned.conf: RAFT_LEADER_HOOK/ARGUMENTS",
                "opennebula-flow.service: stopped",
            ),
        ),
        (
            with_flow(units=units(**{FLOW: STOPPED}), leads=True),
            spec(features=("flow",), vips=(VIP6,)),
            (
                "package python3: not installed",
                "oned.conf: LISTEN_ADDRESS",
                "oned.conf: RAFT_FOLLOWER_HOOK/ARGUMENTS",
                "oned.conf: RAFT_FOLLOWER_HOOK/COMMAND",
                "oned.conf: RAFT_LEADER_HOOK/ARGUMENTS",
                "oned.conf: RAFT_LEADER_HOOK/COMMAND",
                *leader.PATHS[:4],
                "opennebula-flow.service: stopped",
            ),
        ),
        (
            facts(units=units(**{leader.SOCKET_UNIT: Unit("", "inactive")})),
            spec(leader_check=2636),
            (*leader.PATHS[3:], "opennebula-ha-leader.socket: stopped"),
        ),
        (
            facts(units=units(**{FIREEDGE: STOPPED})),
            spec(features=("gui",)),
            ("opennebula-fireedge.service: stopped",),
        ),
        (facts(units=units(**{FIREEDGE: STOPPED}), active=False), spec(features=("gui",)), ()),
        (
            facts(grants=("GRANT ALL PRIVILEGES ON `open_nebula`.* TO `oneadmin`@`localhost`",)),
            spec(database=Database(name="open_nebula")),
            (
                "DB in /etc/one/oned.conf points to the MariaDB database opennebula at localhost:"
                " up fails until this is reverted",
            ),
        ),
    ],
)
def test_differences_are_named(
    seen: Facts, wanted: InstallationSpec, found: tuple[str, ...]
) -> None:
    assert drift(seen, wanted, SECRETS) == found


TEMPLATE = "/etc/cloud/templates/hosts.debian.tmpl"


@pytest.mark.parametrize(
    ("template", "keeps", "found"),
    [
        ("", None, ()),
        (f"{TEMPLATE}\n10.2.50.10 n1a1", True, ()),
        (
            TEMPLATE,
            True,
            (f"{TEMPLATE}: without n1a1, which the next boot would remove from /etc/hosts",),
        ),
        (
            f"{TEMPLATE}\n10.2.50.99 n1a1",
            True,
            (f"{TEMPLATE}: without n1a1, which the next boot would remove from /etc/hosts",),
        ),
        (
            f"{TEMPLATE}\n10.2.50.10 n1a1",
            False,
            ("cloud-init: may set another hostname at a boot",),
        ),
    ],
)
def test_edits_that_cloud_init_reverts_at_boot_are_drift(
    template: str, keeps: bool | None, found: tuple[str, ...]
) -> None:
    wanted = spec(names={"n1a1": "10.2.50.10"}, ensure_hostname=True)
    seen = facts(
        hosts_template=template,
        keeps_hostname=keeps,
        hostname="n1a1 n1a1",
        resolves={"n1a1": "10.2.50.10"},
    )
    assert drift(seen, wanted, SECRETS) == found


def test_another_database_password_is_drift() -> None:
    assert drift(facts(), spec(), Secrets("one", "another")) == ("oned.conf: DB/PASSWD",)


def test_a_server_id_from_the_zone_is_no_drift() -> None:
    seen = facts()
    numbered = facts(oned_conf=configuration.with_server_id(seen.oned_conf, 2))
    assert drift(numbered, spec(), SECRETS) == ()


def test_a_database_in_use_keeps_its_name() -> None:
    text = configuration.oned_conf(SHIPPED, spec(), "pw")
    other = spec(database=Database(name="another"))
    for active in (True, False):
        with pytest.raises(HostError, match="points to the MariaDB database opennebula") as caught:
            check(facts(active=active, oned_conf=text), other)
        assert "opennebula-ha:db_name: opennebula" in caught.value.remedy
    # Left by an up that failed before there was any database.
    check(facts(active=False, oned_conf=text, has_content=False), other)
    check(facts(active=True, oned_conf=text), spec())


def test_every_front_end_must_resolve_the_name_of_every_other() -> None:
    hosts = {name: Host(name=name, address=f"10.2.50.{n}") for n, name in enumerate(["a", "b"])}
    right = {"a": "10.2.50.0", "b": "10.2.50.1"}
    require_names([facts("a", resolves=right), facts("b", resolves=right)], hosts)
    with pytest.raises(HostError, match=r"b: .* expected a at 10\.2\.50\.0, saw 127\.0\.1\.1"):
        require_names(
            [facts("a", resolves=right), facts("b", resolves={**right, "a": "127.0.1.1"})], hosts
        )


@pytest.mark.parametrize(
    ("own_names", "remedy"),
    [({}, "set opennebula-ha:ensure_hosts: true"), ({"a": "10.2.50.0"}, "take a off the line")],
)
def test_a_name_in_our_part_may_come_from_elsewhere(own_names: dict[str, str], remedy: str) -> None:
    seen = facts("b", resolves={"a": "127.0.1.1"}, own_names=own_names)
    with pytest.raises(HostError) as caught:
        require_names([seen], {"a": Host(name="a", address="10.2.50.0")})
    assert caught.value.remedy.startswith(remedy)


def test_the_pool_is_read_from_the_zones_body() -> None:
    body = (
        "<ZONE><SERVER_POOL>"
        "<SERVER><ID>1</ID><NAME><![CDATA[b]]></NAME><ENDPOINT>http://b</ENDPOINT></SERVER>"
        "<SERVER><ID>0</ID><NAME>a</NAME><ENDPOINT>http://a</ENDPOINT></SERVER>"
        "</SERVER_POOL></ZONE>"
    )
    assert [(entry.id, entry.name, entry.endpoint) for entry in pool_of(body)] == [
        (0, "a", "http://a"),
        (1, "b", "http://b"),
    ]
    assert pool_of("") == pool_of("<ZONE><SERVER_POOL/></ZONE>") == ()


# Changes that wait for the rollout


def test_new_configuration_is_staged_next_to_a_running_oneds() -> None:
    seen = facts(oned_conf=configuration.with_server_id(facts().oned_conf, 2))
    first, then = confs(seen, spec(oned={"PORT": 2700}), PASSWORD)
    assert first == ""
    assert read(then) == {**read(seen.oned_conf), "PORT": "2700"}


def test_staged_configuration_is_no_drift_until_the_stack_changes() -> None:
    wanted = spec(oned={"PORT": 2700})
    _, then = confs(facts(), wanted, PASSWORD)
    waiting = facts(next_conf=then)
    assert drift(waiting, wanted, SECRETS) == ()
    assert drift(waiting, spec(oned={"PORT": 2701}), SECRETS) == ("oned.conf: PORT",)
    # If it is reverted before it took effect, it leaves nothing.
    assert drift(waiting, spec(), SECRETS) == ("oned.conf: PORT",)
    assert confs(waiting, spec(), PASSWORD) == ("", "")


def test_requirements_of_the_database_wait_for_the_rollout_too() -> None:
    """An oned that does not start with the other changes can return to its former file."""
    first, then = confs(facts(), spec(oned={"PORT": 2700}), "another")
    assert first == ""
    assert read(then) == {
        **read(facts().oned_conf),
        "PORT": "2700",
        "DB": read(configuration.oned_conf(SHIPPED, spec(), "another"))["DB"],
    }


def test_nothing_is_staged_if_oned_does_not_run() -> None:
    first, then = confs(facts(active=False), spec(oned={"PORT": 2700}), PASSWORD)
    assert (read(first)["PORT"], then) == ("2700", "")
    waiting = facts(active=False, next_conf=first)
    assert confs(waiting, spec(oned={"PORT": 2700}), PASSWORD) == (first, "")


# Restarts


@pytest.mark.parametrize(
    ("seen", "order"),
    [
        ({"a": {}, "b": {}, "c": {}}, []),
        ({"a": {"configured": 101}, "b": {}, "c": {}}, ["a"]),
        ({"a": {}, "b": {"next_conf": "PORT = 1"}, "c": {"next_conf": "PORT = 1"}}, ["c", "b"]),
        ({"a": {"staged": "7.2.1-1"}, "b": {"staged": "7.2.1-1"}, "c": {}}, ["a", "b"]),
        ({"a": {"staged": "7.4.0-1"}, "b": {}, "c": {}}, []),
        ({"a": {"configured": 101}, "b": {"configured": 101}, "c": {}}, ["a", "b"]),
        (
            {"a": {"configured": 101}, "b": {"configured": 101}, "c": {"configured": 101}},
            ["a", "c", "b"],
        ),
        # The leader's list of servers is newer than two of the servers, the leader among them.
        ({"a": {}, "b": {"zone_changed": 105}, "c": {"since": 110}}, ["a"]),
        ({"a": {}, "b": {"zone_changed": 95}, "c": {}}, []),
        ({"a": {"zone_changed": 999}, "b": {}, "c": {}}, []),
    ],
)
def test_servers_with_old_configuration_restart_followers_first(
    seen: dict[str, dict[str, int]], order: list[str]
) -> None:
    assert pending({name: facts(name, **one) for name, one in seen.items()}, "b", "7.2") == order


def test_a_changed_zone_row_with_the_same_servers_delays_nothing() -> None:
    body = "<ZONE><SERVER_POOL>{}</SERVER_POOL></ZONE>"
    entry = "<SERVER><ID>{0}</ID><NAME>{1}</NAME><ENDPOINT>http://{1}</ENDPOINT></SERVER>"
    servers = "".join(entry.format(number, name) for number, name in enumerate("abc"))
    seen = {n: facts(n, zone_body=body.format(servers), zone_changed=105) for n in "abc"}
    pool = seen["b"].pool
    assert len(pool) == 3
    assert pending(seen, "b", "7.2", listed=list(pool)) == []
    # A server that left is no reason to restart the others; one that returned is.
    assert pending(seen, "b", "7.2", listed=[*pool, replace(pool[0], id=7, name="d")]) == []
    assert pending(seen, "b", "7.2", listed=pool[:2]) == ["a", "c"]
    assert pending(seen, "b", "7.2") == ["a", "c"]
    assert pending(seen, "b", "7.2", adopted=True) == []
    seen["c"] = facts("c", next_conf="PORT = 1", zone_changed=105)
    assert pending(seen, "b", "7.2", adopted=True) == ["c"]


# Equal data


def test_data_that_were_never_equal_are_named() -> None:
    had = {"a": {"users\t1", "users\t2", "zones\t7"}, "b": {"users\t2", "zones\t8"}}
    assert unequal(had) == ["zones"]


def test_a_follower_under_writes_has_a_former_state_of_the_other() -> None:
    assert unequal({"a": {"users\t2"}, "b": {"users\t1"}}) == ["users"]
    assert unequal({"a": {"users\t2", "users\t3"}, "b": {"users\t1", "users\t2"}}) == []


def test_a_server_without_one_or_all_tables_differs() -> None:
    two = {"users\t1", "zones\t7"}
    assert unequal({"a": two, "b": {"users\t1"}}) == ["zones"]
    assert unequal({"a": two, "b": set()}) == ["users", "zones"]
    assert unequal({}) == []


def test_a_password_is_unchanged_from_config_to_oned() -> None:
    """From the config through oned.conf to oned: the same as MariaDB's account has."""
    written = conf.read(configuration.oned_conf(SHIPPED, spec(), PASSWORD), "DB")
    assert isinstance(written, dict)
    assert written["PASSWD"] == PASSWORD
