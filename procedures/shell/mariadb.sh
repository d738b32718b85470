# The host's own MariaDB. Variable: db_name.
#: use family
# The database that receives what another front-end sends.
scratch=opennebula_ha_incoming
# The account that fills it.
importer=$scratch@localhost
drop_importer() { sql -e "DROP USER IF EXISTS $importer"; }
# Always this host's server, even if root's .my.cnf or MYSQL_HOST names another one.
here=(--host=localhost --protocol=socket)
# How to connect, as this host's files set it. They may also set what a client prints, or what a dump
# leaves out: none of that is for this program.
client_options=$({
    my_print_defaults client client-server client-mariadb mariadb-client mysql 2>/dev/null || true
} | sed -nE '
    s/["\\]/\\&/g
    s/^--((loose[-_])?(user|password|port|socket|default[-_]auth|plugin[-_]dir|(skip[-_])?(ssl|tls)[a-z_-]*)(=.*)?)$/\1/
    t found
    d
    :found
    s/=(.*)/="\1"/
    p')
client() { # PROGRAM, its name in older releases, arguments
    local program options=("${here[@]}" "${@:3}")
    program=$(command -v "$1" || command -v "$2")
    if type -P my_print_defaults >/dev/null; then
        "$program" --defaults-file=<(printf '[client]\n%s\n' "$client_options") "${options[@]}"
    else
        "$program" "${options[@]}"
    fi
}
# With it names and texts are quoted, whatever the server's mode is.
client_session="SET SESSION sql_mode='STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION'"
# Disable the client's own commands, whatever a name contains: they would run as root.
sql() {
    {
        client mariadb mysql --init-command="$client_session" --batch --binary-mode \
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
