"""Signs that a host has data of others, and other spellings of the stack's own values."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf
from opennebula.database import DatabaseSection, DataPlace
from procedures.bootstrap.restore import KeptDump
from procedures.facts import signs
from procedures.facts.fact import parsed
from procedures.facts.facts import Facts, KeyFile, Package, Unit
from procedures.facts.traces import LocalDatabase, Traces
from procedures.host_drift import drift
from procedures.install import configuration
from procedures.preflight.checks import findings
from procedures.preflight.context import HostReport, Weight
from procedures.specs import Database
from tests.unit.test_preflight import NAMES, bare, blank, looks, settled, site, spec
from tests.unit.test_procedures import GRANTS, PASSWORD, SECRETS, SHIPPED
from tests.unit.test_procedures import facts as installed
from tests.unit.test_procedures import spec as installation

HERE = ("n1a1", "10.2.50.10")
MARIADB = Database()
SQLITE = Database(backend="SQLite")
PACKAGED = 'DB = [ BACKEND = "sqlite",\n       TIMEOUT = 2500 ]\n'
OURS = {"BACKEND": "mysql", "SERVER": "localhost", "PORT": "0", "DB_NAME": "opennebula"}
KEY = KeyFile(0o600, "oneadmin:oneadmin", "a")
ALL_TABLES = LocalDatabase(70, is_opennebula=True)
ENABLED = {"opennebula": Unit("enabled", "inactive")}


def section(**values: str) -> str:
    return conf.write("", "DB", {**OURS, "USER": "oneadmin", "PASSWD": "x", **values})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", DataPlace.PACKAGED),
        ("PORT = 2633\n", DataPlace.PACKAGED),
        (PACKAGED, DataPlace.PACKAGED),
        ('DB = [ backend = "SQLite" ]\n', DataPlace.PACKAGED),
        ('DB = [ BACKEND = "mysql" ]\n', DataPlace.OURS),
        (section(), DataPlace.OURS),
        (section(SERVER=""), DataPlace.OURS),
        (section(SERVER="127.0.0.1", PORT="3306"), DataPlace.OURS),
        (section(SERVER="::1"), DataPlace.OURS),
        (section(SERVER="[::1]", PORT="3306"), DataPlace.OURS),
        (section(SERVER="LocalHost"), DataPlace.OURS),
        (section(SERVER="10.2.50.10", PORT="3306"), DataPlace.OURS),
        (section(SERVER="N1A1."), DataPlace.OURS),
        (section(SOCKET="/var/run/mysqld/mysqld.sock"), DataPlace.OURS),
        (section(USER="another"), DataPlace.OURS),
        (section(SERVER="10.2.50.11"), DataPlace.ANOTHER),
        (section(SERVER="db.example.org"), DataPlace.ANOTHER),
        (section(SERVER="n1a1.example.org"), DataPlace.ANOTHER),
        (section(SERVER="127.0.0.1", PORT="3307"), DataPlace.ANOTHER),
        (section(SOCKET="/run/other.sock"), DataPlace.ANOTHER),
        (section(DB_NAME="one1"), DataPlace.ANOTHER),
        (section(DB_NAME="OpenNebula"), DataPlace.ANOTHER),
        (section(BACKEND="postgresql"), DataPlace.ANOTHER),
        (section(BACKEND=""), DataPlace.ANOTHER),
    ],
)
def test_which_database_a_section_names(text: str, place: DataPlace) -> None:
    found = DatabaseSection.of(text)
    assert found.place(mariadb=True, name="opennebula", names=HERE) is place
    alone = found.place(mariadb=False, name="opennebula", names=HERE)
    assert alone is (DataPlace.OURS if place is DataPlace.PACKAGED else DataPlace.ANOTHER)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "SQLite (/var/lib/one/one.db)"),
        (section(SERVER="db1"), "the MariaDB database opennebula at db1"),
        (section(SERVER="db1", PORT="3307"), "the MariaDB database opennebula at db1 port 3307"),
        (
            section(SOCKET="/run/other.sock"),
            "the MariaDB database opennebula at localhost socket /run/other.sock",
        ),
        (
            section(BACKEND="postgresql", SERVER="db1", PORT="5432"),
            "the postgresql database opennebula at db1 port 5432",
        ),
    ],
)
def test_the_database_of_a_section_in_words(text: str, words: str) -> None:
    assert str(DatabaseSection.of(text)) == words


def test_a_description_has_no_password() -> None:
    assert "canary" not in repr(DatabaseSection.of(section(PASSWD="canary")))


@pytest.mark.parametrize(
    "spelling",
    [{"SERVER": "127.0.0.1", "PORT": "3306"}, {"SERVER": "::1"}, {"SERVER": "10.2.50.10"}],
)
def test_another_spelling_of_ours_stays_and_is_no_drift(spelling: dict[str, str]) -> None:
    written = configuration.oned_conf(SHIPPED, installation(), PASSWORD)
    spelled = conf.write(written, "DB", spelling)
    assert configuration.oned_conf(spelled, installation(), PASSWORD) == spelled
    assert drift(installed(oned_conf=spelled), installation(), SECRETS) == ()
    # Only through the socket is the new account sure to have access.
    renewed = configuration.oned_conf(spelled, installation(), "another")
    assert DatabaseSection.of(renewed).server == "localhost"


@pytest.mark.parametrize("active", [True, False])
def test_a_database_that_was_moved_by_hand_is_not_moved_back(active: bool) -> None:
    seen = installed(oned_conf=section(SERVER="10.2.50.13"), active=active)
    found = [one for one in drift(seen, installation(), SECRETS) if "DB" in one]
    assert found == [
        "DB in /etc/one/oned.conf points to the MariaDB database opennebula at 10.2.50.13: up"
        " fails until this is reverted"
    ]


def keys(*paths: str) -> dict[str, KeyFile]:
    return {f"/var/lib/one/{path}": KEY for path in paths}


PACKAGE = {"opennebula": Package("7.2.0-1")}
SIGNS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "running": ({"active": True}, {}, "opennebula.service running"),
    "enabled": ({"units": ENABLED}, {}, "opennebula.service enabled"),
    "process": ({}, {"processes": ("7 oned -f",)}, "an oned outside opennebula.service"),
    "elsewhere": ({"oned_conf": section(SERVER="db1")}, {}, "DB in /etc/one/oned.conf points to"),
    "user": ({"oned_conf": section(USER="cloud")}, {}, "DB/USER cloud"),
    "keys": ({"keys": keys(".one/one_key")}, {}, "keys in /var/lib/one/.one (one_key)"),
    "auth": ({"keys": keys(".one/one_auth")}, {}, "keys in /var/lib/one/.one (one_auth)"),
    "ssh": ({"keys": keys(".ssh/id_rsa")}, {}, "keys in /var/lib/one/.ssh (id_rsa)"),
    "sqlite": ({}, {"sqlite_bytes": 9}, "SQLite (/var/lib/one/one.db) with 9 bytes"),
    "one.db": ({"oned_conf": section()}, {"sqlite_bytes": 9}, "one.db with 9 bytes"),
    "table": ({}, {"objects": ("orders",)}, "a database opennebula that is not OpenNebula's"),
    "other": ({}, {"databases": {"one7": ALL_TABLES}}, "OpenNebula's tables in the database one7"),
    "account": (
        {},
        {"accounts": {"%": ("GRANT SELECT ON `shop`.* TO `oneadmin`@`%`",)}},
        "another use of MariaDB's account 'oneadmin'@'%'",
    ),
    "role": ({}, {"accounts": {"%": ("GRANT `admins` TO `oneadmin`@`%`",)}}, "another use of"),
    "galera": ({}, {"galera": True}, "MariaDB with Galera"),
    "replica": ({}, {"sources": ("db1",)}, "MariaDB as a replica of db1"),
    "folders": ({}, {"unseen": ("shop",)}, "no MariaDB answers for the data in shop"),
    "silent": ({"silent": "no answer", "has_content": True}, {}, "no answer"),
    "master": ({"oned_conf": 'FEDERATION = [ MODE = "master" ]'}, {}, "FEDERATION/MODE MASTER"),
    "zone ID": ({"oned_conf": "FEDERATION = [ ZONE_ID = 100 ]"}, {}, "FEDERATION/ZONE_ID 100"),
}
CLAIMED = ("running", "enabled", "process", "user", "keys", "auth", "ssh")
"""The possible state of a host of ours after an interrupted bootstrap."""
INSTALLED = ("enabled", "user")
"""The possible state before that."""


def with_signs(*names: str, claimed: str = "", **changes: Any) -> Facts:
    """Make a host with all of these; the last one if some exclude each other."""
    given: dict[str, Any] = {}
    traces: dict[str, Any] = {"claimed": claimed}
    for name in names:
        facts, more, _ = SIGNS[name]
        for target, source in ((given, facts), (traces, more)):
            for key, value in source.items():
                both = isinstance(value, Mapping) and key in target
                target[key] = {**target[key], **value} if both else value
    return blank("n1a1", **{**given, "traces": Traces(**traces), **changes})


def only(seen: Facts, database: Database = MARIADB) -> str:
    (found,) = signs.signs(seen, database, new=True)
    assert found.remedy
    return found.seen


@pytest.mark.parametrize("name", SIGNS)
def test_one_sign_is_enough(name: str) -> None:
    assert SIGNS[name][2] in only(with_signs(name))


@pytest.mark.parametrize("name", CLAIMED)
def test_remains_of_our_interrupted_run_are_no_sign(name: str) -> None:
    assert signs.signs(with_signs(name, claimed=signs.STARTED), MARIADB, new=True) == []
    found = signs.signs(with_signs(name, claimed="installed"), MARIADB, new=True)
    assert bool(found) == (name not in INSTALLED)


def test_only_opennebulas_tables_are_those_of_a_bootstrap() -> None:
    half = blank(traces=Traces(claimed=signs.STARTED, objects=("logdb", "acl")))
    assert signs.signs(half, MARIADB, new=True) == []
    other = blank(traces=Traces(claimed=signs.STARTED, objects=("logdb", "orders")))
    assert "(orders)" in only(other)


@pytest.mark.parametrize("name", sorted(SIGNS.keys() - {*CLAIMED}))
def test_everything_else_is_a_sign_on_such_a_host_too(name: str) -> None:
    assert SIGNS[name][2] in only(with_signs(name, claimed=signs.STARTED))


@pytest.mark.parametrize(
    "seen",
    [
        blank(),
        blank(packages=PACKAGE, oned_conf=PACKAGED, keys=keys(".one/one_auth", ".ssh/id_rsa")),
        blank(oned_conf=section(), traces=Traces(accounts={"localhost": GRANTS})),
        blank(traces=Traces(databases={"shop": LocalDatabase(3, is_opennebula=False)})),
        blank(traces=Traces(accounts={"%": ("GRANT USAGE ON *.* TO `oneadmin`@`%`",)})),
        blank(traces=Traces(zones=("0 OpenNebula",))),
        # An up that failed before there was any database, and then another db_name.
        blank(oned_conf=section(DB_NAME="one1"), traces=Traces(claimed="installed")),
    ],
    ids=str,
)
def test_states_that_are_no_sign(seen: Facts) -> None:
    assert signs.signs(seen, MARIADB, new=True) == []


def test_unreadable_data_do_not_count_as_empty() -> None:
    section_of_then = section(DB_NAME="one1")
    seen = blank(oned_conf=section_of_then, traces=Traces(unseen=("one1",)))
    (found,) = signs.signs(seen, MARIADB, new=False)
    assert "points to the MariaDB database one1" in found.seen


@pytest.mark.parametrize(
    ("section", "way"),
    [
        ('MODE = "MASTER"', "end the federation first"),
        ('MODE = "SLAVE"', ""),
        ('MODE = "CACHE"', ""),
        ("ZONE_ID = 100", "set ZONE_ID = 0"),
    ],
)
def test_a_federation_slave_is_not_advised_to_become_zone_0(section: str, way: str) -> None:
    found = signs.refusal(settled(oned_conf=f"FEDERATION = [ {section} ]"), MARIADB, new=True)
    assert found is not None
    assert found.remedy.startswith("Remove n1a1 from opennebula-ha:frontends")
    assert way in found.remedy
    assert bool(way) == (";" in found.remedy)


def test_an_earlier_db_name_counts_if_its_database_has_data() -> None:
    there = {"one1": LocalDatabase(1, is_opennebula=False)}
    seen = blank(
        oned_conf=section(DB_NAME="one1"), traces=Traces(claimed="installed", databases=there)
    )
    assert "points to the MariaDB database one1" in only(seen)


def test_a_stack_on_sqlite_overwrites_nothing_in_mariadb() -> None:
    assert "points to the MariaDB" in only(blank(oned_conf=section()), SQLITE)
    seen = blank(traces=Traces(databases={"opennebula": ALL_TABLES}))
    assert "tables in the database opennebula" in only(seen, SQLITE)
    tables = Traces(objects=("orders",), unseen=("shop",), accounts={"%": ("GRANT x",)})
    assert signs.signs(blank(traces=tables), SQLITE, new=True) == []


def test_a_running_zone_has_no_signs_and_another_owner_is_a_change() -> None:
    traces = Traces(databases={"opennebula": ALL_TABLES}, objects=("acl",), zones=("0 cloud",))
    seen = settled(oned_conf=section(USER="cloud"), keys=keys(".one/one_key"), traces=traces)
    assert signs.signs(seen, MARIADB, new=True) == []


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("host", ["localhost", "%"])
def test_an_account_that_oned_does_not_use_is_not_ours(new: bool, host: str) -> None:
    """A stack gets another db_owner, or takes over an OpenNebula with another one."""
    there = Traces(databases={"opennebula": ALL_TABLES}, accounts={host: ("GRANT SELECT ON x",)})
    other = settled(oned_conf=section(USER="cloud"), traces=there)
    (found,) = signs.signs(other, MARIADB, new=new)
    assert f"'oneadmin'@'{host}'" in found.seen
    assert "db_owner to a name that is free" in found.remedy
    on_sqlite = settled(oned_conf=PACKAGED, traces=there)
    assert [sign.seen for sign in signs.signs(on_sqlite, MARIADB, new=new, converts=True)] == [
        found.seen
    ]
    assert signs.signs(settled(oned_conf=section(), traces=there), MARIADB, new=new) == []


def test_the_remedy_keeps_the_name_of_a_local_database_only() -> None:
    here = signs.refusal(settled(oned_conf=section(DB_NAME="one1")), MARIADB, new=True)
    there = signs.refusal(
        settled(oned_conf=section(DB_NAME="one1", SERVER="db1")), MARIADB, new=True
    )
    assert here is not None
    assert there is not None
    assert here.remedy == "Set opennebula-ha:db_name: one1: a database in use keeps its name"
    assert "db_name" not in there.remedy


def test_one_finding_per_host_has_all_signs_and_remedies() -> None:
    names = ("running", "elsewhere", "keys", "account")
    (found,) = findings(site(looks(n1a2=HostReport(bare("n1a2"), with_signs(*names)))))
    assert found.weight is Weight.REFUSAL
    for name in names:
        assert SIGNS[name][2] in found.error.seen
    for way in ("frontends", "disable --now", "/var/lib/one/.one", "db_owner"):
        assert way in found.error.remedy


def test_a_host_of_the_stack_does_not_have_to_be_blank() -> None:
    found = site(looks(n1a1=HostReport(bare(), with_signs("keys", "table"))), spec(), spec())
    assert findings(found) == []
    moved = site(looks(n1a1=HostReport(bare(), with_signs("elsewhere"))), spec(), spec())
    assert len(findings(moved)) == 1


def test_galera_is_refused_on_a_host_of_the_stack_too() -> None:
    seen = with_signs("galera", has_content=True)
    (found,) = signs.signs(seen, MARIADB, new=False)
    assert "wsrep_on = OFF" in found.remedy
    assert signs.signs(with_signs("replica", has_content=True), MARIADB, new=False) == []
    assert signs.signs(with_signs("galera", "replica"), SQLITE, new=True) == []


def overwrites(seen: Facts, database: Database) -> bool:
    """Return whether a set-up, by the effects of its scripts, would lose data of others."""
    if seen.has_content and not seen.silent:
        # It is adopted: only the settings of its database are written.
        return DatabaseSection.of(seen.oned_conf).place(
            mariadb=True, name=database.name, names=(seen.host.name, seen.host.address)
        ) is DataPlace.ANOTHER or (seen.database.is_sqlite and seen.traces.sqlite_bytes > 0)
    ours = seen.traces.claimed
    return any(
        (
            not ours and seen.active,
            not ours and any("one_key" in path for path in seen.keys),
            not ours and bool(seen.traces.objects),
            seen.traces.sqlite_bytes > 0,
            bool(seen.silent or seen.traces.unseen),
            seen.oned_conf and not seen.database.is_sqlite and seen.database.name != database.name,
            seen.database.server == "db1",
            any("SELECT" in line for one in seen.traces.accounts.values() for line in one),
        )
    )


@given(
    st.lists(st.sets(st.sampled_from(sorted(SIGNS)), max_size=6), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_either_up_refuses_or_there_is_nothing_to_overwrite(
    mixed: list[set[str]], claimed: list[bool], content: list[bool]
) -> None:
    hosts = {}
    for name, kinds, ours, holds in zip(NAMES, mixed, claimed, content, strict=True):
        seen = with_signs(*sorted(kinds), claimed=signs.STARTED if ours and not holds else "")
        host = Host(name=name, address=f"10.2.50.{9 + int(name[-1])}")
        hosts[name] = replace(seen, host=host, has_content=holds or seen.has_content)
    refused = {
        one.error.host
        for one in findings(
            site({name: HostReport(bare(name), one) for name, one in hosts.items()})
        )
        if one.error.step == signs.STEP
    }
    for name, seen in hosts.items():
        assert name in refused or not overwrites(seen, MARIADB), seen


def read_traces(reports: Mapping[str, str]) -> Traces:
    return Traces(**parsed(Traces, reports))


def test_traces_are_read_as_observe_prints_them() -> None:
    found = read_traces(
        {
            "claimed": "started",
            "oned_processes": "7 /usr/bin/oned -f",
            "sqlite": "4096 7.2.0",
            "databases": "3 0 shop\n71 3 one one",
            "objects": "orders\nsum_up",
            "accounts": "@localhost\nGRANT USAGE\nGRANT ALL\n@%\nGRANT X",
            "unseen": "",
            "links": "1 /mnt/one",
            "replication": "galera\nsource db1",
            "zones": "0 OpenNebula\n100 east",
        }
    )
    assert found == Traces(
        claimed="started",
        processes=("7 /usr/bin/oned -f",),
        sqlite_bytes=4096,
        sqlite_schema="7.2.0",
        databases={
            "shop": LocalDatabase(3, is_opennebula=False),
            "one one": LocalDatabase(71, is_opennebula=True),
        },
        objects=("orders", "sum_up"),
        accounts={"localhost": ("GRANT USAGE", "GRANT ALL"), "%": ("GRANT X",)},
        galera=True,
        sources=("db1",),
        zones=("0 OpenNebula", "100 east"),
    )
    assert read_traces({}) == Traces()


@pytest.mark.parametrize(
    ("seen", "mine"),
    [
        (settled(oned_conf=section(), traces=Traces(databases={"opennebula": ALL_TABLES})), True),
        (blank(oned_conf=section()), True),
        (blank(oned_conf=section(), traces=Traces(objects=("a_routine",))), False),
        (
            blank(
                oned_conf=section(),
                traces=Traces(databases={"opennebula": LocalDatabase(1, is_opennebula=False)}),
            ),
            False,
        ),
        (
            settled(
                oned_conf=section(SERVER="db1"), traces=Traces(databases={"opennebula": ALL_TABLES})
            ),
            False,
        ),
        (settled(oned_conf=PACKAGED, traces=Traces(databases={"opennebula": ALL_TABLES})), False),
    ],
)
def test_a_purge_drops_only_what_is_provably_ours(seen: Facts, mine: bool) -> None:
    assert signs.is_own_database(seen, MARIADB) is mine


def test_kept_settings_are_not_a_dump_to_restore(tmp_path: Path) -> None:
    kept = tmp_path / "20260101T000000Z-before-copy.settings.tar.zst"
    kept.touch()
    with pytest.raises(HostError, match=r"TIME-REASON\.sql\.zst"):
        KeptDump.at(str(kept))
