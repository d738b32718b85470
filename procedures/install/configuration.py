"""oned.conf, monitord.conf and the SQL of the database account. Pure."""

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
    """Return oned.conf with the stack's settings. SERVER_ID stays: the zone sets it."""
    text = with_database(text, spec.database, db_password, spec.host)
    text = conf.write(text, "ONEGATE_ENDPOINT", spec.gate_endpoint)
    hooks = hook_commands(spec)
    places = [f"{vip.interface} {vip.address}/{vip.prefix}" for vip in spec.vips]
    for hook, role in _HOOKS.items():
        if role not in hooks:
            text = conf.remove(text, hook)
            continue
        # Also without a VIP: the hook starts and stops the services that run on the leader.
        arguments = " ".join([role, *places])
        text = conf.write(text, hook, {"COMMAND": hooks[role], "ARGUMENTS": arguments})
    wanted: dict[str, Setting] = {}
    if any(vip.is_ipv6 for vip in spec.vips):
        # This includes IPv4. By default oned listens on IPv4 only.
        wanted["LISTEN_ADDRESS"] = "::"
    if spec.ldap.is_default:
        allowed = conf.section(text, "AUTH_MAD").get("AUTHN", "")
        # Without a list, all drivers are allowed.
        if allowed and "ldap" not in allowed.split(","):
            text = conf.write(text, "AUTH_MAD", {"AUTHN": f"{allowed},ldap"})
        wanted["DEFAULT_AUTH"] = "ldap"
    named = {name.upper() for name in spec.oned}
    wanted = {name: setting for name, setting in wanted.items() if name not in named}
    return managed_settings.apply(text, {**spec.oned, **wanted})


def hook_commands(spec: InstallationSpec) -> dict[str, str]:
    """Return the program of the hook for each role; empty for a standalone front-end."""
    if spec.hooks is None:
        return {}
    addresses = [vip.address for vip in spec.vips]
    return {
        "leader": raft_hook.fit(spec.hooks.leader, addresses),
        "follower": raft_hook.fit(spec.hooks.follower, addresses),
    }


def differences(text: str, spec: InstallationSpec, db_password: str) -> tuple[str, ...]:
    """Return the attributes of oned.conf that differ from the stack's settings, without values."""
    return managed_settings.differences(text, oned_conf(text, spec, db_password))


def monitord_conf(spec: InstallationSpec) -> ManagedFile:
    """Return monitord.conf, with which the agents on hypervisors report to the leader."""
    address = spec.entrance or "auto"
    return ManagedFile(
        MONITORD,
        lambda text: conf.write(text, "NETWORK", {"MONITOR_ADDRESS": address}),
        managed_settings.differences,
    )


def with_database(text: str, database: Database, password: str, host: Host) -> str:
    """Return oned.conf with these settings of the database.

    Another name of the same server stays, unless the account changes: the account that this program
    creates can only log in through the socket.
    """
    if not database.is_mariadb:
        return conf.write(text, "DB", {"BACKEND": "sqlite"})
    wanted: dict[str, conf.Scalar] = {
        "BACKEND": "mysql",
        "SERVER": _HERE,
        "PORT": 0,
        "USER": database.owner,
        "PASSWD": password,
        "DB_NAME": database.name,
    }
    if place(text, database, host) is DataPlace.OURS:
        account = {key: wanted[key] for key in ("USER", "PASSWD")}
        if account.items() <= conf.section(text, "DB").items():
            wanted = {key: value for key, value in wanted.items() if key not in _SERVER}
    return conf.write(text, "DB", wanted)


def place(text: str, database: Database, host: Host) -> DataPlace:
    """Return whose database an oned.conf of that host refers to."""
    return DatabaseSection.of(text).place(
        mariadb=database.is_mariadb, name=database.name, names=(host.name, host.address)
    )


def with_server_id(text: str, server_id: int) -> str:
    """Return oned.conf with that SERVER_ID."""
    return conf.write(text, "FEDERATION", {"SERVER_ID": server_id})


def without_hooks(text: str) -> str:
    """Return oned.conf without the Raft hooks."""
    for hook in _HOOKS:
        text = conf.remove(text, hook)
    return text


