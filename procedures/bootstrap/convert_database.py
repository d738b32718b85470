"""Move a front-end's data from SQLite to MariaDB, completely or not at all.

The steps are those of OpenNebula's ``onedb sqlite2mysql``: oned stops, ``oned -i`` creates the
tables, and all rows are copied. Here they are copied to a database of their own, and every row is
compared; only then the tables move to the zone's database, and DB in oned.conf changes. Until then
every failure goes back to SQLite. So DB shows what an interrupted run has left: with SQLite, all is
done again; with MariaDB, only the start is missing. A mark on the host says that a conversion
began, and which database has the copy.
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from secrets import token_hex

from hosts.errors import HostError
from opennebula.packages import is_version
from opennebula.zone import STANDALONE_ID
from procedures.context import Access
from procedures.facts.facts import Facts
from procedures.facts.signs import on_sqlite
from procedures.install import configuration
from procedures.oned_service import answering
from procedures.specs import Database

CONVERSION = 7200.0
"""Seconds for the conversion: each row is written once and read three times."""
SCRATCH = "opennebula_ha_incoming"
"""Database for the copy, as in mariadb.sh."""
STEP = "convert the database"
_EMPTY = Database(name=SCRATCH, owner="opennebula_ha_empty")
_PROGRAM = Path(__file__).parent / "programs" / "convert_sqlite.py"


Step = StrEnum("Step", "LOOK HALT KEEP FILL COMPARE PLACE SWITCH SET_ASIDE START")
"""The steps, by the names of their functions in convert_database.sh."""


def plan(seen: Facts, database: Database, *, converts: bool) -> tuple[Step, ...]:
    """Return the remaining steps. ``converts``: the stack's config allows the conversion."""
    if not database.is_mariadb:
        return ()
    if seen.converting and seen.database.backend == "mysql":
        return (Step.SET_ASIDE, Step.START)
    return tuple(Step) if converts and on_sqlite(seen, database) else ()


def refusal(seen: Facts, version: str, others: Iterable[str]) -> HostError | None:
    """Return why a front-end on SQLite cannot be converted; None if it can.

    ``others``: the other front-ends of the stack that hold data.
    """
    name = seen.host.name
    leave = f"remove {name} from opennebula-ha:frontends"
    holding = ", ".join(sorted(others))
    if seen.server_id != STANDALONE_ID:
        wrong = (
            "an OpenNebula outside any zone: SERVER_ID -1",
            f"SERVER_ID {seen.server_id} in oned.conf, and SQLite",
            "a zone of several servers loses records on SQLite: set SERVER_ID = -1 in FEDERATION of"
            " /etc/one/oned.conf on the one whose data are whole, restart opennebula, look at its"
            " data, and have no other one with data in opennebula-ha:frontends",
        )
    elif seen.federation_mode != "STANDALONE":
        wrong = (
            "an OpenNebula outside any federation",
            f"FEDERATION/MODE {seen.federation_mode} in oned.conf, and SQLite",
            f"{leave}, or remove it from the federation first",
        )
    elif holding:
        wrong = (
            "data of OpenNebula on no other front-end",
            f"data on {holding}, too",
            f"{leave}, or the others; what is not needed there, stop opennebula and move"
            " /var/lib/one/one.db and /var/lib/one/.one to another place",
        )
    elif seen.package and not is_version(seen.package, version):
        wrong = (
            f"OpenNebula {version} on the host, as in opennebula-ha:one_version",
            seen.package,
            "set one_version to what is there, as in its first two numbers; once the database is"
            " converted, set it to another one",
        )
    else:
        return None
    expected, actual, remedy = wrong
    return HostError(name, STEP, expected=expected, seen=actual, remedy=remedy)


def convert(access: Access, seen: Facts, database: Database, steps: tuple[Step, ...]) -> None:
    """Do those steps on the host. Raises HostError, after going back unless DB has changed."""
    password = access.secrets.db_password
    account = configuration.account(database, password)
    once = f"{token_hex(16)}.aA1"
    access.run(
        seen.host,
        "convert_database",
        variables={
            "steps": " ".join(steps),
            "db_name": database.name,
            "db_owner": database.owner,
            "program": _PROGRAM.read_text(encoding="utf-8").rstrip("\n"),
        },
        secrets={
            "account": account,
            "identify": configuration.identify(database, password),
            "db_password": password,
            "oned_conf": _with(seen, database, password),
            "empty_conf": _with(seen, _EMPTY, once),
            "empty_account": f"{configuration.account(_EMPTY, once)}\n"
            f"{configuration.identify(_EMPTY, once)}",
        },
        timeout=CONVERSION,
    )
    answering(access, seen.host)


def _with(seen: Facts, database: Database, password: str) -> str:
    """Return the host's oned.conf with that database."""
    written = configuration.with_database(seen.oned_conf, database, password, seen.host)
    return written.rstrip("\n")
