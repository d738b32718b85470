# The host's own MariaDB. Variable: db_name.
#: use family
# The database that receives what another front-end sends.
scratch=opennebula_ha_incoming
# The account that fills it.
importer=$scratch@localhost
drop_importer() { sql -e "DROP USER IF EXISTS $importer"; }
# Always this host's server, even if root's .my.cnf or MYSQL_HOST names another one.
here=(--host=localhost --protocol=socket)
# Disable the client's own commands, whatever a name contains: they would run as root.
sql() {
    {
        "$(command -v mariadb || command -v mysql)" "${here[@]}" --batch --binary-mode \
            --skip-column-names --raw "$@" 2>&1 >&3 3>&- | errors >&2 3>&-
    } 3>&1
}
# The client's message without the statement, which newer clients repeat: it may contain a secret.
errors() { grep -aE '^(ERROR|mariadb:|mysql:) ' || true; }
has_table() {
    [ "$(sql -e "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = '$db_name' AND table_name = '$1'")" -gt 0 ]
}
# Wait for a server that is starting, not for one that is stopped.
database_answers() {
    local seconds
    for seconds in $(seq 60); do
        ! sql -e "DO 0" 2>/dev/null || return 0
        case $(systemctl show -p ActiveState --value $database_service) in
            inactive | failed)
                [ -n "$(systemctl list-jobs --no-legend $database_service 2>/dev/null)" ] || return 1
                ;;
        esac
        sleep 0.5
    done
    return 1
}
# A database that does not answer must never be taken for an empty one.
await_database() {
    database_answers || refuse "MariaDB to accept root on its socket" "$(sql -e "DO 0" 2>&1)" \
        "start MariaDB (systemctl start $database_service) and look at its journal, then run again"
}
# What a database contains in addition to tables.
further="SELECT routine_name AS name FROM information_schema.routines WHERE routine_schema = '${db_name:-}'
    UNION ALL SELECT event_name FROM information_schema.events WHERE event_schema = '${db_name:-}'"
# From the answers to this, one per line: the servers with which this one replicates.
replication="SHOW GLOBAL VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'; SHOW ALL SLAVES STATUS"
replication_in() { awk -F'\t' '$1 == "wsrep_on" {print "galera"; next} {print "source " $4}'; }
# The version of a database's schema.
schema="SELECT COALESCE(GROUP_CONCAT(DISTINCT version ORDER BY version SEPARATOR '/'), '') FROM (
    (SELECT version FROM db_versioning ORDER BY oid DESC LIMIT 1) UNION ALL
    (SELECT version FROM local_db_versioning ORDER BY oid DESC LIMIT 1)) AS newest"
# Equal for two databases if one is a copy of the other.
identity="SELECT SHA2(CONCAT(version, '\t', timestamp, '\t', COALESCE(comment, ''), '\n'), 256)
    FROM db_versioning ORDER BY oid LIMIT 1"
identity_of() { sql "$1" -e "$identity" 2>/dev/null || true; }
count_users() {
    if has_table user_pool; then
        sql -e "SELECT COUNT(*) FROM \`$db_name\`.user_pool"
    else
        echo 0
    fi
}
