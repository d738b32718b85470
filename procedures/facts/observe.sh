# Report every fact of a front-end in one round trip. Changes nothing. Each process costs a host more
# time than what it does, so bash itself splits what the programs print.
#: use blocks configuration family hosts_files mariadb marks onedb package_manager shares units vip
#: db_name
#: checksums: yes, for those of every replicated table and of the remotes
#: names: the names to resolve
#: units
#: db_owner: its account in MariaDB
#: files: paths
tell distribution "$ID"
tell release "$VERSION_ID"
tell machine_id "$(cat /etc/machine-id)"
tell hostname "$(</proc/sys/kernel/hostname) $(cat /etc/hostname 2>/dev/null)"
zone=$(readlink /etc/localtime || true)
case $zone in */zoneinfo/*) tell timezone "${zone##*/zoneinfo/}" ;; esac
# A hook that ends before the next question may move an address after it was listed.
hooks=$(raft_hooks)
tell addresses "$(ip -o address show)"
tell packages "$(installed_packages)"
tell pin "$(pinned)"
tell proxy "$(proxy_in_use)"
# After the addresses and before the units: if no hook runs now, it has already started its
# services.
tell hook "$(echo "$hooks"; raft_hooks)"
# A starting oned runs, or fails, within seconds. One that systemd restarts again and again pauses
# between its starts: it counts as stopped.
show_units opennebula.service $units
if [[ ${shown%%$'\n\n'*} =~ SubState=start(-pre|-post)?$'\n' ]]; then
    for _ in {1..150}; do
        case $(systemctl show -p SubState --value opennebula.service) in
            start | start-pre | start-post) sleep 0.2 ;;
            *) break ;;
        esac
    done
    show_units opennebula.service $units
fi
tell_units
for name in $names; do
    found=
    while read -r address _; do
        case " $found " in *" $address "*) ;; *) found=${found:+$found }$address ;; esac
    done < <(getent ahostsv4 "$name" || true)
    tell "resolves_${name//[^A-Za-z0-9]/_}" "$found"
done
tell own_names "$(block_of /etc/hosts)"
template=$(hosts_template)
[ ! -e "$template" ] || tell hosts_template "$template
$(block_of "$template")"
[ ! -d "$(dirname "$cloud_config")" ] ||
    tell keeps_hostname "$([ "$(cat "$cloud_config" 2>/dev/null)" != "$keeping_hostname" ] || echo yes)"
shares=$(block_of /etc/fstab)
tell fstab "$shares"
tell mounted "$(while read -r _ path _; do
    [ -z "$path" ] || ! is_mounted "$path" || echo "$path $(about "$path") $(stamps_on "$path")"
done <<<"$shares")"
tell links "$(find "$datastores" -maxdepth 1 -type l -printf '%f %l\n' 2>/dev/null)"
tell own_links "$(cat "$record" 2>/dev/null)"

# Each hook runs these commands as oneadmin, no matter which file permits them. With -l, sudo also
# succeeds where it would ask for a password.
if getent passwd oneadmin >/dev/null; then
    said=$(LC_ALL=C runuser -u oneadmin -- sudo -n ip address show dev lo 2>&1 >/dev/null </dev/null) ||
        tell sudo_refusal "${said##*$'\n'}"
fi
[ ! -e "$claimed" ] || tell claimed "$(grep -x started "$claimed" || echo installed)"
# Also an oned that a shell or a container started.
tell oned_processes "$(pgrep -af '^oned( |$)|^([^ ]+ )?[^ ]*/oned( |$)' || true)"

for file in "$upgrading" "$migrating" "$converting"; do
    [ ! -e "$file" ] || give "$(basename "$file")" <"$file"
done
if [ -e "$staged/new/version" ]; then
    tell staged "$(cat "$staged"/{new/version,schema,old/version})"
    [ ! -e "$swapping" ] || tell swapping yes
fi
# oned listens there before systemd reports it as active.
tell grpc "$(ss -Hltn 'sport = :2634' 2>/dev/null || echo unknown)"
active='' since=''
while IFS='=' read -r name value; do
    case $name in
        ActiveState) active=$value ;;
        ExecMainStartTimestamp) since=$value ;;
        "") break ;;
    esac
done <<<"$shown"
tell active "$active"
# oned reads its configuration when it starts, some seconds before systemd reports it as active.
tell since "$(if [ -n "$since" ]; then date -d "$since" +%s; else echo 0; fi)"
[ ! -e /etc/one/oned.conf.next ] || give next </etc/one/oned.conf.next
as_it_was /etc/one/monitord.conf
monitord=$now
as_it_was /etc/one/oned.conf
[ ! -e "$now" ] || give oned <"$now"
tell configured "$(stat -c %Y "$now" "$monitord" 2>/dev/null | sort -n | tail -n 1)"
give_files
keys() {
    find -L /var/lib/one/.one /var/lib/one/.ssh -maxdepth 1 -type f \
        \( -name '*_auth' -o -name '*_key' -o -name 'id_*' -o -name authorized_keys \) \
        "$@" 2>/dev/null || true
}
tell keys "$(keys -printf '%m %u:%g %p\n')"
tell key_digests "$(keys -exec sha256sum {} +)"
tell backups "$(find /var/backups/opennebula \
    \( -name '*.sql.zst' -o -name '*.settings.tar.zst' -o -name '*.one.db.zst' \) \
    -printf '%s %p\n' 2>/dev/null | sort -k2)"

