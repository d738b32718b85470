"""Changes of a stack, each with the sites on which it starts."""

import contextlib
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tests.simulation.builders import blank
from tests.simulation.database import Pool
from tests.simulation.driver import Config, Failed, Operator
from tests.simulation.faults import Fault, How, every
from tests.simulation.host import BEFORE, CONF, KEYS, NEXT, SSH, Dump, SimHost
from tests.simulation.product import ServerEntry, conf, endpoint
from tests.simulation.site import DOMAIN, Site

NAMES = ("n1", "n2", "n3", "n4", "n5")
THREE, FIVE = Config.of(*NAMES[:3]), Config.of(*NAMES)
TWO, FOUR = Config.of(*NAMES[:2], allow_even=True), Config.of(*NAMES[:4], allow_even=True)
ALONE, ONE = Config.of("n1"), Config.of("n1", force_ha=True)


@dataclass(frozen=True)
class Scenario:
    """A change from the present site to the config, with a refresh before it if the operator needs
    one.
    """

    before: Callable[[], Operator]
    config: Config
    needs_refresh: bool = False
    stops: bool = False
    """The zone stops during the change: its database gets another version."""


def settled(*configs: Config) -> Operator:
    """Make a stack that has had these configs, one after the other; users write after each."""
    operator = Operator(blank(*NAMES))
    for config in configs:
        operator.site.stops = "upgrade_database" in dict(config.more)
        operator.up(config)
        operator.site.use()
    operator.site.stops = False
    return operator


def new() -> Operator:
    return Operator(blank(*NAMES))


def one_with_content(*, running: bool) -> Operator:
    """Make an OpenNebula outside any stack, on the second host."""
    operator = Operator(blank(*NAMES))
    operator.up(Config.of("n2"))
    operator.site.use()
    if not running:
        operator.site.stop_oned("n2")
    operator.site.remember()
    return Operator(operator.site)


def adopted() -> Operator:
    """Make a zone whose state is lost."""
    return Operator(settled(THREE).site)


def registered(operator: Operator) -> Operator:
    """Another program registered the servers: by address, by domain name, in capitals."""
    changed: dict[str, Pool] = {}
    for host in operator.site.hosts.values():
        there = host.database
        if there is None:
            continue
        if there.identity not in changed:
            changed[there.identity] = tuple(
                _otherwise(entry, operator.site.hosts[entry.name].address) for entry in there.pool
            )
        there.content = replace(there.content, pool=changed[there.identity])
        operator.site.newest[there.identity] = changed[there.identity]
    return operator


def _otherwise(entry: ServerEntry, address: str) -> ServerEntry:
    ways = (
        (address, address),
        (f"{entry.name}{DOMAIN}", f"{entry.name}{DOMAIN}"),
        (f"Front_End_{entry.id}", entry.name.upper()),
    )
    registered, host = ways[entry.id % len(ways)]
    return replace(entry, endpoint=endpoint(host), registered=registered)


def one_is_blank() -> Operator:
    operator = settled(THREE)
    operator.site.blank("n2")
    return operator


def one_is_stopped() -> Operator:
    operator = settled(THREE)
    operator.site.stop_oned("n2")
    operator.site.use()
    operator.site.purge_log()
    return operator


def drop_data(site: Site, name: str) -> None:
    """Drop the database of a front-end, and move its keys away."""
    site.stop_oned(name)
    host = site.hosts[name]
    host.databases.clear()
    for path in sorted(host.keys()):
        del host.files[path]


def misnumber(site: Site, name: str) -> None:
    """Give a front-end another SERVER_ID by hand, and restart its oned."""
    host = site.hosts[name]
    site.misnumbered.add(name)
    host.put_conf(conf.write(host.conf, "FEDERATION", {"SERVER_ID": 9}), site.clock.now)
    site.stop(host)
    site.start(host)
    site.happened()


def change_data(site: Site, name: str) -> None:
    """Change a table of a front-end by hand."""
    database = site.database(name)
    database.content = replace(database.content, tokens=frozenset({"by hand"}))


def one_without_data() -> Operator:
    operator = settled(THREE)
    drop_data(operator.site, "n2")
    return operator


