# What every script knows of the database. Variable: db_name.
sql() { "$(command -v mariadb || command -v mysql)" --batch --skip-column-names --raw "$@"; }
has_table() {
    [ "$(sql -e "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = '$db_name' AND table_name = '$1'")" -gt 0 ]
}
# A database that does not answer must never pass for an empty one.
await_database() {
    local seconds
    for seconds in $(seq 60); do
        ! sql -e "DO 0" 2>/dev/null || return 0
        sleep 0.5
    done
    refuse "MariaDB to answer root on its socket" "$(sql -e "DO 0" 2>&1)" \
        "start MariaDB (systemctl start mariadb) and look at its journal, then run again"
}
# Whether there is a database server that may hold something of ours.
has_mariadb() {
    [ -d "/var/lib/mysql/$db_name" ] || systemctl -q is-enabled mariadb.service 2>/dev/null
}
count_users() {
    if has_table user_pool; then
        sql -e "SELECT COUNT(*) FROM \`$db_name\`.user_pool"
    else
        echo 0
    fi
}
