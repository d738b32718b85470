# The stack's account in MariaDB.
#: use mariadb
# Create the stack's database and its account, which may already have this password, and the one
# that a running oned uses. Variables: account, identify, db_owner, db_password.
make_account() {
    set_account "$account"
    MYSQL_PWD=$db_password "$(command -v mariadb || command -v mysql)" --no-defaults \
        "${here[@]}" --user="$db_owner" --execute="DO 0" 2>/dev/null || set_account "$identify"
}
set_account() { # SQL
    local said remedy="run 'mariadb' as root on the host to see whether it accepts CREATE USER and GRANT; then run again"
    said=$(sql <<<"$1" 2>&1) && return 0
    [[ $said != *"ERROR 1819"* ]] ||
        remedy="choose another opennebula-ha:db_password, or change MariaDB's password policy there; then run again"
    refuse "MariaDB to set up the account $db_owner" "$said" "$remedy"
}
# Drop the account, unless it has other rights than this program grants.
drop_account() { # ACCOUNT, as SQL has it; the beginning of our grant
    local others
    others=$(sql -e "SHOW GRANTS FOR $1" 2>/dev/null |
        grep -v '^GRANT USAGE ON \*\.\* ' | grep -vF "$2" || true)
    if [ -n "$others" ]; then
        step "keep the account $1: it has other rights"
        return 0
    fi
    sql -e "DROP USER IF EXISTS $1"
}