def one_is_gone() -> Operator:
    operator = settled(THREE)
    operator.site.blank("n3")
    operator.site.hosts["n3"].up = False
    return operator


def with_dump() -> Operator:
    """Lose all front-ends; a dump of theirs is on the operator's machine."""
    site = settled(THREE).site
    operator = Operator(blank(*NAMES))
    kept = site.hosts["n1"]
    database = site.database("n1").copy()
    operator.vault["kept.sql.zst"] = Dump(database, kept.keys())
    operator.site.first[database.identity] = set()
    operator.site.acknowledged[database.identity] = set(database.records)
    return operator


def dump_path() -> str:
    """Return a dump's files, as far as this machine reads them."""
    folder = Path(__file__).parents[2] / ".pytest_cache" / "simulation"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("kept.sql.zst", "kept.keys.tar.zst"):
        (folder / name).touch()
    return str(folder / "kept.sql.zst")


UPGRADED = THREE.but(one_version="7.4", upgrade_database="7.4")
BACK = THREE.but(one_version="7.2", upgrade_database="7.2")


SCENARIOS: dict[str, Scenario] = {
    "bootstrap": Scenario(new, THREE),
    "bootstrap five": Scenario(new, FIVE),
    "bootstrap one": Scenario(new, ALONE),
    "bootstrap one of high availability": Scenario(new, ONE),
    "adopt": Scenario(adopted, THREE),
    "adopt what others registered": Scenario(lambda: registered(adopted()), THREE),
    "shrink what others registered": Scenario(lambda: registered(settled(FIVE)), THREE),
    "replace one that others registered": Scenario(
        lambda: registered(one_is_gone()), Config.of("n1", "n2", "n4", lost=("n3",))
    ),
    "adopt an even number": Scenario(lambda: Operator(settled(FOUR).site), FOUR),
    "grow from two": Scenario(lambda: settled(TWO), THREE),
    "from four to three": Scenario(lambda: settled(FOUR), THREE),
    "convert one that no stack had": Scenario(lambda: one_with_content(running=True), THREE),
    "convert one that is stopped": Scenario(lambda: one_with_content(running=False), THREE),
    "grow": Scenario(lambda: settled(THREE), FIVE),
    "grow from one": Scenario(lambda: settled(ONE), THREE),
    "shrink": Scenario(lambda: settled(FIVE), THREE),
    "one for another": Scenario(lambda: settled(THREE), Config.of("n2", "n3", "n4")),
    "shrink to one": Scenario(lambda: settled(THREE), ONE),
    "convert to three": Scenario(lambda: settled(ALONE), THREE),
    "convert to one of high availability": Scenario(lambda: settled(ALONE), ONE),
    "convert back": Scenario(lambda: settled(ONE), ALONE),
    "rejoin a blank host": Scenario(one_is_blank, THREE, needs_refresh=True),
    "rejoin one that fell out": Scenario(one_is_stopped, THREE, needs_refresh=True),
    "rejoin one whose database was dropped": Scenario(one_without_data, THREE, needs_refresh=True),
    "replace a lost one": Scenario(one_is_gone, Config.of("n1", "n2", "n4", lost=("n3",))),
    "change oned": Scenario(lambda: settled(THREE), THREE.but(oned={"LOG_CALL_FORMAT": "x"})),
    "change the password": Scenario(lambda: settled(THREE), THREE.but(one_pass="another")),
    "change the password of one": Scenario(lambda: settled(ALONE), ALONE.but(one_pass="another")),
    "change the VIP": Scenario(lambda: settled(THREE), THREE.but(one_vip="10.0.0.101")),
    "upgrade": Scenario(lambda: settled(THREE), THREE.but(one_version="7.2.1")),
    "upgrade the database": Scenario(lambda: settled(THREE), UPGRADED, stops=True),
    "go back": Scenario(lambda: settled(THREE, UPGRADED), BACK, stops=True),
    "restore": Scenario(with_dump, THREE.but(restore_from=dump_path())),
    "restore with another password": Scenario(
        with_dump, THREE.but(restore_from=dump_path(), one_pass="another")
    ),
}


