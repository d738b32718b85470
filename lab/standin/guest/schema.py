"""The tables, with the names and columns of OpenNebula's."""

_OBJECT = (
    "(oid INTEGER PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT, uid INTEGER, gid INTEGER,"
    " owner_u INTEGER, group_u INTEGER, other_u INTEGER"
)

LOG_TABLES = (
    "CREATE TABLE IF NOT EXISTS logdb (log_index BIGINT UNSIGNED PRIMARY KEY, term INTEGER,"
    " sqlcmd MEDIUMTEXT, timestamp INTEGER, fed_index BIGINT UNSIGNED, applied BOOLEAN)",
    "CREATE INDEX fed_index_idx ON logdb (fed_index)",
    "CREATE INDEX applied_idx ON logdb (applied)",
)

LOCAL_TABLES = (
    f"CREATE TABLE IF NOT EXISTS template_pool {_OBJECT})",
    "CREATE TABLE IF NOT EXISTS pool_control (tablename VARCHAR(32) PRIMARY KEY,"
    " last_oid BIGINT UNSIGNED)",
    "CREATE TABLE IF NOT EXISTS local_db_versioning (oid INTEGER PRIMARY KEY,"
    " version VARCHAR(256), timestamp INTEGER, comment VARCHAR(256), is_slave BOOLEAN)",
    "CREATE TABLE IF NOT EXISTS system_attributes (name VARCHAR(128) PRIMARY KEY, body MEDIUMTEXT)",
)

SHARED_TABLES = (
    f"CREATE TABLE IF NOT EXISTS group_pool {_OBJECT}, UNIQUE(name))",
    f"CREATE TABLE IF NOT EXISTS user_pool {_OBJECT}, UNIQUE(name))",
    f"CREATE TABLE IF NOT EXISTS zone_pool {_OBJECT}, UNIQUE(name))",
    "CREATE TABLE IF NOT EXISTS acl (oid INT PRIMARY KEY, userset BIGINT, resource BIGINT,"
    " rights BIGINT, zone BIGINT, UNIQUE(userset, resource, rights, zone))",
    "CREATE TABLE IF NOT EXISTS db_versioning (oid INTEGER PRIMARY KEY, version VARCHAR(256),"
    " timestamp INTEGER, comment VARCHAR(256))",
)

MIGRATIONS = {
    "7.4.0": (
        "CREATE TABLE IF NOT EXISTS group_vlans (group_oid INTEGER PRIMARY KEY, body MEDIUMTEXT)",
    ),
}
"""The statements that upgrade the database to each version."""


def numbers(version: str) -> tuple[int, ...]:
    """Return a version in a form that can be compared."""
    return tuple(int(part) for part in version.split("."))


def migrations(since: str, until: str) -> tuple[str, ...]:
    """Return the statements that upgrade a database from one version to another."""
    return tuple(
        statement
        for version, statements in sorted(MIGRATIONS.items(), key=lambda item: numbers(item[0]))
        if numbers(since) < numbers(version) <= numbers(until)
        for statement in statements
    )
