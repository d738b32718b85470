"""Find data and settings on a host that this stack must not overwrite. Pure.

A host that is new to the stack and holds no data must be *blank*: without any sign of an
OpenNebula, and without anything that the installation would overwrite. A host with data must have
it in the stack's own database, outside any federation.
"""

from collections.abc import Iterator

from hosts.errors import HostError
from opennebula import conf
from opennebula.database import TABLES, DataPlace
from opennebula.membership.observed import Refusal
from procedures.facts.facts import Facts
from procedures.install import configuration
from procedures.specs import Database

STEP = "identify the OpenNebula on the host"
BLANK = "a blank host: no OpenNebula, and nothing that its set-up would overwrite"
ALONE = "an OpenNebula outside any federation, as zone 0"
_KEYS = "/var/lib/one/.one"
_SSH = "/var/lib/one/.ssh"
_ONE_AUTH = f"{_KEYS}/one_auth"
_PACKAGED = 'DB = [ BACKEND = "sqlite" ]'
STARTED = "started"
"""Text of the mark after our bootstrap, or copy of the zone's data, has started."""
_MANY = 3
"""Largest number of names in a message."""


def refusal(
    seen: Facts, database: Database, *, new: bool, converts: bool = False
) -> HostError | None:
    """Return why nothing may be written on a host; None if it may.

    ``new``: the host is new to the stack. ``converts``: data in SQLite may be moved to MariaDB.
    """
    found = signs(seen, database, new=new, converts=converts)
    if not found:
        return None
    return HostError(
        seen.host.name,
        STEP,
        expected=" and ".join(dict.fromkeys(sign.expected for sign in found)),
        seen="; ".join(dict.fromkeys(sign.seen for sign in found)),
        remedy=". ".join(
            remedy[:1].upper() + remedy[1:]
            for remedy in dict.fromkeys(sign.remedy for sign in found)
        ),
    )


def signs(seen: Facts, database: Database, *, new: bool, converts: bool = False) -> list[Refusal]:
    """Return all signs, as ``refusal`` describes."""
    found = [*_federation(seen), *_elsewhere(seen, database, new=new)]
    found += _shared(seen, database, new=new)
    if not converts:
        found += _sqlite(seen, database)
    if new and not seen.has_content:
        if seen.traces.claimed != STARTED:
            found += [*_service(seen), *_keys(seen)]
        found += [*_one_db(seen), *_databases(seen, database)]
    elif new and not database.is_mariadb:
        found += _databases(seen, database)
    found += _account(seen, database, is_blank=new and not seen.has_content)
    return [*found, *_hidden(seen, database)] if new else found


def moved(seen: Facts, database: Database) -> str:
    """Return the database of this host in words, if it is not the stack's; otherwise empty."""
    if on_sqlite(seen, database):
        return str(seen.database)
    if configuration.place(seen.oned_conf, database, seen.host) is not DataPlace.ANOTHER:
        return ""
    return "" if _is_of_an_earlier_config(seen, database, new=False) else str(seen.database)


def on_sqlite(seen: Facts, database: Database) -> bool:
    """Return whether a host has data in SQLite, and the stack wants MariaDB."""
    return database.is_mariadb and seen.database.is_sqlite and seen.traces.sqlite_bytes > 0


def is_own_database(seen: Facts, database: Database) -> bool:
    """Return whether the front-end uses the stack's database on this host.

    A database in MariaDB must be empty, or have OpenNebula's tables.
    """
    if configuration.place(seen.oned_conf, database, seen.host) is not DataPlace.OURS:
        return False
    if not database.is_mariadb:
        return True
    local = seen.traces.databases.get(database.name)
    return local.is_opennebula if local else not seen.traces.objects


def own_place(database: Database) -> str:
    """Return the stack's own database in words."""
    return f"this host's own MariaDB, {database.name}" if database.is_mariadb else "SQLite"


def _federation(seen: Facts) -> Iterator[Refusal]:
    section = conf.section(seen.oned_conf, "FEDERATION")
    mode, zone = seen.federation_mode, section.get("ZONE_ID", "0")
    leave = f"Remove {seen.host.name} from opennebula-ha:frontends"
    is_alone, is_master = mode == "STANDALONE", mode == "MASTER"
    if not is_alone:
        at = section.get("MASTER_ONED", "")
        yield Refusal(
            ALONE,
            f"FEDERATION/MODE {mode}{f' with MASTER_ONED {at}' if at else ''} in oned.conf",
            f"{leave}; or end the federation first (onezone delete of the other zones,"
            ' MODE = "STANDALONE" in FEDERATION, and a restart of opennebula)'
            if is_master
            else leave,
        )
    if zone not in ("", "0"):
        yield Refusal(
            ALONE,
            f"FEDERATION/ZONE_ID {zone} in oned.conf",
            f"{leave}; or, if it is left over, set ZONE_ID = 0: outside a federation oned"
            " ignores it"
            if is_alone
            else leave,
        )
    others = [known for known in seen.traces.zones if known.split(" ", 1)[0] != "0"]
    if others:
        yield Refusal(
            ALONE,
            f"zone {', '.join(others)} in its database",
            f"{leave}; or, if that zone does not exist any more, delete it there (onezone delete)"
            if is_alone or is_master
            else leave,
        )