def account_name(owner: str) -> str:
    """Return the name in SQL of an account that logs in from the host itself."""
    return f"'{_quote(owner)}'@'localhost'"


def account_faults(database: Database, grants: Sequence[str]) -> list[str]:
    """Return the rights that the account lacks or must not have, from its SHOW GRANTS."""
    if not grants:
        return ["missing"]
    own = (*_own_grants(database), f"GRANT ALL PRIVILEGES ON {_EVERYTHING} TO ")
    found = [] if any(line.startswith(own) for line in grants) else ["no right to its database"]
    if any(f" ON {_EVERYTHING} " in line for line in _rights(grants)):
        found.append(TOO_MUCH)
    return found


def further_accounts(database: Database, accounts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the accounts with the owner's name that may log in from other hosts.

    Each with its host part and a description. one-deploy creates such an account. An account with
    rights on another database is not ours, and not returned.
    """
    ours = places(database)
    found = {}
    for host, grants in sorted(accounts.items()):
        rights = _rights(grants)
        if host != _HERE and rights and all(any(on in line for on in ours) for line in rights):
            found[host] = f"lets in from {'any host' if host == '%' else host}"
    return found


def places(database: Database) -> tuple[str, ...]:
    """Return the parts of SHOW GRANTS for rights on everything, or on the database."""
    return (f" ON {_EVERYTHING} ", *(f" ON `{name}`." for name in sorted({*_spellings(database)})))


def is_local(oned_conf: str) -> bool:
    """Return whether oned uses MariaDB on its own host, through the socket."""
    return conf.section(oned_conf, "DB").get("SERVER") == _HERE


def _rights(grants: Sequence[str]) -> list[str]:
    return [line for line in grants if not line.startswith("GRANT USAGE ")]


def account(database: Database, password: str, grants: Sequence[str] = ()) -> str:
    """Return SQL that creates the database, and an account that may use only that, from the host.

    An existing account keeps its password: see ``identify``. ``grants``: its present rights.
    """
    name = database.name.replace("`", "``")
    owner = account_name(database.owner)
    statements = [
        f"CREATE DATABASE IF NOT EXISTS `{name}`;",
        f"CREATE USER IF NOT EXISTS {owner} IDENTIFIED BY '{_quote(password)}';",
        f"{own_grant(database)}{owner};",
    ]
    if TOO_MUCH in account_faults(database, grants):
        statements += [
            f"REVOKE ALL PRIVILEGES ON {_EVERYTHING} FROM {owner};",
            f"REVOKE GRANT OPTION ON {_EVERYTHING} FROM {owner};",
        ]
    return "\n".join(statements)


def identify(database: Database, password: str, *, former: str = "") -> str:
    """Return SQL that sets the account's password. ``former``: one that an oned still uses."""
    clause = f"BY '{_quote(password)}'"
    if former and former != password:
        clause = "VIA " + " OR ".join(
            f"mysql_native_password USING PASSWORD('{_quote(each)}')" for each in (password, former)
        )
    return f"ALTER USER {account_name(database.owner)} IDENTIFIED {clause};"


def in_use(text: str, database: Database) -> str:
    """Return the account's password in oned.conf; empty if oned uses another account."""
    section = conf.section(text, "DB")
    return section.get("PASSWD", "") if section.get("USER") == database.owner else ""


def own_grant(database: Database) -> str:
    """Return the beginning of the only grant that this program gives the account."""
    return _own_grants(database)[0]


def foreign_grants(database: Database, grants: Sequence[str]) -> list[str]:
    """Return the grants of an account that this program never gave."""
    own = ("GRANT USAGE ON *.* TO ", *_own_grants(database))
    return [line for line in grants if not line.startswith(own)]


def _own_grants(database: Database) -> list[str]:
    """Return the beginnings of a grant of all rights to the database: ours, and one by hand."""
    return [f"GRANT ALL PRIVILEGES ON `{name}`.* TO " for name in _spellings(database)]


def _spellings(database: Database) -> tuple[str, str]:
    """Return the forms of the database's name in a GRANT: ours, and the usual one by hand.

    There an underscore stands for any character; grants made by hand often do not escape it.
    """
    name = database.name.replace("`", "``")
    return name.replace("_", r"\_"), name


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")
