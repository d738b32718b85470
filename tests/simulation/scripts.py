"""The effects of each of our scripts on a simulated host, in the order of the script.

A function below has the name of its script. It yields between two effects: it may be interrupted
there. The lab tests show whether this agrees with the real script.
"""

import base64
import inspect
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from tests.simulation import look
from tests.simulation.database import Content, Database, Foreign
from tests.simulation.host import (
    BEFORE,
    CONF,
    DATABASE_SERVICE,
    KEYS,
    NEXT,
    ONE_AUTH,
    ONEADMIN,
    PUBLISHED,
    SCHEMAS,
    SSH,
    Dump,
    SimHost,
)
from tests.simulation.product import FEATURES, HOOK_MANAGER, PUBLIC_KEY, STANDALONE_ID
from tests.simulation.site import Broken, Site, require

Values = Mapping[str, str]
Effects = Generator[None, None, Values | None]
SCRATCH = "opennebula_ha_incoming"
_GUI = FEATURES["gui"]


class Refused(Exception):
    """Like ``refuse`` of a script: expected, seen, remedy."""

    def __init__(self, expected: str, seen: str, remedy: str = "run again") -> None:
        self.expected, self.seen, self.remedy = expected, seen, remedy
        super().__init__(expected)


@dataclass(frozen=True)
class Simulated:
    """A script: the names of its variables, those of its secrets, and its effects."""

    name: str
    variables: frozenset[str]
    secrets: frozenset[str]
    effects: Callable[[Site, SimHost, Values], Effects | Values | None]

    def run(
        self, site: Site, host: SimHost, variables: Values, secrets: Values
    ) -> Generator[None, None, Values]:
        """Return all effects. Raises Broken if a required variable is missing."""
        for given, declared in ((variables, self.variables), (secrets, self.secrets)):
            names = {re.sub(r"^text_\d+$", "text_N", name) for name in given}
            odd = (declared ^ names) - {"text_N"}
            require(not odd, f"{self.name}.sh: variables missing or unknown: {sorted(odd)}")
        done = self.effects(site, host, {**variables, **secrets})
        if inspect.isgenerator(done):
            done = yield from done
        return done or {}  # type: ignore[return-value]


SCRIPTS: dict[str, Simulated] = {}


