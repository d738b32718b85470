"""The tables, named and shaped as OpenNebula's."""

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
