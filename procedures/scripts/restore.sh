# Put the received database in place of this host's own, with its SERVER_ID set before that.
# Variables: db_name, login, marker, may_replace (yes: its content belongs to this zone), alone
# (yes: from a kept dump, for the first server of a new zone); secret: oned_conf (the whole file,
# with the SERVER_ID).
incoming=/var/lib/opennebula-ha/incoming

step "end the trust for the transfer"
end_trust

step "restore the database"
await_database
users=$(count_users)
[ "$users" -eq 0 ] || [ "$may_replace" = yes ] || refuse "an empty database" \
    "one with $users users" "if nothing in it is needed, drop the database and run again"
dump=$(ls "$incoming"/*.sql.zst)
scratch="${db_name}_incoming"
sql -e "DROP DATABASE IF EXISTS \`$scratch\`; CREATE DATABASE \`$scratch\`"
# The log of this import is of no use to anybody; without it, it takes half the time.
zstd -dc "$dump" | sql --init-command='SET SESSION sql_log_bin=0, foreign_key_checks=0' "$scratch"
if [ "$alone" = yes ]; then
    tar -C "$incoming" --zstd -xf "$incoming"/*.keys.tar.zst
    # The servers of then are gone.
    sql "$scratch" -e "UPDATE zone_pool SET body = REGEXP_REPLACE(body,
        '(?s)<SERVER_POOL>.*</SERVER_POOL>', '<SERVER_POOL></SERVER_POOL>') WHERE oid = 0"
fi

step "set SERVER_ID"
put_conf "$oned_conf"

step "take over the keys and the remotes"
# Two that were made in the same second, of one size, are not the same file.
for folder in .one .ssh; do
    [ -d "$incoming/$folder" ] || continue
    rsync -a --checksum --chown=oneadmin:oneadmin "$incoming/$folder/" "/var/lib/one/$folder/"
done
if [ -d "$incoming/remotes" ]; then
    rsync -a --checksum --delete --chown=oneadmin:oneadmin "$incoming/remotes/" /var/lib/one/remotes/
fi

step "put the database in place"
# All tables change their place in one statement: the database is the old one, empty, or whole.
moves=$(sql -e "SELECT CONCAT('\`$scratch\`.\`', table_name, '\` TO \`$db_name\`.\`', table_name, '\`')
    FROM information_schema.tables WHERE table_schema = '$scratch'" | paste -sd,)
sql -e "DROP DATABASE IF EXISTS \`$db_name\`; CREATE DATABASE \`$db_name\`; RENAME TABLE $moves"
sql -e "DROP DATABASE \`$scratch\`"
rm -rf /var/lib/opennebula-ha