def script(
    variables: str = "", secrets: str = "", name: str = ""
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Declare a simulated script with all its variables."""

    def declare(function: Callable[..., object]) -> Callable[..., object]:
        named = name or function.__name__
        SCRIPTS[named] = Simulated(
            named,
            frozenset(variables.split()),
            frozenset(secrets.split()),
            function,  # type: ignore[arg-type]
        )
        return function

    return declare


# Common functions: the shared shell


def stop_oned(site: Site, host: SimHost) -> Effects:
    yield from disable_oned(site, host)
    yield
    site.stop(host)
    return None


def disable_oned(site: Site, host: SimHost) -> Effects:
    unit = host.unit("opennebula")
    if unit.enabled == "enabled":
        unit.enabled = "disabled"
        yield
        site.stop(host, waits=False)
    return None


def enable_oned(host: SimHost) -> None:
    # oned's unit wants the hook manager's. On a follower the hook stops it again.
    host.enable(HOOK_MANAGER)
    host.enable("opennebula")


def await_database(host: SimHost) -> None:
    if not host.mariadb_runs:
        raise Refused("MariaDB to accept root on its socket", "Can't connect to local server")


def require_replaceable(host: SimHost, name: str, *, may_replace: bool) -> None:
    there = host.databases.get(name)
    if there is None or may_replace:
        return
    is_empty = isinstance(there, Foreign) and "user_pool" not in there.tables
    if host.claimed == "started" and is_empty:
        return
    raise Refused(f"no database {name}, or an empty one", "tables in it")


def keep_settings(site: Site, host: SimHost, reason: str) -> None:
    has_keys = any(path.startswith(f"{KEYS}/") and path != ONE_AUTH for path in host.files)
    if has_keys or host.claimed != "new":
        path = f"/var/backups/opennebula/{site.clock.now:.0f}-before-{reason}.settings.tar.zst"
        host.dumps[path] = None


def keep_dump(site: Site, host: SimHost, name: str, reason: str, keep: str) -> str:
    if name not in host.databases:
        raise Refused("a database to dump", f"Unknown database '{name}'")
    database = host.databases[name]
    path = f"/var/backups/opennebula/{site.clock.now:.0f}-{reason}.sql.zst"
    # A database without a table is dumped, too.
    host.dumps[path] = None
    if isinstance(database, Database):
        host.dumps[path] = Dump(database.copy(), host.keys())
    kept = sorted(
        (one for one in host.dumps if one.endswith(".sql.zst") and not _is_of_version(one)),
        reverse=True,
    )
    for one in kept[int(keep) :]:
        del host.dumps[one]
    return path


def _is_of_version(path: str) -> bool:
    return "-of-" in path and "-before-" in path.partition("-of-")[2]


def drop_incoming(host: SimHost) -> None:
    if host.incoming is not None or host.sent is not None:
        host.incoming, host.sent = None, None
        host.scratch, host.has_scratch = None, False


def drop_former_conf(host: SimHost) -> None:
    if BEFORE in host.files and host.running:
        started = host.unit("opennebula").since
        if int(started) >= int(host.files[CONF].changed):
            del host.files[BEFORE]


def run_oned(site: Site, host: SimHost, *, restart: bool = False) -> None:
    if host.upgrading:
        raise Refused("no upgrade of the database in progress", host.upgrading)
    if why := try_oned(site, host, restart=restart):
        raise Refused("oned to start", why)


def try_oned(site: Site, host: SimHost, *, restart: bool = False) -> str:
    if restart:
        site.led.append(host.name)
    host.enable(HOOK_MANAGER)
    if host.running and not restart:
        host.claimed = ""
        return ""
    why = site.can_start(host)
    has_keys = any(path.startswith(f"{KEYS}/") and path != ONE_AUTH for path in host.files)
    if not why and host.database_of(host.conf) is None and has_keys:
        why = "the database is empty, but there are credentials of an earlier one"
    if why:
        site.stop(host)
        return why
    site.stop(host)
    _start_unit(site, host, HOOK_MANAGER)
    site.start(host)
    host.claimed = ""
    return ""


def restart_gui(site: Site, host: SimHost) -> None:
    if host.unit(_GUI).enabled == "enabled":
        host.units[_GUI].active, host.units[_GUI].since = True, site.clock.now


def make_gui_key(site: Site, host: SimHost) -> None:
    key, zone = f"{KEYS}/fireedge_key", f"{KEYS}/one_key"
    if key not in host.files and zone in host.files and host.unit(_GUI).enabled == "enabled":
        host.put(key, f"of {host.files[zone].text}", site.clock.now, mode=0o644, owner=ONEADMIN)


def swap_packages(site: Site, host: SimHost, version: str) -> Effects:
    host.swapping = True
    for name in sorted(host.packages):
        if name.startswith("opennebula"):
            yield
            host.packages[name] = version
    host.pin = version
    yield
    host.swapping = False
    return None


def put_in_place(host: SimHost, name: str, *, may_replace: bool) -> Effects:
    if host.scratch is None:
        raise Refused(f"tables of the dump in {SCRATCH}", "none")
    require_replaceable(host, name, may_replace=may_replace)
    host.claimed = "started"
    yield
    there = host.databases.get(name)
    if isinstance(there, Database):
        same = there.identity == host.scratch.identity
        require(same, f"{host.name}: another zone's data are replaced")
    host.databases[name] = None
    yield
    host.databases[name] = host.scratch
    host.scratch = None
    yield
    host.claimed = ""
    yield
    host.has_scratch = False
    return None


# The scripts


@script("public_key seconds")
def allow_transfer(site: Site, host: SimHost, v: Values) -> Effects:
    yield from stop_oned(site, host)
    yield
    await_database(host)
    drop_incoming(host)
    host.scratch, host.has_scratch = None, True
    host.incoming = {}
    yield
    host.trust = True
    return None


@script("addresses")
def address_managers(site: Site, host: SimHost, v: Values) -> Values:
    return {"managers": ""}


@script("places program")
def announce(site: Site, host: SimHost, v: Values) -> None:
    """Neighbours are not simulated."""


@script()
def await_stopped(site: Site, host: SimHost, v: Values) -> Values:
    waited = host.stopping
    if waited:
        site.stop(host)
    return {"waited": "yes" if waited else "no"}


@script("target")
def begin_upgrade(site: Site, host: SimHost, v: Values) -> None:
    host.upgrading = v["target"]


@script("db_name mariadb", "oned_conf")
def bootstrap(site: Site, host: SimHost, v: Values) -> Effects:
    if v["mariadb"] == "yes":
        await_database(host)
        require_replaceable(host, v["db_name"], may_replace=False)
    keep_settings(site, host, "bootstrap")
    yield
    host.claimed = "started"
    yield
    if v["mariadb"] == "yes":
        host.databases[v["db_name"]] = None
    yield
    if v["oned_conf"]:
        host.put_conf(v["oned_conf"] + "\n", site.clock.now)
    yield
    for path in list(host.files):
        if path.startswith(f"{KEYS}/") and path != ONE_AUTH:
            del host.files[path]
    yield
    enable_oned(host)
    yield
    run_oned(site, host, restart=True)
    return None


@script(
    "hosts_entries mariadb db_owner features stopped hooks own_units strays open_keys hostname"
    " timezone blank keeps keeps_hostname files restarts text_N",
    "oned_conf next_conf account identify db_password one_auth text_N",
)
def configure(site: Site, host: SimHost, v: Values) -> Effects:  # noqa: PLR0912, PLR0915
    now = site.clock.now
    if v["blank"] and not host.claimed:
        host.claimed = v["blank"]
    yield
    if v["keeps"] == "yes":
        keep_settings(site, host, "configuration")
    require(not v["hostname"] and not v["timezone"], "hostname and timezone are not simulated")
    if v["hosts_entries"]:
        pairs = (line.split() for line in v["hosts_entries"].splitlines())
        host.names = {name: address for address, name in pairs}
        yield
    if v["mariadb"] == "yes":
        host.enable(DATABASE_SERVICE)
        host.units[DATABASE_SERVICE].active = True
        name = v["account"].split("`")[1]
        host.databases.setdefault(name, None)
        yield
        kept = () if "REVOKE" in v["account"] else host.accounts.get("localhost", ())
        own = (
            f"GRANT USAGE ON *.* TO `{v['db_owner']}`@`localhost`",
            f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{v['db_owner']}`@`localhost`",
        )
        host.accounts["localhost"] = tuple(dict.fromkeys((*kept, *own)))
        yield
    if v["oned_conf"]:
        host.put_conf(v["oned_conf"] + "\n", now)
        yield
    if v["next_conf"]:
        host.put(NEXT, v["next_conf"] + "\n", now)
    else:
        host.files.pop(NEXT, None)
        drop_former_conf(host)
    for line in v["files"].splitlines():
        yield
        number, owner, mode, path = line.split(" ", 3)
        text = v[f"text_{number}"]
        if not text:
            host.files.pop(path, None)
            continue
        host.put(path, text + "\n", now)
        host.files[path].owner = host.files[path].owner if owner == "-" else owner
        host.files[path].mode = host.files[path].mode if mode == "-" else int(mode, 8)
    yield
    if v["one_auth"]:
        host.put(ONE_AUTH, v["one_auth"] + "\n", now, mode=0o600, owner=ONEADMIN)
        yield
    for path in v["open_keys"].splitlines():
        host.files[path].mode, host.files[path].owner = 0o600, ONEADMIN
    for name in v["features"].split():
        host.enable(name)
    yield
    make_gui_key(site, host)
    if host.running:
        host.enable("opennebula")
    for name in v["strays"].split():
        host.units[name].active = False
    for name in v["stopped"].split():
        yield
        _start_unit(site, host, name)
    return None


def _start_unit(site: Site, host: SimHost, name: str) -> None:
    name = name.removesuffix(".service")
    if name == "opennebula":
        run_oned(site, host)
    elif name in host.units and not host.units[name].active:
        host.units[name].active, host.units[name].since = True, site.clock.now


@script("addresses")
def drop_addresses(site: Site, host: SimHost, v: Values) -> None:
    for address in v["addresses"].split():
        host.vips.pop(address, None)


@script("db_name reason keep stop")
def dump(site: Site, host: SimHost, v: Values) -> Effects:
    if v["stop"] == "yes":
        yield from stop_oned(site, host)
        yield
    return {"dump": keep_dump(site, host, v["db_name"], v["reason"], v["keep"])}


@script("takes_staged")
def end_upgrade(site: Site, host: SimHost, v: Values) -> Effects:
    host.trust = False
    drop_incoming(host)
    yield
    host.enable("opennebula")
    yield
    if v["takes_staged"] == "yes":
        host.staged = None
        yield
    if why := try_oned(site, host):
        raise Refused("oned to start", why)
    yield
    host.upgrading = ""
    restart_gui(site, host)
    return None


@script("db_name zone", "oned_conf")
def assign_server_id(site: Site, host: SimHost, v: Values) -> Effects:
    if host.running:
        raise Refused("oned stopped", "oned running")
    site.stop(host)
    host.put_conf(v["oned_conf"] + "\n", site.clock.now)
    if v["zone"]:
        yield
        database = host.databases.get(v["db_name"])
        if not isinstance(database, Database):
            raise Refused("a database", "none")
        database.set(look.with_body(database.content, v["zone"]), site.clock.now)
    return None


@script("action")
def gui(site: Site, host: SimHost, v: Values) -> None:
    host.units[_GUI].active, host.units[_GUI].since = v["action"] == "start", site.clock.now


@script("added removed")
def hosts_names(site: Site, host: SimHost, v: Values) -> None:
    host.names.pop(v["removed"], None)
    host.names |= {name: address for address, name in map(str.split, v["added"].splitlines())}


@script()
def hide_tokens(site: Site, host: SimHost, v: Values) -> None:
    """In logs, which are not simulated."""


@script("url key_url key version packages needs refresh proxy", "token")
def check_repository(site: Site, host: SimHost, v: Values) -> None:
    if v["version"] not in PUBLISHED:
        raise Refused(f"a signed package repository at {v['url']}", "404 Not Found")


@script(
    "url key_url key needs packages files stage refresh proxy blank",
    "token",
)
def install(site: Site, host: SimHost, v: Values) -> Effects:
    version = PUBLISHED[v["url"].split("/")[-3]]
    if v["blank"] and not host.claimed:
        host.claimed = v["blank"]
    yield
    if v["stage"]:
        host.staged = (version, SCHEMAS[version], host.packages["opennebula"])
        return None
    for word in v["packages"].split():
        name, _, wanted = word.partition("=")
        host.install(name, (wanted or version) if name.startswith("opennebula") else "1", 0.0)
        yield
    host.pin = host.packages["opennebula"]
    return {
        "oned": host.conf,
        "files": look.files(host, v["files"].split()),
        "package": host.packages["opennebula"],
    }


@script()
def kill(site: Site, host: SimHost, v: Values) -> Effects:
    yield from stop_oned(site, host)
    return None


@script("proxy unattended pinned blank")
def packages(site: Site, host: SimHost, v: Values) -> None:
    if v["blank"] and not host.claimed:
        host.claimed = v["blank"]
    if v["pinned"] == "yes":
        host.pin = host.packages["opennebula"]


@script("file")
def read_file(site: Site, host: SimHost, v: Values) -> Values:
    if v["file"] not in host.files:
        raise Refused(f"a file {v['file']}", "none")
    return {"text": host.files[v["file"]].text}


@script()
def read_one_auth(site: Site, host: SimHost, v: Values) -> Values:
    there = host.files.get(ONE_AUTH)
    return {"one_auth": there.text.strip() if there else ""}


@script()
def receive(site: Site, host: SimHost, v: Values) -> Effects:
    yield from stop_oned(site, host)
    yield
    drop_incoming(host)
    return None


@script("units wrong expected remedy")
def refuse_services(site: Site, host: SimHost, v: Values) -> None:
    raise Refused(v["expected"], v["wrong"], v["remedy"])


@script("", "oned_conf")
def restart(site: Site, host: SimHost, v: Values) -> Effects:
    drop_former_conf(host)
    if v["oned_conf"]:
        if BEFORE not in host.files:
            host.put(BEFORE, host.conf, host.files[CONF].changed)
        yield
        host.put(CONF, v["oned_conf"] + "\n", site.clock.now)
        yield
        host.files.pop(NEXT, None)
        yield
    if BEFORE not in host.files:
        run_oned(site, host, restart=True)
        return None
    if why := try_oned(site, host, restart=True):
        yield
        refused, former = host.conf, host.files.pop(BEFORE).text
        host.put(NEXT, refused, site.clock.now)
        host.put(CONF, former, site.clock.now)
        yield
        run_oned(site, host)
        raise Refused("oned to start", why, "correct opennebula-ha:oned, then run again")
    yield
    host.files.pop(BEFORE, None)
    return None


@script("db_name may_replace", "oned_conf one_auth")
def restore(site: Site, host: SimHost, v: Values) -> Effects:
    host.trust = False
    yield
    may_replace = v["may_replace"] == "yes"
    await_database(host)
    require_replaceable(host, v["db_name"], may_replace=may_replace)
    there = host.databases.get(v["db_name"])
    if may_replace and isinstance(there, Database):
        sent = host.scratch.identity if host.scratch else ""
        if there.identity != sent:
            raise Refused("a copy of this zone's database, or none", "another OpenNebula's")
    if v["one_auth"]:
        if host.sent is None:
            raise Refused("a dump that was sent", "none")
        host.scratch, host.has_scratch = host.sent.database.copy(), True
        host.incoming = dict(host.sent.keys)
        password = v["one_auth"].partition(":")[2]
        emptied = Content(**{**vars(host.scratch.content), "pool": (), "password": password})
        host.scratch.set(emptied, site.clock.now)
        yield
    keep_settings(site, host, "copy")
    yield
    if not may_replace:
        host.claimed = "started"
        yield
    host.put_conf(v["oned_conf"] + "\n", site.clock.now)
    for path, text in (host.incoming or {}).items():
        yield
        host.put(path, text, site.clock.now, mode=0o600, owner=ONEADMIN)
    if v["one_auth"]:
        host.put(ONE_AUTH, v["one_auth"] + "\n", site.clock.now, mode=0o600, owner=ONEADMIN)
    yield
    yield from put_in_place(host, v["db_name"], may_replace=may_replace)
    yield
    host.migrating = ""
    yield
    drop_incoming(host)
    host.has_scratch = False
    return None


@script("db_name reason keep targets", "private_key")
def send(site: Site, host: SimHost, v: Values) -> Effects:
    make_gui_key(site, host)
    database = host.databases.get(v["db_name"])
    require(isinstance(database, Database), f"{host.name} sends a database that is none")
    require(not host.stopping, f"{host.name} sends a database that its oned still uses")
    assert isinstance(database, Database)
    sent, keys = database.copy(), host.keys()
    failed = []
    for line in v["targets"].splitlines():
        yield
        name, _, address, _, _ = line.split(" ", 4)
        target = site.at(address)
        if target is None or not target.up or not target.trust:
            failed.append(name)
            continue
        target.incoming = {
            path: text for path, text in keys.items() if path.startswith((f"{KEYS}/", f"{SSH}/"))
        }
        yield
        target.scratch = sent.copy()
    yield
    path = keep_dump(site, host, v["db_name"], v["reason"], v["keep"])
    if failed:
        raise Refused(f"the database and the keys on {' '.join(failed)}", "not sent")
    return {"dump": path}


@script("units stop start addresses")
def services(site: Site, host: SimHost, v: Values) -> Effects:
    drop_former_conf(host)
    for name in v["stop"].split():
        host.units[name].active = False
        yield
    held = all(address in host.vips for address in v["addresses"].split())
    if held:
        for name in v["start"].split():
            _start_unit(site, host, name)
            yield
    names = v["units"].split()
    return {
        "started": v["start"] if held else "",
        "hook": "",
        **look.units(site, host, names),
        "listening": "\n".join(n for n in names if host.unit(n.removesuffix(".service")).active),
    }


@script("owners ours former grant", "account")
def revoke_accounts(site: Site, host: SimHost, v: Values) -> None:
    ours = v["ours"].splitlines()
    if not v["owners"]:
        return
    for place, grants in list(host.accounts.items()):
        rights = [line for line in grants if not line.startswith("GRANT USAGE ")]
        is_ours = rights and all(any(on in line for on in ours) for line in rights)
        if place != "localhost" and is_ours:
            del host.accounts[place]


@script("server_id")
def start(site: Site, host: SimHost, v: Values) -> Effects:
    host.trust = False
    yield
    drop_incoming(host)
    yield
    if v["server_id"] and host.server_id != int(v["server_id"]):
        raise Refused(f"SERVER_ID {v['server_id']} before the start", str(host.server_id))
    if not v["server_id"] and host.server_id != STANDALONE_ID:
        raise Broken(f"{host.name}: one outside the zone is started as server {host.server_id}")
    enable_oned(host)
    yield
    run_oned(site, host)
    yield
    restart_gui(site, host)
    return None


@script()
def stop(site: Site, host: SimHost, v: Values) -> Effects:
    yield from stop_oned(site, host)
    return None


@script("folder start")
def swap(site: Site, host: SimHost, v: Values) -> Effects:
    if host.staged is None:
        return None
    new, _, old = host.staged
    yield from stop_oned(site, host)
    yield
    yield from swap_packages(site, host, new if v["folder"] == "new" else old)
    if v["start"] != "yes":
        return None
    yield
    host.enable("opennebula")
    yield
    if why := try_oned(site, host):
        yield
        yield from swap_packages(site, host, old)
        yield
        run_oned(site, host)
        raise Refused(f"oned to start with {new}", why)
    yield
    host.staged = None
    return None


@script("program arguments")
def take_addresses(site: Site, host: SimHost, v: Values) -> None:
    words = v["arguments"].split()
    for interface, address in zip(words[1::2], words[2::2], strict=True):
        host.vips[address.partition("/")[0]] = interface


@script("vips", "oned_conf")
def take_down(site: Site, host: SimHost, v: Values) -> Effects:
    yield from stop_oned(site, host)
    yield
    if v["oned_conf"] and CONF in host.files:
        host.put_conf(v["oned_conf"] + "\n", site.clock.now)
        yield
    for address in v["vips"].split():
        host.vips.pop(address, None)
    host.trust = False
    drop_incoming(host)
    return None


@script("features purge db_name database account grant")
def uninstall(site: Site, host: SimHost, v: Values) -> Effects:
    for name in ("opennebula", *v["features"].split()):
        if name in host.units:
            host.units[name].enabled, host.units[name].active = "disabled", False
            yield
    host.trust = False
    drop_incoming(host)
    yield
    host.claimed = ""
    host.names = {}
    require(v["purge"] == "no", "a purge is not simulated")
    return None


@script()
def unstage(site: Site, host: SimHost, v: Values) -> None:
    host.staged = None


@script("db_name dump instead servers")
def upgrade_database(site: Site, host: SimHost, v: Values) -> Effects:
    if host.running:
        raise Refused("oned stopped", "oned running")
    needed = host.schema_needed
    if v["instead"]:
        kept = host.dumps[v["instead"]]
        require(kept is not None, "settings in the place of a dump")
        assert kept is not None
        then = "\n".join(sorted(f"{e.id} {e.name}" for e in kept.database.pool))
        if then != v["servers"]:
            raise Refused("the zone's present servers", then)
        for path, text in kept.keys.items():
            host.put(path, text, site.clock.now)
        host.scratch = kept.database.copy()
        # Later writes are lost, as the operator has agreed.
        site.acknowledged[kept.database.identity] = set(kept.database.records)
        yield from put_in_place(host, v["db_name"], may_replace=True)
        yield
    else:
        if host.migrating:
            former = host.dumps[host.migrating]
            assert former is not None
            host.scratch = former.database.copy()
            yield from put_in_place(host, v["db_name"], may_replace=True)
            yield
        host.migrating = v["dump"]
        yield
        database = host.databases[v["db_name"]]
        assert isinstance(database, Database)
        database.schema = f"half way to {needed}"
        yield
        database.schema = needed
        yield
        host.migrating = ""
    there = host.databases[v["db_name"]]
    assert isinstance(there, Database)
    if there.schema != needed:
        raise Refused(f"a database of version {needed}", there.schema)
    return None


@script("db_name tables seconds")
def watch_tables(site: Site, host: SimHost, v: Values) -> Values:
    site.clock.now += float(v["seconds"])
    database = host.databases.get(v["db_name"])
    assert isinstance(database, Database)
    asked = set(v["tables"].split())
    lines = [*database.checksums(v["db_name"]).splitlines(), *site.contents.get(host.name, ())]
    return {
        "checksums": "\n".join(
            line for line in lines if line.split("\t")[0].rpartition(".")[2] in asked
        )
    }


@script("", "one_auth")
def write_one_auth(site: Site, host: SimHost, v: Values) -> None:
    host.put(ONE_AUTH, v["one_auth"] + "\n", site.clock.now)


_OBSERVE = "db_name checksums names db_owner units files"


@script(_OBSERVE)
def observe(site: Site, host: SimHost, v: Values) -> Values:
    return look.observed(site, host, v)


@script(
    f"{_OBSERVE} vips targets paths senders accounts programs timezone mount_points sources shares"
    " links key certchain"
)
def preflight(site: Site, host: SimHost, v: Values) -> Values:
    return {**look.ground(site, host, v), **look.observed(site, host, v)}


__all__ = ["PUBLIC_KEY", "SCRIPTS", "Refused", "Simulated", "base64"]
