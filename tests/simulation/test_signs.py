"""Random signs of other OpenNebulas, and of other data, on random hosts.

Whatever exists: ``up`` either refuses and changes no file and no database, or ends in a zone that
has all data that existed.
"""

import random
from collections.abc import Callable

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.runs import examples
from tests.simulation.database import Content, Database, Foreign
from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.host import CONF, DATABASE_SERVICE, KEYS, ONEADMIN, SimHost
from tests.simulation.product import conf
from tests.simulation.site import Site

NAMES = ("n1", "n2", "n3")
OWN = {"BACKEND": "mysql", "SERVER": "localhost", "PORT": 0, "USER": "oneadmin", "PASSWD": "x"}


def with_mariadb(host: SimHost) -> None:
    host.install("mariadb-server", "1", 0.0)


def with_opennebula(host: SimHost) -> None:
    with_mariadb(host)
    host.install("opennebula", "7.2.0-1", 0.0)
    host.pin = "7.2.0-1"


def database(host: SimHost, name: str, word: str = "one") -> Database:
    content = Content(password=word)
    return Database(f"{name} of {host.name}", "7.2.0", content, (f"users of {host.name}",))


def points_to(host: SimHost, **section: object) -> None:
    values = {**OWN, "DB_NAME": "opennebula", **section}
    host.files[CONF].text = conf.write(host.conf, "DB", values)  # type: ignore[arg-type]


def with_keys(host: SimHost) -> None:
    for name in ("one_key", "one_auth"):
        host.put(f"{KEYS}/{name}", f"{name} of {host.name}", 0.0, mode=0o600, owner=ONEADMIN)
    host.put(f"{KEYS}/one_auth", "oneadmin:one", 0.0)


def running(site: Site, host: SimHost) -> None:
    host.enable("opennebula")
    site.start(host)


def application(site: Site, host: SimHost) -> None:
    with_mariadb(host)
    host.databases["opennebula"] = Foreign(frozenset({"orders"}), "of a shop")


def half(site: Site, host: SimHost) -> None:
    with_mariadb(host)
    tables = frozenset({"zone_pool", "db_versioning", "vm_pool"})
    host.databases["opennebula"] = Foreign(tables, "half of an import")


def unrelated(site: Site, host: SimHost) -> None:
    """A database that prevents nothing."""
    with_mariadb(host)
    host.databases["shop"] = Foreign(frozenset({"orders"}), "of a shop")


def another_name(site: Site, host: SimHost) -> None:
    with_mariadb(host)
    host.databases["one1"] = database(host, "one1")


def external(site: Site, host: SimHost) -> None:
    with_opennebula(host)
    with_keys(host)
    points_to(host, SERVER="db.example.org")
    host.elsewhere = database(host, "external")


def external_runs(site: Site, host: SimHost) -> None:
    external(site, host)
    running(site, host)


def galera(site: Site, host: SimHost) -> None:
    """Each server writes what another one writes."""
    with_mariadb(host)
    host.replication = ("galera",)


def replica(site: Site, host: SimHost) -> None:
    with_mariadb(host)
    host.replication = ("source db1",)


def keys(site: Site, host: SimHost) -> None:
    with_keys(host)


def account(site: Site, host: SimHost) -> None:
    with_mariadb(host)
    host.accounts["%"] = ("GRANT ALL PRIVILEGES ON `shop`.* TO `oneadmin`@`%`",)


def enabled(site: Site, host: SimHost) -> None:
    with_opennebula(host)
    host.enable("opennebula")


def process(site: Site, host: SimHost) -> None:
    host.strange_process = "4711 /usr/local/bin/oned -f"


def sqlite(site: Site, host: SimHost) -> None:
    with_opennebula(host)
    with_keys(host)
    host.sqlite = database(host, "sqlite")


def sqlite_runs(site: Site, host: SimHost) -> None:
    sqlite(site, host)
    running(site, host)


def silent(site: Site, host: SimHost) -> None:
    with_mariadb(host)
    host.databases["opennebula"] = database(host, "silent")
    host.units[DATABASE_SERVICE].active = False


def disabled(site: Site, host: SimHost) -> None:
    silent(site, host)
    host.units[DATABASE_SERVICE].enabled = "disabled"


def own(site: Site, host: SimHost) -> None:
    """An OpenNebula as the stack would set it up, stopped."""
    with_opennebula(host)
    with_keys(host)
    points_to(host)
    host.databases["opennebula"] = database(host, "own")


def own_runs(site: Site, host: SimHost) -> None:
    own(site, host)
    running(site, host)


def own_with_another_password(site: Site, host: SimHost) -> None:
    own(site, host)
    host.databases["opennebula"] = database(host, "own", "another")
    host.files[f"{KEYS}/one_auth"].text = "oneadmin:another"
    running(site, host)


def federation(site: Site, host: SimHost) -> None:
    own(site, host)
    values = {"MODE": "MASTER"}
    host.files[CONF].text = conf.write(host.conf, "FEDERATION", values)
    running(site, host)


def server(site: Site, host: SimHost) -> None:
    """Remains of a server of another zone: its data and its SERVER_ID."""
    own(site, host)
    values = {"SERVER_ID": 2}
    host.files[CONF].text = conf.write(host.conf, "FEDERATION", values)


def packages(site: Site, host: SimHost) -> None:
    with_opennebula(host)


def claimed(site: Site, host: SimHost) -> None:
    """Half set up by a run of ours."""
    with_opennebula(host)
    host.claimed = "new"


SIGNS: dict[str, Callable[[Site, SimHost], None]] = {
    one.__name__: one
    for one in (
        *(account, another_name, application, unrelated, claimed, galera, disabled, enabled),
        *(external, replica),
        *(external_runs, federation, half, keys, own, own_runs, own_with_another_password),
        *(packages, process, server, silent, sqlite, sqlite_runs),
    )
}
HELD = {*SIGNS} - {
    *("account", "another_name", "galera", "keys", "packages", "process", "replica", "unrelated")
}
"""A host has at most one of these: each has an oned.conf, or a database of that name."""
signs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(SIGNS))), max_size=4)
configs = st.sampled_from([Config.of(*NAMES), Config.of("n1"), Config.of("n1", force_ha=True)])


def signed(found: list[tuple[str, str]]) -> Site:
    site = Site({name: SimHost(name, f"10.0.0.{n}") for n, name in enumerate(NAMES, 1)})
    taken = set()
    for name, sign in found:
        if sign in HELD and name in taken:
            continue
        taken |= {name} if sign in HELD else set()
        SIGNS[sign](site, site.hosts[name])
    site.remember()
    return site


@settings(max_examples=examples(250))
@given(signs, configs, st.integers(0, 99))
def test_up_changes_nothing_or_ends_with_all_data(
    found: list[tuple[str, str]], config: Config, order: int
) -> None:
    site = signed([(host, sign) for host, sign in found if host in config.front_ends])
    before = {name: host.fingerprint() for name, host in site.hosts.items()}
    data = {
        text
        for name in config.front_ends
        for one in site.hosts[name].all_databases()
        for text in one.records
    }
    try:
        Operator(site, order=random.Random(order)).up(config)
    except Failed as error:
        event("refused")
        for name, host in site.hosts.items():
            assert host.fingerprint() == before[name], f"{name} changed, and then: {error}"
        return
    event("done, with data" if data else "done, without data")
    site.assert_whole(config.front_ends, highly_available=config.highly_available)
    lost = data - set(site.database(config.front_ends[0]).records)
    assert not lost, f"not in the zone: {sorted(lost)}"
