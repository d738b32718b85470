# Stop and disable what the installation brought; the data goes only where purge is yes.
# Variables: features (units), purge, db_name, database (mine: it goes; none: there is none in MariaDB;
# or anything: it stays), account (of the database, as SQL has it; or nothing), grant (the beginning
# of ours). MariaDB itself stays: it may serve others.
step "stop and disable the services"
for unit in opennebula $features; do
    systemctl disable --now "$unit.service" 2>/dev/null || true
done
drop_programs
end_trust
drop_incoming
unclaim
for file in $(hosts_files); do remove_block "$file"; done
rm -f "$cloud_config"
# Before anything is deleted: what is on the shares is not this host's alone.
while read -r id target; do
    [ -z "$id" ] || unlink_datastore "$id" "$target"
done < <(cat "$record" 2>/dev/null)
for path in $(block_of /etc/fstab | awk '{print $2}' | sort -r); do unmount "$path"; done
rm -f "$record"
[ ! -e /etc/fstab ] || remove_block /etc/fstab
systemctl daemon-reload
if [ "$purge" = yes ]; then
    step "purge OpenNebula and its data"
    if [ "$database" = mine ]; then
        sql -e "DROP DATABASE IF EXISTS \`$db_name\`"
    elif [ "$database" != none ]; then
        step "leave the database that DB points to, and $db_name"
        # Whoever goes on with it needs them.
        keep_settings purge
    fi
    [ -z "$account" ] || drop_account "$account" "$grant"
    remove_packages 'opennebula*'
    rm -rf --one-file-system /var/lib/one /var/lib/opennebula-ha /etc/one
    forget_source
    use_proxy ""
fi
