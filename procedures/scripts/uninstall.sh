# Stop and disable what the installation brought; the data goes only where purge is yes.
# Variables: features (units), purge, db_name, db_owner, mariadb. MariaDB itself stays: it may
# serve others.
step "stop and disable the services"
for unit in opennebula $features; do
    systemctl disable --now "$unit.service" 2>/dev/null || true
done
drop_programs
end_trust
drop_incoming
remove_block /etc/hosts
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
    if [ "$mariadb" = yes ]; then
        sql -e "DROP DATABASE IF EXISTS \`$db_name\`; DROP USER IF EXISTS '$db_owner'@'localhost'"
    fi
    remove_packages 'opennebula*'
    rm -rf --one-file-system /var/lib/one /var/lib/opennebula-ha /etc/one
    forget_source
    use_proxy ""
fi
