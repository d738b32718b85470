# What several scripts do alike. Variables, where used: db_name; files.

# The account that this program logs in as.
login=${SUDO_USER:-root}

# Each of the files that is there: MODE OWNER PATH TEXT.
give_files() {
    local file now
    tell files "$(for file in $files; do
        as_it_was "$file"
        [ ! -f "$now" ] || echo "$(stat -L -c '%a %U:%G' "$now") $file $(base64 -w0 <"$now")"
    done)"
}

# Units as systemd has them, with the seconds that the host is up for. Sets shown.
tell_units() { # UNIT...
    shown=$(systemctl show -p Id -p UnitFileState -p ActiveState -p NRestarts \
        -p ActiveEnterTimestampMonotonic -p ExecMainStartTimestamp -p MainPID "$@")
    tell units "$shown"
    # When a process that has just begun did so. /proc/uptime is another one in some containers.
    tell uptime "$(awk '{print $22 / 100}' /proc/self/stat)"
}
# Units that start by themselves from now on. systemd reads all units anew after each change of one,
# with a process for each way in which units are made: it is told of all at once, or of nothing.
keep_enabled() { # UNIT...
    local unit masked=() missing=()
    for unit in "$@"; do
        case $(systemctl is-enabled "$unit" 2>/dev/null || true) in
            enabled) ;;
            masked*) masked+=("$unit") missing+=("$unit") ;;
            *) missing+=("$unit") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ ${#masked[@]} = 0 ] || systemctl --no-reload unmask "${masked[@]}" 2>/dev/null
    systemctl enable "${missing[@]}" 2>/dev/null
}
# Stop oned and keep it from starting by itself. Where it was never installed there is nothing to do.
stop_oned() {
    step "stop oned"
    if systemctl -q is-enabled opennebula.service 2>/dev/null; then
        systemctl --no-reload disable opennebula.service 2>/dev/null || true
        await_stoppable
        systemctl --no-block stop opennebula.service 2>/dev/null || true
        # While it stops.
        systemctl daemon-reload
    fi
    halt_oned
}
state_of_oned() { systemctl show -p ActiveState --value opennebula.service; }
# A stop within seconds after the start may never end: a thread of oned's waits for one that has just
# begun. Systemd knows when it said that it was ready.
await_stoppable() {
    local ready pause
    ready=$(systemctl show -p ActiveEnterTimestampMonotonic --value opennebula.service)
    [ "$(state_of_oned)" = active ] && [ "${ready:-0}" -gt 0 ] || return 0
    # Of a process that has just begun, as in tell_units.
    pause=$(awk -v ready="$ready" '{pause = 4 + ready / 1e6 - $22 / 100; if (pause > 0) print pause}' \
        /proc/self/stat)
    [ -z "$pause" ] || sleep "$pause"
}
# Wait for the end of an oned that is being stopped. One that has ended all of its modules and runs on
# waits for a thread that never ends: systemd would kill it after 90 s, and nothing is lost by that.
await_stopped() {
    local finished=0
    for _ in $(seq 850); do
        [ "$(state_of_oned)" = deactivating ] || return 0
        if has_finished; then finished=$((finished + 1)); fi
        if [ "$finished" = 25 ]; then
            step "kill oned: it has ended all of its modules, and hangs in its exit"
            systemctl kill --signal=KILL --kill-who=main opennebula.service || true
        fi
        sleep 0.2
    done
}
# Its hooks may take longer than itself: those are left alone.
has_finished() {
    [ "$(systemctl show -p SubState --value opennebula.service)" = stop-sigterm ] &&
        [ "$(systemctl show -p MainPID --value opennebula.service)" -gt 0 ] &&
        tail -n 4 /var/log/one/oned.log 2>/dev/null | grep -q 'All modules finalized, exiting\.'
}
# Stop oned, whatever it does.
end_oned() {
    await_stoppable
    systemctl --no-block stop opennebula.service 2>/dev/null || true
    for _ in $(seq 25); do
        # Its job has begun by then.
        [ "$(state_of_oned)" = active ] || break
        sleep 0.2
    done
    await_stopped
}
# Stop it, but it starts again with the host.
halt_oned() {
    end_oned
    local state
    state=$(state_of_oned)
    case $state in
        inactive | failed) ;;
        *) refuse "oned to stop" "it is $state" \
            "look at journalctl -u opennebula on the host, then run again" ;;
    esac
}
# Run the package manager, or a function that does; what it says is in said. As long as another program
# has its lock it is asked again, for lock_patience seconds in all of this script.
lock_waited=0
ask() { # COMMAND...
    local status holder told= began
    while true; do
        began=$SECONDS status=0
        said=$("$@" 2>&1) || status=$?
        if [ "$status" = 0 ] || ! holder=$(lock_holder "$status"); then return "$status"; fi
        holder=${holder:-another program}
        if [ "$lock_waited" -ge "$lock_patience" ]; then
            refuse "$manager to get its lock within $lock_patience s" "$holder has it" \
                "let that end, or stop it if it hangs (ps -ef on the host shows it); to keep unattended upgrades away, set opennebula-ha:unattend_disable: true; then run again" >&8
        fi
        if [ "$holder" != "$told" ]; then
            step "wait up to $lock_patience s for the lock of $manager: $holder has it" >&8
            told=$holder
        fi
        sleep 1
        lock_waited=$((lock_waited + SECONDS - began))
    done
}
process() { # PID, in words
    echo "$(cat "/proc/$1/comm" 2>/dev/null || echo a process that has ended) (process $1)"
}
# What an operator can do about what the package manager said.
package_remedy() {
    case $(package_fault) in
        blocked) echo "see which package is in the way: held back, or from another repository; release or remove it on the host, then run again" ;;
        script) echo "the script of that package failed: correct what it says on the host ($package_log has all of it), then run again" ;;
        unreachable) echo "see that the host reaches that address, or correct its repositories or opennebula-ha:pkg_cache_proxy; then run again" ;;
        *) echo "run the same with $manager on the host to see all that it says; once that succeeds there, run again" ;;
    esac
}
# Packages that wait for their turn: new/ and, for the way back, old/, the repository, and what they are.
staged=/var/lib/opennebula-ha/staged
# Says that the zone's database changes its version: LEADER PACKAGE DATABASE. No oned starts meanwhile.
upgrading=/var/lib/opennebula-ha/upgrading
# The dump that the database was upgraded from, while that is not done.
migrating=/var/lib/opennebula-ha/migrating
# Says that this program saw the host blank, and that there is no database on it yet: what it has of
# OpenNebula since then is ours to replace. "new" in it: it had no package, either.
claimed=/var/lib/opennebula-ha/claimed
claim() { # new, or anything
    [ ! -e "$claimed" ] || return 0
    mkdir -p "$(dirname "$claimed")"
    put "$claimed" "$1"
}
# From here on the keys in .one and the tables of the database are made, or received, by us.
claim_data() {
    mkdir -p "$(dirname "$claimed")"
    put "$claimed" started
}
unclaim() {
    rm -f "$claimed"
    rmdir --ignore-fail-on-non-empty "$(dirname "$claimed")" 2>/dev/null || true
}
# Names the database that OpenNebula's data come to from SQLite, while they do.
converting=/var/lib/opennebula-ha/converting
# Configuration files as they were; there only while packages are replaced.
kept=/var/lib/opennebula-ha/configuration
as_it_was() { # sets now, to the path
    now=$kept$1
    [ -e "$now" ] || now=$1
}
# The version of the database that onedb's own file on standard input names.
schema_in() { sed -n "s/.*LATEST_\(LOCAL_\)\?DB_VERSION *= *'\([0-9.]*\)'.*/\2/p" | sort -u | paste -sd/; }
onedb_schema=/usr/lib/one/ruby/onedb/database_schema.rb
# Packages of a folder below $staged in the place of those that are there.
swap_packages() {
    local folder=$staged/$1 units
    step "install OpenNebula $(cat "$folder/version")"
    units=$({ systemctl list-unit-files --no-legend opennebula.service \
        opennebula-{fireedge,flow,gate,form}.service || true; } | awk '{print $1}')
    # Nothing half installed may run: neither by a package's own script, nor after a crash.
    systemctl mask $units 2>/dev/null
    install_files "$folder" || refuse "$manager to install what waits in $folder" \
        "$(tail -n 8 <<<"$said")" "$(package_remedy)"
    pin
    systemctl unmask $units 2>/dev/null
}
has_packages() { compgen -G "$staged/$1/*.$extension" >/dev/null; }
# What was staged is in effect: from here on its repository is the one of this host.
end_stage() {
    [ -e "$staged/new/version" ] || return 0
    use_source "$staged"
    rm -rf "$staged"
}
# Start or restart oned ($1). Where it does not start, why is what it and systemd said meanwhile.
# The unit allows 3 starts in 60 s, and so do those that its hook starts: systemd counts from here.
try_oned() {
    local log=/var/log/one/oned.log begun size
    begun=$(date +%s)
    size=$(stat -c %s "$log" 2>/dev/null || echo 0)
    systemctl reset-failed opennebula{,-flow,-gate,-form}.service 2>/dev/null || true
    if [ "$1" = restart ]; then end_oned; else await_stopped; fi
    if systemctl start opennebula.service; then
        # It has its database now.
        unclaim
        return 0
    fi
    journalctl --sync 2>/dev/null || true
    # What sudo says of the hooks is not it.
    why=$(journalctl -u opennebula --since "@$begun" --no-pager -o cat |
        grep -vE "pam_unix|COMMAND=" | tail -n 6
        tail -c "+$((size + 1))" "$log" 2>/dev/null | grep -E '\[E\]' | tail -n 4)
    return 1
}
# FireEdge makes a key of its own where it finds none, and all front-ends must have the same: each
# makes it of the zone's key, which they have in common.
make_gui_key() {
    local key=/var/lib/one/.one/fireedge_key zone=/var/lib/one/.one/one_key
    [ ! -s "$key" ] && [ -s "$zone" ] || return 0
    systemctl -q is-enabled opennebula-fireedge.service 2>/dev/null || return 0
    (umask 077 && { echo fireedge_key && cat "$zone"; } | sha256sum | head -c 32 | tr a-f A-F >"$key")
    chown oneadmin:oneadmin "$key"
}
# Every front-end serves the GUI, with the key and the credentials that have arrived by now. Flow,
# gate and form are the leader's alone: the Raft hook starts them.
restart_gui() {
    systemctl -q is-enabled opennebula-fireedge.service 2>/dev/null || return 0
    # Its unit, too, allows 3 starts in 60 s.
    systemctl reset-failed opennebula-fireedge.service 2>/dev/null || true
    systemctl restart --no-block opennebula-fireedge.service
}
# The same as try_oned; $2 and $3: what was expected, and what to do where it is not so.
run_oned() {
    [ ! -e "$upgrading" ] || refuse "no change of the database's version under way" "$upgrading" \
        "run pulumi up: it resumes that; without it, no oned of this zone may start"
    try_oned "$1" || refuse "$2" "$why" "$3"
}
# All of oned.conf, for the next start: none waits for a rollout then.
conf=/etc/one/oned.conf
put_conf() {
    put "$conf" "$1"
    rm -f "$conf.next" "$conf.before"
}
# What this program puts on a host beside OpenNebula's own files.
leader_socket=opennebula-ha-leader.socket
drop_programs() {
    systemctl disable --now "$leader_socket" 2>/dev/null || true
    rm -f "/etc/systemd/system/$leader_socket" /etc/systemd/system/opennebula-ha-leader@.service \
        /etc/systemd/system/opennebula-{gate,flow,form}.service.d/opennebula-ha.conf \
        /etc/sudoers.d/opennebula-ha /var/lib/one/remotes/hooks/raft/vips.sh
    rm -rf /usr/local/lib/opennebula-ha
    rmdir /etc/systemd/system/opennebula-{gate,flow,form}.service.d 2>/dev/null || true
}
drop_address() {
    ip -o address show | awk -v address="$1" 'index($4, address "/") == 1 {print $2, $4}' |
        while read -r device found; do ip address del "$found" dev "$device"; done
}
# Where what a leader sends arrives: its files, and its database. Who runs the import while it does,
# one at a time.
incoming=/var/lib/opennebula-ha/incoming
scratch=opennebula_ha_incoming
importing=opennebula-ha-import.service
import="systemd-run --quiet --pipe --wait --collect --setenv=HOME=/root --unit=$importing \
bash /run/opennebula-ha/import"
# Says that from here on it is rsync that speaks.
receives=opennebula-ha-receives
home_of() { { getent passwd "$1" || true; } | cut -d: -f6; }
ssh_folder() { home_of "$1" | sed 's,$,/.ssh,'; }
# What sshd does with a login of that account from that address: a line for each of its settings.
sshd_settings() { # ACCOUNT ADDRESS
    local sshd
    sshd=$(command -v sshd || echo /usr/sbin/sshd)
    "$sshd" -T -C "user=$1,host=$2,addr=$2" 2>/dev/null || "$sshd" -T 2>/dev/null || true
}
# Where sshd looks for the keys of an account: the first place that is a file, links resolved.
authorized_keys() { # ACCOUNT
    local file home
    home=$(home_of "$1")
    file=$(sshd_settings "$1" 127.0.0.1 | awk '$1 == "authorizedkeysfile" && $2 != "none" {print $2}')
    file=${file:-.ssh/authorized_keys}
    file=${file//%%/$'\1'}
    file=${file//%h/$home}
    file=${file//%u/$1}
    file=${file//%U/$(id -u "$1")}
    file=${file//$'\1'/%}
    case $file in /*) ;; *) file=$home/$file ;; esac
    readlink -m "$file"
}
# That file, empty, where there is none; sshd reads it as that account.
make_authorized_keys() { # ACCOUNT FILE
    local folder owner=root:root mode=0644
    [ ! -e "$2" ] || return 0
    folder=$(dirname "$2")
    case $2 in
        "$(readlink -m "$(home_of "$1")")"/*)
            owner=$1:$(id -gn "$1") mode=0600
            [ -d "$folder" ] || install -d -o "$1" -g "$(id -gn "$1")" -m 0700 "$folder"
            ;;
        *) [ -d "$folder" ] || install -d -m 0755 "$folder" ;;
    esac
    install -o "${owner%:*}" -g "${owner#*:}" -m "$mode" /dev/null "$2"
}
# Ends the line of a transfer's key there.
marker=opennebula-ha-transfer
# What arrived goes, and the folder with it unless something waits in it for its turn.
drop_incoming() {
    [ -d "$incoming" ] || return 0
    systemctl stop "$importing" 2>/dev/null || true
    sql -e "DROP DATABASE IF EXISTS $scratch" 2>/dev/null || true
    rm -rf "$incoming"
    rmdir --ignore-fail-on-non-empty /var/lib/opennebula-ha 2>/dev/null || true
}
end_trust() {
    local keys
    keys=$(authorized_keys "$login")
    ! grep -qs " $marker\$" "$keys" || sed -i "/ $marker\$/d" "$keys"
    rm -rf /run/opennebula-ha
}

sql() { "$(command -v mariadb || command -v mysql)" --batch --skip-column-names --raw "$@"; }
quoted() { # TEXT, as a string in SQL
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\'\'}"
}
has_table() {
    [ "$(sql -e "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = '$db_name' AND table_name = '$1'")" -gt 0 ]
}
# Waits for one that is on its way up, not for one that was stopped.
database_answers() {
    local seconds
    for seconds in $(seq 60); do
        ! sql -e "DO 0" 2>/dev/null || return 0
        case $(systemctl show -p ActiveState --value $database_service) in
            inactive | failed)
                [ -n "$(systemctl list-jobs --no-legend $database_service 2>/dev/null)" ] || return 1
                ;;
        esac
        sleep 0.5
    done
    return 1
}
# A database that does not answer must never pass for an empty one.
await_database() {
    database_answers || refuse "MariaDB to answer root on its socket" "$(sql -e "DO 0" 2>&1)" \
        "start MariaDB (systemctl start $database_service) and look at its journal, then run again"
}
# Whether there is a database server that may hold something: by its data, as a service, or because
# it answers, whatever its unit is called.
has_mariadb() {
    [ -d "$database_folder/$db_name" ] || systemctl -q is-enabled $database_service 2>/dev/null ||
        systemctl -q is-active $database_service 2>/dev/null || sql -e "DO 0" 2>/dev/null
}
# The databases of one that does not run, but for MariaDB's own.
database_folders() {
    local folder
    folder=$(my_print_defaults --mysqld 2>/dev/null | sed -n 's/^--datadir=//p' | tail -n 1)
    { find "${folder:-$database_folder}" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' 2>/dev/null || true; } |
        grep -vxE 'mysql|performance_schema|sys|lost\+found|#.*' || true
}
# What a database has besides tables.
further="SELECT routine_name AS name FROM information_schema.routines WHERE routine_schema = '${db_name:-}'
    UNION ALL SELECT event_name FROM information_schema.events WHERE event_schema = '${db_name:-}'"
# The version of a database.
schema="SELECT COALESCE(GROUP_CONCAT(DISTINCT version ORDER BY version SEPARATOR '/'), '') FROM (
    (SELECT version FROM db_versioning ORDER BY oid DESC LIMIT 1) UNION ALL
    (SELECT version FROM local_db_versioning ORDER BY oid DESC LIMIT 1)) AS newest"
schema_of() { sql "$1" -e "$schema"; }
# Equal for two databases that are copies of one.
identity="SELECT SHA2(CONCAT(version, '\t', timestamp, '\t', COALESCE(comment, ''), '\n'), 256)
    FROM db_versioning ORDER BY oid LIMIT 1"
identity_of() { sql "$1" -e "$identity" 2>/dev/null || true; }
# No database goes but an empty one, one of a bootstrap of ours that was cut off, or a copy of this
# zone's. Variable: may_replace (yes: it is such a copy).
require_replaceable() {
    local there kept
    there=$(sql -e "SELECT table_name FROM information_schema.tables
        WHERE table_schema = '$db_name' UNION ALL $further")
    [ -n "$there" ] && [ "$may_replace" != yes ] || return 0
    if grep -qsx started "$claimed" && [ "$(count_users)" = 0 ]; then
        # Most likely ours. If not, nothing of it is lost.
        kept=/var/backups/opennebula/$(date -u +%Y%m%dT%H%M%SZ)-of-none-before-bootstrap.sql.zst
        (
            umask 077
            mkdir -p "$(dirname "$kept")"
            "$(command -v mariadb-dump || command -v mysqldump)" --single-transaction --routines \
                --events --hex-blob "$db_name" | zstd -q >"$kept"
        )
        return 0
    fi
    refuse "no database $db_name, or an empty one" "$(head -n 3 <<<"$there" | paste -sd' ') in it" \
        "set opennebula-ha:db_name to a name that is free; or, if nothing in it is needed, drop it; then run again"
}
# A dump on standard input is imported beside the database.
make_scratch() { sql -e "DROP DATABASE IF EXISTS $scratch; CREATE DATABASE $scratch"; }
fill_scratch() {
    # A newer release begins its dumps with a line that an older one's client rejects. The log of
    # this import is of no use to anybody; without it, it takes half the time.
    zstd -dc | {
        IFS= read -r line || true
        [[ $line == '/*'*999999* ]] || printf '%s\n' "$line"
        cat
    } | sql --init-command='SET SESSION sql_log_bin=0, foreign_key_checks=0' "$scratch"
}
import_dump() { # FILE
    make_scratch
    fill_scratch <"$1"
}
# The stack's database and its account. That may have this password already, and the one that a running
# oned logs in with beside it. Variables: account, identify, db_owner, db_password.
make_account() {
    set_account "$account"
    MYSQL_PWD=$db_password "$(command -v mariadb || command -v mysql)" --no-defaults \
        --user="$db_owner" --execute="DO 0" 2>/dev/null || set_account "$identify"
}
set_account() { # SQL
    local said remedy="run 'mariadb' as root on the host to see whether it accepts CREATE USER and GRANT; then run again"
    said=$(sql <<<"$1" 2>&1) && return 0
    case $said in
        *"ERROR 1819"*) remedy="choose another opennebula-ha:db_password, or change MariaDB's password policy there; then run again" ;;
    esac
    refuse "MariaDB to set up the account $db_owner" "$said" "$remedy"
}
# All tables change their place in one statement: the database is the old one, empty, or whole.
# Variable: may_replace.
put_in_place() {
    local moves
    moves=$(sql -e "SELECT CONCAT('$scratch.\`', table_name, '\` TO \`$db_name\`.\`', table_name, '\`')
        FROM information_schema.tables WHERE table_schema = '$scratch'" | paste -sd,)
    [ -n "$moves" ] || refuse "tables of the dump in $scratch" "none" "run again"
    require_replaceable
    # Where this ends in the middle the host holds no database, and is ours all the same.
    claim_data
    sql -e "DROP DATABASE IF EXISTS \`$db_name\`; CREATE DATABASE \`$db_name\`; RENAME TABLE $moves"
    unclaim
    sql -e "DROP DATABASE $scratch"
}
# The account goes, unless somebody gave it other rights than this program does.
drop_account() { # ACCOUNT, as SQL has it; the beginning of our grant
    local others
    others=$(sql -e "SHOW GRANTS FOR $1" 2>/dev/null |
        grep -v '^GRANT USAGE ON \*\.\* ' | grep -vF "$2" || true)
    if [ -n "$others" ]; then
        step "leave the account $1: it has other rights"
        return 0
    fi
    sql -e "DROP USER IF EXISTS $1"
}
# Keys and settings as they are, before anything replaces them. What is kept already is not kept
# twice, and nothing of it is ever thrown away.
keep_settings() { # REASON
    local kept paths keys
    keys=$(find /var/lib/one/.one -type f ! -name one_auth 2>/dev/null || true)
    # All that is there came with our own packages.
    [ -n "$keys" ] || ! grep -qsx new "$claimed" || return 0
    paths=$(cd / && ls -d var/lib/one/.one var/lib/one/.ssh etc/one 2>/dev/null || true)
    [ -n "$paths" ] || return 0
    step "keep the keys and the settings"
    kept=/var/backups/opennebula/$(date -u +%Y%m%dT%H%M%SZ)-before-$1.settings.tar.zst
    [ ! -e "$kept" ] || kept=${kept%.settings.tar.zst}-$BASHPID.settings.tar.zst
    (
        umask 077
        mkdir -p "$(dirname "$kept")"
        cd "$(dirname "$kept")"
        find . -name '*.settings.tar.zst.partial' -delete
        tar -C / --sort=name --mtime=@0 -cf - $paths | zstd -q >"$kept.partial"
        for old in *.settings.tar.zst; do
            if cmp -s "$old" "$kept.partial"; then
                rm "$kept.partial"
                exit
            fi
        done
        mv "$kept.partial" "$kept"
    )
}
# A dump of the whole database, compressed, without blocking a writer, and the keys without which it
# is of no use; the newest few are kept. Each of those named gets it as it comes, by give_to, which
# says why one did not. Sets dump (its path) and unsent; variables: db_name, reason, keep.
keep_dump() { # NAME...
    local folder=/var/backups/opennebula dumper keys old
    step "dump the database"
    umask 077
    mkdir -p "$folder"
    find "$folder" -name '*.partial' -delete
    dump=$folder/$(date -u +%Y%m%dT%H%M%SZ)-$reason.sql.zst
    dumper=$(command -v mariadb-dump || command -v mysqldump)
    keys=${dump%.sql.zst}.keys.tar.zst
    # A disk that is full of half a dump would stop the database itself.
    trap 'rm -f "${dump%.sql.zst}".*.partial' EXIT
    (cd /var/lib/one && tar -cf - $(ls -d .one .ssh 2>/dev/null)) | zstd -q >"$keys.partial"
    # The zone's own work comes first.
    unsent=$(renice -n 10 "$BASHPID" >/dev/null
        "$dumper" --single-transaction --quick --hex-blob "$db_name" | zstd -q |
        spread "$@" 3>&1 >"$dump.partial")
    mv "$keys.partial" "$keys"
    mv "$dump.partial" "$dump"
    # Those of another version of the database stay: they are the only way back.
    find "$folder" -name '*.sql.zst' ! -name '*-of-*-before-*' | sort -r | tail -n "+$((keep + 1))" |
        while read -r old; do rm -f "$old" "${old%.sql.zst}.keys.tar.zst"; done
}
spread() { # NAME...
    if [ $# = 0 ]; then
        cat
    else
        # One that takes no more of it keeps it from nobody else.
        tee -p >(give_to "$1" >&3) | spread "${@:2}"
    fi
}
count_users() {
    if has_table user_pool; then
        sql -e "SELECT COUNT(*) FROM \`$db_name\`.user_pool"
    else
        echo 0
    fi
}

# Where cloud-init manages /etc/hosts it makes it of this at each boot; and what keeps it from setting
# the hostname.
hosts_template() { echo "/etc/cloud/templates/hosts.$family.tmpl"; }
cloud_config=/etc/cloud/cloud.cfg.d/99-opennebula-ha.cfg
keeping_hostname="# Written by opennebula-ha.
preserve_hostname: true"
hosts_files() {
    local file
    for file in /etc/hosts "$(hosts_template)"; do [ ! -e "$file" ] || echo "$file"; done
}
# Our part of a file that others write in, too.
begin="# opennebula-ha begin" end="# opennebula-ha end"
block_of() { sed -n "/^$begin\$/,/^$end\$/{//!p}" "$1" 2>/dev/null || true; }
remove_block() { sed -i --follow-symlinks "/^$begin\$/,/^$end\$/d" "$1"; }

# Shares. A server that is gone keeps whoever asks for its files waiting for ever.
datastores=/var/lib/one/datastores
record=/var/lib/opennebula-ha/links
stamps=.opennebula-ha
is_mounted() { timeout -s KILL 10 mountpoint -q "$1" 2>/dev/null; }
about() { timeout -s KILL 10 stat -c '%u %U %g %G %a' "$1"; }
# Do that as the owner of a share: root is nobody on many a server.
on_share() (
    cd "$(dirname "$1")"
    setpriv --reuid "$2" --regid "$3" --clear-groups -- timeout -s KILL 10 "${@:4}"
)
stamps_on() { # NAME=STAMP of each front-end that mounted it
    local uid gid
    read -r uid _ gid _ <<<"$(about "$1")"
    on_share "$1" "$uid" "$gid" grep -rs . "$(basename "$1")/$stamps" |
        sed 's,.*/\([^/:]*\):,\1=,' | sort | paste -sd' ' || true
}
require_empty() {
    local hidden
    hidden=$(find "$1" -xdev -mindepth 1 ! -type d -print -quit)
    [ -z "$hidden" ] || refuse "an empty folder to mount on" "$hidden" \
        "move what is in $1 to the share, or away; then run again"
}
unmount() {
    local said
    step "unmount $1"
    is_mounted "$1" || return 0
    said=$(umount "$1" 2>&1) || refuse "no process using $1" \
        "$said$(users_of "$1" | sed '1s/^/; used by /')" \
        "end what uses it there, or take the entry back into opennebula-ha:fstab; then run again"
}
users_of() {
    { find /proc/[0-9]*/{cwd,root,fd} \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null || true; } |
        cut -d/ -f3 | sort -u | while read -r pid; do
        echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"
    done | paste -sd' '
}
unlink_datastore() {
    if [ "$(readlink "$datastores/$1")" = "$2" ]; then
        step "remove the link of datastore $1"
        rm "$datastores/$1"
    fi
}
