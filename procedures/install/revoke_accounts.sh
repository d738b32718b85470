# Clean up the database's accounts once every oned logs in as the stack wants it.
#: use database_account mariadb
#: owners: names whose accounts for other hosts than this one are removed
#: ours: lines of SHOW GRANTS that are rights to our database
#: former: lines: other accounts, as SQL has them
#: grant: the beginning of our own grant
#: secret account: SQL
quoted() { # TEXT, as a string in SQL
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\'\'}"
}
sql <<<"$account"
while read -r account; do
    [ -z "$account" ] || drop_account "$account" "$grant" </dev/null
done <<<"$former"
for owner in $owners; do
    name=$(quoted "$owner")
    mapfile -t places < <(sql -e "SELECT host FROM mysql.user WHERE user = $name AND host <> 'localhost'")
    for from in "${places[@]}"; do
        host=$(quoted "$from")
        # Only an account that has rights, and only rights to our databases.
        rights=$(sql -e "SHOW GRANTS FOR $name@$host" | grep -v '^GRANT USAGE ') || continue
        ! grep -qvF -f <(printf '%s\n' "$ours") <<<"$rights" || continue
        step "drop the database account $owner@$from"
        # By name: for connections by the socket, another account applies.
        users=$(sql -e "SELECT DISTINCT REGEXP_REPLACE(host, ':[0-9]+\$', '') AS place
            FROM information_schema.processlist WHERE user = $name HAVING place <> 'localhost'")
        [ -z "$users" ] || refuse "no client connected to MariaDB as $owner from another host" \
            "connections from $(paste -sd' ' <<<"$users")" \
            "end what connects from there, or give it an account of its own; then run again"
        kept=/var/backups/opennebula/accounts.sql
        (umask 077 && mkdir -p /var/backups/opennebula && {
            echo "-- $(date -u +%Y-%m-%dT%H:%M:%SZ): $owner@$from, before it was dropped"
            sql -e "SHOW CREATE USER $name@$host; SHOW GRANTS FOR $name@$host" | sed 's/$/;/'
        } >>"$kept")
        chmod 0600 "$kept"
        sql -e "DROP USER $name@$host"
    done
done