def nothing(_operator: Operator, _config: Config) -> None:
    """Do nothing between the two runs."""


def refresh(operator: Operator, config: Config) -> None:
    """The operator runs a refresh."""
    if operator.state:
        with contextlib.suppress(Failed):
            operator.refresh(config)


def power_cut(operator: Operator, _config: Config) -> None:
    """All hosts lose power, and boot again."""
    up = [name for name, host in operator.site.hosts.items() if host.up]
    operator.site.power_cut()
    operator.site.boot(*up)


def use(operator: Operator, _config: Config) -> None:
    """Users write."""
    operator.site.use()


THEN = {"nothing": nothing, "a refresh": refresh, "a power cut": power_cut, "a write": use}


@cache
def beginning(name: str) -> Operator:
    """Return the start of that scenario; copy it before a change."""
    scenario = SCENARIOS[name]
    operator = scenario.before()
    if scenario.needs_refresh:
        operator.refresh(scenario.config)
    return operator


@cache
def undisturbed(name: str) -> tuple[list[tuple[str, int, bool]], object]:
    """Return the executions of that scenario, and its end."""
    operator = begin(name, 0)
    operator.up(SCENARIOS[name].config)
    seen = operator.faults.seen
    check(operator, SCENARIOS[name].config)
    return seen, end(operator.site, SCENARIOS[name].config)


def faults(name: str) -> list[Fault]:
    """Return each fault that it can have."""
    return every(undisturbed(name)[0])


def fault_at(name: str, what: str, how: How, step: int = 0) -> Fault:
    """Return the fault in the first execution of that name."""
    executions = [said for said, _, _ in undisturbed(name)[0]]
    return Fault(executions.index(what), how, step)


def begin(name: str, seed: int) -> Operator:
    operator = deepcopy(beginning(name))
    operator.order = random.Random(seed)
    operator.site.stops = SCENARIOS[name].stops
    return operator


def interrupt(
    name: str, fault: Fault, then: Callable[[Operator, Config], object] = nothing
) -> None:
    """Run it with that fault, and again without: the end is that of an undisturbed run."""
    scenario = SCENARIOS[name]
    operator = begin(name, 0)
    try:
        with contextlib.suppress(Failed):
            operator.up(scenario.config, fault)
        then(operator, scenario.config)
        operator.up(scenario.config)
        check(operator, scenario.config)
        assert end(operator.site, scenario.config) == undisturbed(name)[1]
    except (AssertionError, Failed) as error:
        cut = undisturbed(name)[0][fault.execution]
        raise AssertionError(f"{name}: {fault} at {cut}: {error}") from error


def check(operator: Operator, config: Config) -> None:
    """Check that the zone is healthy, and that neither a refresh nor another run finds a change."""
    site = operator.site
    site.assert_whole(config.front_ends, highly_available=config.highly_available)
    site.assert_names(config.front_ends)
    word = dict(config.more).get("one_pass", "one")
    passwords = {site.database(name).content.passwords for name in config.front_ends}
    assert passwords == {frozenset({word})}
    assert operator.preview(config) == []
    assert operator.refresh(config) == []
    assert operator.preview(config) == []
    operator.up(config)
    assert operator.faults.seen == []


def end(site: Site, config: Config) -> object:
    """Return what is equal however often a run was interrupted."""
    return [_end_of(site.hosts[name]) for name in config.front_ends] + [
        sorted((one.name, one.endpoint) for one in site.database(config.front_ends[0]).pool),
        site.database(config.front_ends[0]).content.endpoint,
    ]


def _end_of(host: SimHost) -> object:
    files = {
        path: (file.text, file.mode, file.owner)
        for path, file in host.files.items()
        if not path.startswith((KEYS, SSH)) and path != CONF
    }
    assert not files.keys() & {NEXT, BEFORE}
    return (
        host.name,
        files,
        conf.write(host.conf, "FEDERATION", {"SERVER_ID": 0}),
        sorted(path for path in host.files if path.startswith(KEYS)),
        host.packages,
        host.names,
        {name: unit.enabled for name, unit in host.units.items()},
        host.accounts,
        (host.staged, host.swapping, host.upgrading, host.migrating),
    )
