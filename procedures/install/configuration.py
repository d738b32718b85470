"""The managed part of a front-end's configuration files. Pure: text in, text out."""

from collections.abc import Mapping, Sequence

from hosts.models import Host
from opennebula import conf, managed_settings, raft_hook
from opennebula.database import DatabaseSection, DataPlace
from opennebula.managed_settings import Setting
from procedures.install.files.managed import ManagedFile
from procedures.specs import Database, InstallationSpec

MONITORD = "/etc/one/monitord.conf"
TOO_MUCH = "rights on every database"
_EVERYTHING = "*.*"
_HERE = "localhost"
LEADER_HOOK = "RAFT_LEADER_HOOK"
_SERVER = ("SERVER", "PORT")
_HOOKS = {LEADER_HOOK: "leader", "RAFT_FOLLOWER_HOOK": "follower"}


def oned_conf(text: str, spec: InstallationSpec, db_password: str) -> str:
    """oned.conf as the stack wants it; SERVER_ID is the zone's matter and stays."""
    text = with_database(text, spec.database, db_password, spec.host)
    text = conf.write(text, "ONEGATE_ENDPOINT", spec.gate_endpoint)
    hooks = hook_commands(spec)
    places = [f"{vip.interface} {vip.address}/{vip.prefix}" for vip in spec.vips]
    for hook, role in _HOOKS.items():
        if role not in hooks:
            text = conf.remove(text, hook)
            continue
        # Without a VIP, too: it starts and stops what runs on the leader.
        arguments = " ".join([role, *places])
        text = conf.write(text, hook, {"COMMAND": hooks[role], "ARGUMENTS": arguments})
    wanted: dict[str, Setting] = {}
    if any(vip.is_ipv6 for vip in spec.vips):
        # That of IPv4, too; by itself oned listens there alone.
        wanted["LISTEN_ADDRESS"] = "::"
    if spec.ldap.is_default:
        text = _with_driver(text, "ldap")
        wanted["DEFAULT_AUTH"] = "ldap"
    named = {name.upper() for name in spec.oned}
    wanted = {name: setting for name, setting in wanted.items() if name not in named}
    return managed_settings.apply(text, {**spec.oned, **wanted})


def hook_commands(spec: InstallationSpec) -> dict[str, str]:
    """The program of each role's hook; of a front-end in no zone there are none."""
    if spec.hooks is None:
        return {}
    addresses = [vip.address for vip in spec.vips]
    return {
        "leader": raft_hook.fit(spec.hooks.leader, addresses),
        "follower": raft_hook.fit(spec.hooks.follower, addresses),
    }


def _with_driver(text: str, name: str) -> str:
    """oned.conf with that driver among those that users may log in with."""
    listed = conf.section(text, "AUTH_MAD").get("AUTHN", "")
    # Where none are listed, all are.
    if not listed or name in listed.split(","):
        return text
    return conf.write(text, "AUTH_MAD", {"AUTHN": f"{listed},{name}"})


def differences(text: str, spec: InstallationSpec, db_password: str) -> tuple[str, ...]:
    """The attributes of oned.conf that are not as the stack wants them, without their values."""
    return managed_settings.differences(text, oned_conf(text, spec, db_password))


def monitord_conf(spec: InstallationSpec) -> ManagedFile:
    """monitord.conf: the hypervisors' agents report to the leader."""
    address = spec.entrance or "auto"
    return ManagedFile(
        MONITORD,
        lambda text: conf.write(text, "NETWORK", {"MONITOR_ADDRESS": address}),
        managed_settings.differences,
    )


def with_database(text: str, database: Database, password: str, host: Host) -> str:
    """oned.conf with these settings of the database.

    Another spelling of the same server stays, unless the account changes: the one that this program
    makes is sure to be let in over the socket.
    """
    wanted = _database(database, password)
    if place(text, database, host) is DataPlace.OURS and database.is_mariadb:
        account = {key: wanted[key] for key in ("USER", "PASSWD")}
        if account.items() <= conf.section(text, "DB").items():
            wanted = {key: value for key, value in wanted.items() if key not in _SERVER}
    return conf.write(text, "DB", wanted)


def place(text: str, database: Database, host: Host) -> DataPlace:
    """Whose database this oned.conf of that host names."""
    return DatabaseSection.of(text).place(
        mariadb=database.is_mariadb, name=database.name, names=(host.name, host.address)
    )


def changes_database(text: str, written: str) -> bool:
    """Whether the section DB of an oned.conf is another one in what is about to be written."""
    return conf.read(text, "DB") != conf.read(written, "DB")


def with_server_id(text: str, server_id: int) -> str:
    """oned.conf with that SERVER_ID."""
    return conf.write(text, "FEDERATION", {"SERVER_ID": server_id})


def without_hooks(text: str) -> str:
    """oned.conf without the Raft hooks."""
    for hook in _HOOKS:
        text = conf.remove(text, hook)
    return text