def _sqlite(seen: Facts, database: Database) -> Iterator[Refusal]:
    if on_sqlite(seen, database):
        yield Refusal(
            "its data in MariaDB, as opennebula-ha:db_backend says",
            f"{seen.database} with {seen.traces.sqlite_bytes} bytes",
            "Set opennebula-ha:convert_database: true to convert it; or convert it as OpenNebula's"
            " documentation says (onedb sqlite2mysql), or set opennebula-ha:db_backend: SQLite for"
            " a single front-end. If nothing in it is needed, stop opennebula there and move"
            f" /var/lib/one/one.db and {_KEYS} to another place",
        )


def _elsewhere(seen: Facts, database: Database, *, new: bool) -> Iterator[Refusal]:
    section, host = seen.database, seen.host
    if configuration.place(seen.oned_conf, database, host) is DataPlace.ANOTHER:
        if _is_of_an_earlier_config(seen, database, new=new):
            return
        expected = f"DB in /etc/one/oned.conf to point to {own_place(database)}"
        if new and not seen.has_content:
            expected = BLANK
        yield Refusal(
            expected,
            f"DB in /etc/one/oned.conf points to {section}",
            _elsewhere_remedy(seen, database),
        )
        return
    is_blank = new and not seen.has_content and not seen.traces.claimed
    if is_blank and not section.is_sqlite and section.user != database.owner:
        yield Refusal(
            BLANK,
            f"DB/USER {section.user} in /etc/one/oned.conf",
            f"Set opennebula-ha:db_owner: {section.user}; or, if no OpenNebula there is needed,"
            f" restore the package's setting in oned.conf, {_PACKAGED}",
        )


def _shared(seen: Facts, database: Database, *, new: bool) -> Iterator[Refusal]:
    """Find replication in MariaDB, which would bring writes of one front-end to others."""
    expected = "MariaDB without replication: each oned writes its own database"
    leave = f"Remove {seen.host.name} from opennebula-ha:frontends; or"
    if database.is_mariadb and seen.traces.galera:
        yield Refusal(
            expected,
            "MariaDB with Galera",
            f"{leave} turn Galera off there (wsrep_on = OFF in MariaDB's configuration, and a"
            " restart), with OpenNebula's database on one front-end alone",
        )
    if database.is_mariadb and new and seen.traces.sources:
        yield Refusal(
            expected,
            f"MariaDB as a replica of {_listed(seen.traces.sources)}",
            f"{leave} end that replication (STOP ALL SLAVES, then RESET SLAVE 'NAME' ALL for each"
            " Connection_name of SHOW ALL SLAVES STATUS, also an empty one), with OpenNebula's"
            " database on one front-end alone",
        )


def _elsewhere_remedy(seen: Facts, database: Database) -> str:
    section, host = seen.database, seen.host
    if section.is_local((host.name, host.address)):
        keys = [] if database.is_mariadb else ["opennebula-ha:db_backend: MariaDB"]
        if database.is_mariadb or section.name != database.name:
            keys.append(f"opennebula-ha:db_name: {section.name}")
        return f"Set {' and '.join(keys)}: a database in use keeps its name"
    return (
        f"Remove {host.name} from opennebula-ha:frontends; or move that database to"
        f" {own_place(database)} (stop opennebula, dump it there, restore it here), and set"
        " SERVER = localhost in DB; if SERVER is this host, change only that setting. If that"
        f" OpenNebula is not needed, stop it and restore the package's setting, {_PACKAGED}"
    )


def _is_of_an_earlier_config(seen: Facts, database: Database, *, new: bool) -> bool:
    """Return whether DB names an empty database of this host, left by a failed ``up``."""
    section, host = seen.database, seen.host
    return (
        (seen.traces.claimed or not new)
        and not seen.has_content
        and database.is_mariadb
        and section.is_local((host.name, host.address))
        and section.name not in seen.traces.databases
        and not seen.traces.unseen
    )