# Is there a database server that may hold data? By its files, as a service, or because it answers,
# whatever its unit is called.
has_mariadb() {
    [ -d "$database_folder/$db_name" ] || systemctl -q is-enabled $database_service 2>/dev/null ||
        systemctl -q is-active $database_service 2>/dev/null || sql -e "DO 0" 2>/dev/null
}
# The databases of a stopped server, without MariaDB's own.
database_folders() {
    local folder
    folder=$(my_print_defaults --mysqld 2>/dev/null | sed -n 's/^--datadir=//p' | tail -n 1)
    # The folder, and each database in it, may be a link to another disk.
    { find -H "${folder:-$database_folder}" -mindepth 1 -maxdepth 1 -xtype d -printf '%f\n' 2>/dev/null || true; } |
        grep -vxE 'mysql|performance_schema|sys|lost\+found|#.*' || true
}
# Each start of the client takes time: ask as much as possible at once.
reply() { printf "SELECT CONCAT('@%s ', REPLACE(TO_BASE64(COALESCE((%s), '')), '\\n', ''));\n" "$1" "$2"; }
own="'information_schema', 'mysql', 'performance_schema', 'sys', '$scratch'"
look() { # SQL that may fail where a disk is full
    sql -e "
    SELECT CONCAT_WS(' ', 'database', COUNT(*),
            SUM(table_name IN ('db_versioning', 'user_pool', 'zone_pool')), table_schema)
        FROM information_schema.tables WHERE table_schema NOT IN ($own) GROUP BY table_schema;
    SELECT CONCAT(IF(table_type = 'VIEW', 'other ', 'table '), table_name)
        FROM information_schema.tables WHERE table_schema = '$db_name';
    $1
    SELECT CONCAT('account ', host) FROM mysql.user WHERE user = '$db_owner'"
}
said=
if ! has_mariadb; then
    # Observing must not start a database server, so its content stays unknown.
    tell unseen "$(database_folders)"
elif ! said=$(look "SELECT CONCAT('other ', name) FROM ($further) AS further;" 2>/dev/null) && ! database_answers; then
    said=$(sql -e "DO 0" 2>&1 || true)
    tell silent "${said:-no answer}"
    tell unseen "$(database_folders)"
else
    # If this misses a database, the script that drops databases still finds it.
    said=${said:-$(look "")}
    databases='' tables='' objects='' asked=''
    while read -r kind name; do
        case $kind in
            database) databases+=$name$'\n' ;;
            table) tables+=$name$'\n' objects+=$name$'\n' ;;
            other) objects+=$name$'\n' ;;
            account) asked+="SELECT '@$name'; SHOW GRANTS FOR '$db_owner'@'$name';" ;;
        esac
    done <<<"$said"
    tell databases "$databases"
    tell objects "$objects"
    said=$(sql --force 2>/dev/null <<<"$asked SHOW CREATE USER '$db_owner'@'localhost';
        SELECT '= replication'; $replication;" || true)
    # It is the first line if there is no such account.
    replicas='' granted='' two_passwords='' part=accounts
    while IFS= read -r line; do
        case $part:$line in
            *:) ;;
            *:"= replication") part=replication ;;
            replication:*) replicas+=$line$'\n' ;;
            *:"CREATE USER "*) [[ $line != *" OR "* ]] || two_passwords=yes ;;
            *) granted+=${line%% IDENTIFIED *}$'\n' ;;
        esac
    done <<<"$said"
    tell replication "$([ -z "$replicas" ] || printf %s "$replicas" | replication_in)"
    tell accounts "$granted"
    tell two_passwords "$two_passwords"
    tables=${tables%$'\n'}
    if [ "$(grep -cxE '(zone|user)_pool|db_versioning' <<<"$tables")" = 3 ]; then
        # oned creates record 0 at every start: the other records show where the log begins.
        {
            reply schema "$schema"
            reply users "SELECT COUNT(*) FROM user_pool"
            reply identity "$identity"
            reply zone "SELECT body FROM zone_pool WHERE oid = 0"
            reply zones "SELECT GROUP_CONCAT(CONCAT(oid, ' ', name) ORDER BY oid SEPARATOR '\n')
                FROM zone_pool"
            reply zone_changed "SELECT UNIX_TIMESTAMP(update_time) FROM information_schema.tables
                WHERE table_schema = '$db_name' AND table_name = 'zone_pool'"
            reply log "SELECT CONCAT_WS(' ', log_index, term, (SELECT COALESCE(MIN(log_index), 0)
                FROM logdb WHERE log_index > 0)) FROM logdb ORDER BY log_index DESC LIMIT 1"
        } | sql "$db_name"
    fi
    if [ "$checksums" = yes ] && grep -qx zone_pool <<<"$tables"; then
        # Tables in which servers differ by design: the log, Raft's state, versions, and what
        # monitord writes without the log.
        tables=$(grep -vxE 'logdb|system_attributes|(local_)?db_versioning|(host|vm)_monitoring' \
            <<<"$tables" | sed 's/`/``/g; s/.*/`&`/' | paste -sd,)
        tell checksums "$(sql "$db_name" -e "CHECKSUM TABLE $tables" | sort)"
    fi
fi
if [ "$checksums" = yes ]; then
    tell remotes "$(for part in /var/lib/one/remotes/*; do
        ours=(-type f -not -name '*.pyc')
        {
            find "$part" "${ours[@]}" -printf '%m %P\n' | sort
            find "$part" "${ours[@]}" -print0 | sort -z | xargs -0r cat
        } | sha256sum | sed "s|-\$|$part|"
    done)"
fi
if [ -s /var/lib/one/one.db ]; then
    tell sqlite "$(stat -c %s /var/lib/one/one.db) $(schema_in <"$onedb_schema" || true)"
fi
