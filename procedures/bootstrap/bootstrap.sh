# Start the first server alone with an empty database.
#: use configuration copies dumps mariadb marks oned
#: db_name
#: mariadb: yes, or no: OpenNebula's database is not in MariaDB
#: secret oned_conf: the whole file, with SERVER_ID -1; or nothing: it is so
step "bootstrap the database"
if [ "$mariadb" = yes ]; then
    await_database
    may_replace=no
    require_replaceable
fi
keep_settings bootstrap
claim_data
if [ "$mariadb" = yes ]; then
    sql -e "DROP DATABASE IF EXISTS \`$db_name\`; CREATE DATABASE \`$db_name\`"
elif [ -s /var/lib/one/one.db ]; then
    refuse "no SQLite database" "/var/lib/one/one.db" "run again"
fi
# Left by an earlier zone: the first server starts standalone.
[ -z "$oned_conf" ] || put_conf "$oned_conf"
# oned refuses an empty database next to credentials of an earlier one.
find -H /var/lib/one/.one ! -type d ! -name one_auth -delete
enable_oned
run_oned restart "oned to start with an empty database" \
    "read /var/log/one/oned.log and 'journalctl -u opennebula' on the host, correct what they name, then run again"
