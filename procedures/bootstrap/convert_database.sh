# Move OpenNebula's data from SQLite to this host's own MariaDB, completely or not at all. oned
# works with SQLite until the section DB of oned.conf changes: each failure before that rolls back
# to it.
#: use configuration copies database_account dumps family gui mariadb marks oned onedb processes units
#: steps: functions of this script, in the order to run them
#: db_name
#: db_owner
#: program: the text of convert_sqlite.py
#: secret account: SQL, as in configure.sh
#: secret identify: SQL, as in configure.sh
#: secret db_password
#: secret oned_conf: the whole file, with the stack's DB
#: secret empty_conf: the same with a DB for the tables alone
#: secret empty_account: SQL for the account of that DB
work=/run/opennebula-ha-conversion
convert=$work/convert
sqlite=/var/lib/one/one.db
aside=$sqlite.before-mariadb
drop_empty="DROP USER IF EXISTS 'opennebula_ha_empty'@'localhost'"
as_before="nothing has changed, and OpenNebula continues on SQLite: run again"
# What the program reports if it refuses: expected, seen, remedy.
tool() { # COMMAND…; sets said
    local status=0 lines
    said=$("$convert" "$@" 2>&1) || status=$?
    readarray -t lines <<<"$said"
    case $status in
        0) ;;
        65) refuse "${lines[@]}" ;;
        *) refuse "the conversion program to succeed: it needs a Python 3 with its module for SQLite" \
            "${lines[-1]}" "install what is missing on the host, then run again" ;;
    esac
}
said_of() { sed -n "s/^$1 //p" <<<"$said"; }
content() { # of the database of the stack's name: tables, views, routines, events
    sql -e "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '$db_name')
        + (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = '$db_name')
        + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = '$db_name')"
}
require_room() {
    local there
    there=$(content)
    [ "$there" = 0 ] || is_copy || refuse "no tables in the database $db_name" \
        "$there of them, in addition to $sqlite" \
        "set opennebula-ha:db_name to a name that is free; or, if nothing in it is needed, dump it and drop it; then run again"
}
# An earlier run may have made the database from this SQLite database: a mark names it.
is_copy() {
    local there
    grep -qsx "$db_name" "$converting" || return 1
    there=$(identity_of "$db_name")
    [ -n "$there" ] && [ "$there" = "$own_identity" ]
}
go_back() {
    local status=$?
    trap - EXIT
    set +e
    if [ -e "$work/oned.conf" ]; then
        end_oned
        cp -p "$work/oned.conf" "$conf.opennebula-ha" && mv "$conf.opennebula-ha" "$conf"
        [ -e "$sqlite" ] || mv "$aside" "$sqlite"
    fi
    sql -e "DROP DATABASE IF EXISTS $scratch; $drop_empty"
    if is_copy || { [ -z "$had_database" ] && [ "$(content)" = 0 ]; }; then
        sql -e "DROP DATABASE IF EXISTS \`$db_name\`"
        [ -z "$had_database" ] || sql -e "CREATE DATABASE \`$db_name\`"
    fi
    [ -n "$had_account" ] || sql -e "DROP USER IF EXISTS '$db_owner'@'localhost'"
    if [ -n "$ran" ]; then
        systemctl reset-failed opennebula.service
        systemctl start opennebula.service || tell remedy \
            "oned does not start with SQLite either: look at journalctl -u opennebula there"
    fi
    unclaim
    rm -rf "$work" "$converting" "${copy:-$work}.partial"
    rmdir --ignore-fail-on-non-empty /var/lib/opennebula-ha
    exit "$status"
} 2>/dev/null

