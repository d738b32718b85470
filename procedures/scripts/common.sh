# What several scripts do alike. Variables, where used: db_name; login and marker.

# Stop oned and keep it from starting by itself. Where it was never installed there is nothing to do.
stop_oned() {
    step "stop oned"
    systemctl disable opennebula.service 2>/dev/null || true
    systemctl stop opennebula.service 2>/dev/null || true
    local state
    state=$(systemctl show -p ActiveState --value opennebula.service)
    case $state in
        inactive | failed) ;;
        *) refuse "oned to stop" "it is $state" \
            "look at journalctl -u opennebula on the host, then run again" ;;
    esac
}
# Start or restart oned ($1). Where it does not start, why is what it and systemd said meanwhile.
# The unit allows 3 starts in 60 s: systemd counts from here.
try_oned() {
    local log=/var/log/one/oned.log begun size
    begun=$(date +%s)
    size=$(stat -c %s "$log" 2>/dev/null || echo 0)
    systemctl reset-failed opennebula.service 2>/dev/null || true
    ! systemctl "$1" opennebula.service || return 0
    journalctl --sync 2>/dev/null || true
    why=$(journalctl -u opennebula --since "@$begun" --no-pager -o cat | tail -n 6
        tail -c "+$((size + 1))" "$log" 2>/dev/null | grep -E '\[E\]' | tail -n 4)
    return 1
}
# The same; $2 and $3: what was expected, and what to do where it is not so.
run_oned() { try_oned "$1" || refuse "$2" "$why" "$3"; }
# All of oned.conf, for the next start: none waits for a rollout then.
conf=/etc/one/oned.conf
put_conf() {
    put "$conf" "$1"
    rm -f "$conf.next" "$conf.before"
}
drop_address() {
    ip -o address show | awk -v address="$1" 'index($4, address "/") == 1 {print $2, $4}' |
        while read -r device found; do ip address del "$found" dev "$device"; done
}
authorized_keys() { printf '%s/.ssh/authorized_keys' "$(getent passwd "$login" | cut -d: -f6)"; }
end_trust() {
    [ ! -e "$(authorized_keys)" ] || sed -i "/ $marker\$/d" "$(authorized_keys)"
    rm -rf /run/opennebula-ha
}

sql() { "$(command -v mariadb || command -v mysql)" --batch --skip-column-names --raw "$@"; }
has_table() {
    [ "$(sql -e "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = '$db_name' AND table_name = '$1'")" -gt 0 ]
}
# Waits for one that is on its way up, not for one that was stopped.
database_answers() {
    local seconds
    for seconds in $(seq 60); do
        ! sql -e "DO 0" 2>/dev/null || return 0
        case $(systemctl show -p ActiveState --value mariadb.service) in
            inactive | failed)
                [ -n "$(systemctl list-jobs --no-legend mariadb.service 2>/dev/null)" ] || return 1
                ;;
        esac
        sleep 0.5
    done
    return 1
}
# A database that does not answer must never pass for an empty one.
await_database() {
    database_answers || refuse "MariaDB to answer root on its socket" "$(sql -e "DO 0" 2>&1)" \
        "start MariaDB (systemctl start mariadb) and look at its journal, then run again"
}
# Whether there is a database server that may hold something of ours.
has_mariadb() {
    [ -d "/var/lib/mysql/$db_name" ] || systemctl -q is-enabled mariadb.service 2>/dev/null
}
count_users() {
    if has_table user_pool; then
        sql -e "SELECT COUNT(*) FROM \`$db_name\`.user_pool"
    else
        echo 0
    fi
}