def _service(seen: Facts) -> Iterator[Refusal]:
    unit = seen.units.get("opennebula")
    # Its package may enable it during our installation.
    enabled = (
        not seen.traces.claimed
        and unit is not None
        and unit.enabled.startswith(("enabled", "linked"))
    )
    if seen.active or (unit is not None and unit.runs) or enabled:
        what = [word for word, holds in (("running", seen.active), ("enabled", enabled)) if holds]
        yield Refusal(
            BLANK,
            f"opennebula.service {' and '.join(what) or 'starting'}",
            f"If that OpenNebula is needed, remove {seen.host.name} from"
            " opennebula-ha:frontends; otherwise systemctl disable --now opennebula",
        )
    if seen.traces.processes and not seen.active and not seen.stopping:
        yield Refusal(
            BLANK,
            f"an oned outside opennebula.service: process {', '.join(seen.traces.processes)}",
            f"If that OpenNebula is needed, remove {seen.host.name} from"
            " opennebula-ha:frontends; otherwise stop that process",
        )


def _keys(seen: Facts) -> Iterator[Refusal]:
    own = [path for path in seen.keys if path.startswith(f"{_KEYS}/")]
    if seen.package:
        # The package creates that one.
        own = [path for path in own if path != _ONE_AUTH]
    if own:
        yield Refusal(
            BLANK,
            f"keys in {_KEYS} ({_listed(path.rpartition('/')[2] for path in sorted(own))})",
            "If they belong to a database that you want to restore, restore it first, as the"
            f" stack's own database; otherwise move {_KEYS} to another place",
        )
    ssh = [path for path in seen.keys if path.startswith(f"{_SSH}/")]
    if ssh and not seen.package:
        yield Refusal(
            BLANK,
            f"keys in {_SSH} ({_listed(path.rpartition('/')[2] for path in sorted(ssh))})",
            f"Move {_SSH} to another place",
        )


def _one_db(seen: Facts) -> Iterator[Refusal]:
    if seen.traces.sqlite_bytes and not seen.database.is_sqlite:
        yield Refusal(
            BLANK,
            f"/var/lib/one/one.db with {seen.traces.sqlite_bytes} bytes",
            "Move /var/lib/one/one.db to another place",
        )


def _databases(seen: Facts, database: Database) -> Iterator[Refusal]:
    objects = set(seen.traces.objects)
    if seen.traces.claimed == STARTED:
        objects -= TABLES
    if database.is_mariadb and objects:
        yield Refusal(
            BLANK,
            f"a database {database.name} that is not OpenNebula's, or only a part of it"
            f" ({_listed(sorted(objects))})",
            "Set opennebula-ha:db_name to a name that is free; or restore the rest of that"
            " database; or, if nothing in it is needed, drop it",
        )
    for name, local in sorted(seen.traces.databases.items()):
        if local.is_opennebula and not (database.is_mariadb and name == database.name):
            mariadb = "" if database.is_mariadb else "opennebula-ha:db_backend: MariaDB and "
            yield Refusal(
                BLANK,
                f"OpenNebula's tables in the database {name}",
                f"To adopt that OpenNebula, set {mariadb}opennebula-ha:db_name: {name}; if it"
                " is not needed on this host, dump it and drop it",
            )


def _account(seen: Facts, database: Database, *, is_blank: bool) -> Iterator[Refusal]:
    """Find another use of the account whose password and rights would be set."""
    is_oned = not seen.database.is_sqlite and seen.database.user == database.owner
    if not database.is_mariadb or (is_oned and not is_blank):
        return
    foreign = [
        f"'{database.owner}'@'{host}'"
        for host, grants in sorted(seen.traces.accounts.items())
        if configuration.foreign_grants(database, grants)
    ]
    if foreign:
        yield Refusal(
            BLANK if is_blank else "an account of MariaDB for OpenNebula alone",
            f"another use of MariaDB's account {', '.join(foreign)}: it has other rights",
            "Set opennebula-ha:db_owner to a name that is free",
        )


def _hidden(seen: Facts, database: Database) -> Iterator[Refusal]:
    unseen = seen.traces.unseen
    if not database.is_mariadb or not (seen.silent or unseen):
        return
    holds = f"no MariaDB answers for the data in {_listed(unseen)}" if unseen else ""
    yield Refusal(
        "MariaDB to accept root on its socket",
        "; ".join(part for part in (seen.silent, holds) if part),
        "Start MariaDB (systemctl start mariadb) and look at its journal, then run again",
    )


def _listed(names: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    every = list(names)
    more = len(every) - _MANY
    return ", ".join(every[:_MANY]) + (f" and {more} more" if more > 0 else "")
