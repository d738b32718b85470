# Stop and disable what the installation has set up. The data is removed only with purge. MariaDB
# itself stays: other programs may use it.
#: use blocks database_account dumps hosts_files mariadb marks package_manager programs shares transfer
#: features: units
#: purge: yes or no
#: db_name
#: database: mine: it is removed; none: MariaDB has none; anything else: it stays
#: account: of the database, as SQL has it; or nothing
#: grant: the beginning of our own grant
mount_points() { # FOLDER: those in it, one per line
    awk '{print $5}' /proc/self/mountinfo | while read -r path; do printf '%b\n' "$path"; done |
        awk -v below="$1/" 'index($0, below) == 1' | sort -u
}
# Remove a folder, but nothing that is mounted in it: a bind mount is on the same file system.
remove_folder() {
    local path others=()
    [ -d "$1" ] && [ ! -L "$1" ] || { rm -f "$1"; return; }
    while read -r path; do
        step "keep what is mounted on $path"
        others+=(-path "$(sed 's/[][*?\\]/\\&/g' <<<"$path")" -prune -o)
    done < <(mount_points "$1")
    find "$1" "${others[@]}" ! -type d -print0 | xargs -0r rm -f
    find "$1" "${others[@]}" -type d -print0 | sort -rz |
        xargs -0r rmdir --ignore-fail-on-non-empty 2>/dev/null || true
}
step "stop and disable the services"
# Left by an interrupted installation.
[ ! -e "$claimed" ] || systemctl --no-reload unmask opennebula.service 2>/dev/null || true
for unit in opennebula opennebula-hem $features; do
    systemctl disable --now "$unit.service" 2>/dev/null || true
done
drop_programs
end_trust
drop_incoming
unclaim
for file in $(hosts_files); do remove_block "$file"; done
rm -f "$cloud_config"
# Before anything is deleted: data on shares also belongs to other hosts.
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
        step "keep the database that DB points to, and $db_name"
        # Another program that continues with this OpenNebula needs them.
        keep_settings purge
    fi
    [ -z "$account" ] || drop_account "$account" "$grant"
    [ -z "$(theirs_here)" ] || remove_packages 'opennebula*'
    for folder in /var/lib/one /var/lib/opennebula-ha /etc/one; do remove_folder "$folder"; done
fi
if [ "$purge" = yes ] || [ -z "$(installed opennebula)" ]; then
    forget_source
    use_proxy ""
fi
tell left "$(theirs_here | paste -sd' ')"
