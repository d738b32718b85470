# Everything that a front-end shows of itself, in one round trip. Changes nothing.
# Variables: db_name, checksums (yes: of every replicated table), names (to resolve).
. /etc/os-release
tell distribution "$ID"
tell release "${VERSION_ID:-}"
tell machine_id "$(cat /etc/machine-id)"
tell addresses "$(ip -o address show)"
tell package "$(dpkg-query -W -f '${Status} ${Version}' opennebula 2>/dev/null |
    sed -n 's/^install ok installed //p')"
tell packages "$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')"
for name in $names; do
    tell "resolves_${name//[^A-Za-z0-9]/_}" "$(getent ahostsv4 "$name" | awk '{print $1; exit}')"
done

unit() { systemctl show -p "$1" --value opennebula.service; }
tell active "$(unit ActiveState)"
# It reads its configuration as it starts, some seconds before it counts as active.
since=$(unit ExecMainStartTimestamp)
tell since "$(if [ -n "$since" ]; then date -d "$since" +%s; else echo 0; fi)"
[ ! -e /etc/one/oned.conf.next ] || give next </etc/one/oned.conf.next
newest=0
for file in /etc/one/oned.conf /etc/one/monitord.conf; do
    [ -e "$file" ] || continue
    give "$(basename "$file" .conf)" <"$file"
    changed=$(stat -c %Y "$file")
    [ "$changed" -le "$newest" ] || newest=$changed
done
tell configured "$newest"
tell backups "$(find /var/backups/opennebula -name '*.sql.zst' -printf '%s %p\n' 2>/dev/null |
    sort -k2)"

query() { sql "$db_name" -e "$1"; }
if has_mariadb; then
    await_database
    if has_table zone_pool && has_table user_pool && has_table db_versioning; then
        tell users "$(query 'SELECT COUNT(*) FROM user_pool')"
        tell identity "$(query 'SELECT version, timestamp, comment FROM db_versioning ORDER BY oid' |
            head -n 1 | sha256sum | cut -c1-64)"
        tell zone "$(query 'SELECT body FROM zone_pool WHERE oid = 0')"
        tell zone_changed "$(query "SELECT COALESCE(UNIX_TIMESTAMP(update_time), 0)
            FROM information_schema.tables
            WHERE table_schema = '$db_name' AND table_name = 'zone_pool'")"
        # Record 0 is made anew at every start: where the log begins, the others say.
        tell log "$(query 'SELECT log_index, term, (SELECT COALESCE(MIN(log_index), 0) FROM logdb
            WHERE log_index > 0) FROM logdb ORDER BY log_index DESC LIMIT 1')"
    fi
    if [ "$checksums" = yes ] && has_table zone_pool; then
        # What each server keeps for itself differs by design: the log, its Raft state, versions,
        # and what monitord writes past the log.
        tables=$(query 'SHOW TABLES' |
            grep -vxE 'logdb|system_attributes|(local_)?db_versioning|(host|vm)_monitoring' |
            sed 's/.*/`&`/' | paste -sd,)
        tell checksums "$(query "CHECKSUM TABLE $tables" | sort)"
    fi
fi
if [ -s /var/lib/one/one.db ]; then
    tell users 1
    tell identity sqlite
fi
