# Put the received database in place, with its SERVER_ID already set.
#: use configuration copies dumps mariadb marks transfer
#: db_name
#: may_replace: yes: its content belongs to this zone
#: secret oned_conf: the whole file, with the SERVER_ID
#: secret one_auth: the wanted text of the file, for a kept dump and the first server of a new zone
step "revoke the transfer's access"
end_trust

step "restore the database"
await_database
require_replaceable
if [ "$may_replace" = yes ]; then
    former=$(identity_of "$db_name")
    [ -z "$former" ] || [ "$former" = "$(identity_of "$scratch")" ] ||
        refuse "a copy of this zone's database, or none" "another OpenNebula's in $db_name" \
            "if nothing in it is needed, stop opennebula there and drop it; then run again"
fi
if [ -n "$one_auth" ]; then
    import_dump "$incoming"/*.sql.zst
    # tar on EL 8 does not know zstd.
    zstd -dc "$incoming"/*.keys.tar.zst | tar -C "$incoming" -xf -
    # The servers in the dump do not exist any more.
    sql "$scratch" -e "UPDATE zone_pool SET body = REGEXP_REPLACE(body,
        '(?s)<SERVER_POOL>.*</SERVER_POOL>', '<SERVER_POOL></SERVER_POOL>') WHERE oid = 0"
    # oneadmin's password may have changed since the dump.
    digest=$(printf %s "${one_auth#*:}" | sha256sum | cut -d ' ' -f 1)
    sql "$scratch" <<<"UPDATE user_pool SET body = REGEXP_REPLACE(body, '<PASSWORD>[^<]*</PASSWORD>',
        '<PASSWORD>$digest</PASSWORD>') WHERE oid = 0 AND body LIKE '%<AUTH_DRIVER>core</AUTH_DRIVER>%'"
fi

keep_settings copy
[ "$may_replace" = yes ] || claim_data

step "set SERVER_ID"
put_conf "$oned_conf"

step "put the keys and the remotes in place"
# Two files with the same time and size may still differ. A link could lead to files of this host, a
# device file to its disks.
for folder in .one .ssh remotes; do
    [ ! -L "$incoming/$folder" ] || rm "$incoming/$folder"
done
for folder in .one .ssh; do
    [ -d "$incoming/$folder" ] || continue
    rsync -a --no-D --checksum --chown=oneadmin:oneadmin "$incoming/$folder/" "/var/lib/one/$folder/"
done
[ -z "$one_auth" ] || put /var/lib/one/.one/one_auth "$one_auth"
if [ -d "$incoming/remotes" ]; then
    # Drivers and hooks that only this host has are kept.
    replaced=/var/backups/opennebula/$(date -u +%Y%m%dT%H%M%SZ)-before-copy-remotes
    (
        umask 077
        mkdir -p "${replaced%/*}"
        rsync -a --no-D --checksum --delete --backup --backup-dir="$replaced" \
            --chown=oneadmin:oneadmin "$incoming/remotes/" /var/lib/one/remotes/
        [ -d "$replaced" ] || exit 0
        tar -C "$replaced" -cf - . | zstd -q >"$replaced.settings.tar.zst"
        rm -rf "$replaced"
    )
fi

step "put the database in place"
put_in_place
rm -f "$migrating"
drop_incoming