look() {
    step "check the SQLite database"
    trap 'rm -rf "$work"' EXIT
    if [ -e "$converting" ]; then
        # A killed run has stopped it.
        ran=yes
        trap go_back EXIT
    fi
    rm -rf "$work"
    install -d -m 0711 "$work"
    printf '%s\n' "$program" >"$convert"
    chmod 0700 "$convert"
    tool describe "$sqlite"
    own_identity=$(said_of identity) users=$(said_of users)
    local there needed
    there=$(said_of schema) needed=$(schema_in <"$onedb_schema")
    [ "$there" = "$needed" ] || refuse "a database of version $needed, as the packages there need it" \
        "version $there in $sqlite" \
        "upgrade it first, as OpenNebula says: systemctl stop opennebula, then onedb upgrade -v as oneadmin, then systemctl start opennebula; or install the OpenNebula that it is of"
    keep_enabled $database_service
    systemctl start $database_service
    await_database
    require_room
    had_database=$(is_copy || sql -e "SELECT 'yes' FROM information_schema.schemata
        WHERE schema_name = '$db_name'")
    had_account=$(sql -e "SELECT 'yes' FROM mysql.user WHERE user = '$db_owner' AND host = 'localhost'")
}
halt() {
    ! systemctl -q is-active opennebula.service || ran=yes
    mkdir -p "$(dirname "$converting")"
    # The host rolls back even if the operator's connection is lost.
    trap '' PIPE
    trap 'exit 143' HUP TERM
    trap go_back EXIT
    put "$converting" "$db_name"
    # It stays enabled: after a crash of the host, it starts with the database that DB names.
    step "stop oned"
    halt_oned
    local others
    others=$(users_of "$sqlite")
    [ -z "$others" ] || refuse "no process using $sqlite" "$others" "stop that, then run again"
}
keep() {
    local folder=/var/backups/opennebula old
    step "keep a copy of $sqlite"
    tool check "$sqlite"
    copy=$folder/$(date -u +%Y%m%dT%H%M%SZ)-before-mariadb.one.db.zst
    (umask 077 && mkdir -p "$folder" && zstd -q <"$sqlite" >"$copy.partial")
    for old in "$folder"/*-before-mariadb.one.db.zst; do
        if [ -e "$old" ] && cmp -s "$old" "$copy.partial"; then
            rm "$copy.partial"
            copy=$old
            return
        fi
    done
    (cd /var/lib/one && archive .one .ssh) |
        (umask 077 && zstd -q >"${copy%.one.db.zst}.keys.tar.zst")
    mv "$copy.partial" "$copy"
}
fill() {
    step "create the tables in MariaDB"
    make_scratch
    # oned creates the tables of this version, in a temporary database: its settings contain no
    # secret of the stack, and nothing of it is logged.
    sql <<<"$empty_account"
    install -d -o oneadmin -g oneadmin -m 0700 "$work/one" "$work/one/etc" "$work/one/var" "$work/one/var/lock"
    (umask 077 && printf '%s\n' "$empty_conf" >"$work/one/etc/oned.conf")
    chown oneadmin:oneadmin "$work/one/etc/oned.conf"
    said=$(cd "$work/one" && runuser -u oneadmin -- env ONE_LOCATION="$work/one" oned -i 2>&1) ||
        refuse "oned -i to create the tables" "$(tail -n 4 <<<"$said")$(grep -s '\[E\]' "$work/one/var/oned.log" | tail -n 4)" "$as_before"
    rm -rf "$work/one"
    sql -e "$drop_empty"
    step "copy all rows to MariaDB"
    tool copy "$sqlite" "$scratch"
}
compare() {
    step "compare all rows of SQLite and MariaDB"
    tool verify "$sqlite" "$scratch"
}
place() {
    step "put the database in place"
    zstd -dc "$copy" | cmp -s - "$sqlite" || refuse "$sqlite as it was when oned stopped" \
        "it has changed since" "find out which program writes to it, then run again"
    # An operator may have created a database since.
    require_room
    # It is empty, or the copy of an earlier run.
    may_replace=yes
    put_in_place
    make_account
}
switch() {
    step "switch oned to MariaDB"
    cp -p "$conf" "$work/oned.conf"
    put "$conf" "$oned_conf"
}
set_aside() {
    [ ! -e "$sqlite" ] || mv --backup=numbered "$sqlite" "$aside"
}
start() {
    step "start oned on MariaDB"
    await_database
    [ "$(count_users)" -ge "${users:-1}" ] || refuse "${users:-some} users in $db_name" \
        "$(count_users)" "run again"
    make_account
    keep_enabled opennebula.service
    run_oned start "oned to start on MariaDB" "correct what it says on the host, then run again"
    trap - EXIT
    rm -rf "$work" "$converting"
    rmdir --ignore-fail-on-non-empty /var/lib/opennebula-ha
    restart_gui
}
ran= had_account=yes had_database=yes own_identity= users=
for each in $steps; do "$each"; done