def account_name(database: Database) -> str:
    """The account as SQL has it."""
    return account_of(database.owner)


def account_of(owner: str) -> str:
    """An account of that name on the host itself, as SQL has it."""
    return f"'{_quote(owner)}'@'localhost'"


def without_global_rights(database: Database) -> str:
    """SQL that leaves the account the rights on its own database."""
    owner = account_name(database)
    return f"REVOKE ALL PRIVILEGES ON *.* FROM {owner};\nREVOKE GRANT OPTION ON *.* FROM {owner};"


def account_faults(database: Database, grants: Sequence[str]) -> list[str]:
    """What the account lacks, and what it has too much, from its SHOW GRANTS."""
    if not grants:
        return ["missing"]
    places = [_EVERYTHING, *(f"`{name}`.*" for name in _spellings(database))]
    own = tuple(f"GRANT ALL PRIVILEGES ON {place} TO " for place in places)
    found = [] if any(line.startswith(own) for line in grants) else ["no right to its database"]
    if any(f" ON {_EVERYTHING} " in line for line in _rights(grants)):
        found.append(TOO_MUCH)
    return found


def further_accounts(database: Database, accounts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The accounts of the owner's name that reach its database from elsewhere than the host itself,
    by the host that they let in from, and what is wrong with each.

    One-deploy makes such a one. One with a right to another database is not ours.
    """
    ours = places(database)
    found = {}
    for host, grants in sorted(accounts.items()):
        rights = _rights(grants)
        if host != _HERE and rights and all(any(on in line for on in ours) for line in rights):
            found[host] = f"lets in from {'any host' if host == '%' else host}"
    return found


def places(database: Database) -> tuple[str, ...]:
    """What a line of SHOW GRANTS has of a right to everything, or to something in the database."""
    return (f" ON {_EVERYTHING} ", *(f" ON `{name}`." for name in sorted(_spellings(database))))


def is_local(oned_conf: str) -> bool:
    """Whether that oned asks MariaDB on its own host, by its socket."""
    return conf.section(oned_conf, "DB").get("SERVER") == _HERE


def _rights(grants: Sequence[str]) -> list[str]:
    return [line for line in grants if not line.startswith("GRANT USAGE ")]


def account(database: Database, password: str) -> str:
    """SQL that makes the database and an account that may use it, and nothing else, from here.

    An account that is there keeps its password: see ``identify``.
    """
    name = database.name.replace("`", "``")
    owner = account_name(database)
    return "\n".join(
        [
            f"CREATE DATABASE IF NOT EXISTS `{name}`;",
            f"CREATE USER IF NOT EXISTS {owner} IDENTIFIED BY '{_quote(password)}';",
            f"GRANT ALL PRIVILEGES ON `{_pattern(database)}`.* TO {owner};",
        ]
    )


def identify(database: Database, password: str, *, former: str = "") -> str:
    """SQL that gives the account this password; ``former``: the one that an oned still has."""
    clause = f"BY '{_quote(password)}'"
    if former and former != password:
        clause = "VIA " + " OR ".join(
            f"mysql_native_password USING PASSWORD('{_quote(each)}')" for each in (password, former)
        )
    return f"ALTER USER {account_of(database.owner)} IDENTIFIED {clause};"


def in_use(text: str, database: Database) -> str:
    """The account's password in oned.conf; nothing where oned logs in to another account."""
    section = conf.section(text, "DB")
    return section.get("PASSWD", "") if section.get("USER") == database.owner else ""


def own_grant(database: Database) -> str:
    """The beginning of the one grant that this program gives the account."""
    return f"GRANT ALL PRIVILEGES ON `{_pattern(database)}`.* TO "


def foreign_grants(database: Database, grants: Sequence[str]) -> list[str]:
    """Those of an account's grants that this program never gave."""
    # An underscore that is not escaped stands for any character: by hand it is often so.
    by_hand = f"GRANT ALL PRIVILEGES ON `{database.name}`.* TO "
    own = ("GRANT USAGE ON *.* TO ", own_grant(database), by_hand)
    return [line for line in grants if not line.startswith(own)]


def _database(database: Database, password: str) -> dict[str, conf.Scalar]:
    if not database.is_mariadb:
        return {"BACKEND": "sqlite"}
    return {
        "BACKEND": "mysql",
        "SERVER": _HERE,
        "PORT": 0,
        "USER": database.owner,
        "PASSWD": password,
        "DB_NAME": database.name,
    }


def _pattern(database: Database) -> str:
    # In a GRANT an underscore stands for any character.
    return database.name.replace("`", "``").replace("_", r"\_")


def _spellings(database: Database) -> set[str]:
    """The database's name in a GRANT, in our form or another one."""
    return {_pattern(database), database.name.replace("`", "``")}


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")
