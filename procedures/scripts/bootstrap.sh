# Start the first server alone with an empty database. Variables: db_name, mariadb.
step "bootstrap the database"
# oned refuses an empty database beside credentials of an earlier one.
find /var/lib/one/.one -type f ! -name one_auth -delete
if [ "$mariadb" = yes ]; then
    sql -e "DROP DATABASE IF EXISTS \`$db_name\`; CREATE DATABASE \`$db_name\`"
else
    rm -f /var/lib/one/one.db
fi
systemctl reset-failed opennebula.service 2>/dev/null || true
systemctl enable opennebula.service 2>/dev/null
systemctl restart opennebula.service || refuse "oned to start with an empty database" \
    "$(journalctl -u opennebula -n 6 --no-pager -o cat; grep -E '\[E\]' /var/log/one/oned.log 2>/dev/null | tail -n 4)" \
    "mend what it says on the host, then run again"
