# Dump the database on the front-end that leads, and copy the dump: a program on the host, which a
# timer runs there. Its output is for the journal.
#: use dumps mariadb
#: db_name
#: keep: how many of these dumps
#: copy_to: folder; or nothing
#: leading: number of the Raft state in which this front-end leads
reason=timed
log() { printf '%s\n' "$1"; }
step() { case $1 in *' ('*) ;; *) log "$1" ;; esac }
tell() { printf '%s: %s\n' "$1" "$2"; }
# An election lasts seconds, a start of oned not much longer. What is not known is a failure: no
# front-end may take another one for the leader.
require_leader() {
    local state=
    for _ in $(seq 60); do
        state=$(timeout 3 /usr/local/lib/opennebula-ha/leads --ask 2>/dev/null || true)
        case $state in
            "$leading") return 0 ;;
            2)
                log "this front-end does not lead"
                exit 0
                ;;
        esac
        sleep 2
    done
    refuse "oned to lead or to follow" "${state:+Raft state }${state:-no answer} for two minutes" \
        "see that oned runs here, then: systemctl start opennebula-ha-backup"
}
copy_dump() {
    local mark=$copy_to/.opennebula-ha device other zone file
    log "copy the dump to $copy_to"
    device=$(timeout -s KILL 30 stat -c %d "$copy_to/." 2>/dev/null) || device=none
    # An absent share leaves its mount point, an empty folder of the system.
    for other in / "$(dirname "$dump")"; do
        [ "$device" != none ] && [ "$device" != "$(stat -c %d "$other")" ] ||
            refuse "$copy_to, on another file system than $other" "no file system there" \
                "mount it, then: systemctl start opennebula-ha-backup"
    done
    # Only the newest stay: those of another zone are not ours to count. Others may write to a share:
    # nothing is written through a link that they left there.
    zone=$(sql "$db_name" -e "$identity")
    [ -e "$mark" ] || (set -C && printf '%s\n' "$zone" >"$mark")
    [ "$(cat "$mark")" = "$zone" ] || refuse "dumps of this zone in $copy_to" "those of another zone" \
        "give each zone a folder of its own in opennebula-ha:backup; or, if the other zone is gone, remove $mark"
    find "$copy_to" -maxdepth 1 -name '*-timed.*.partial' -mmin +1440 -delete
    # A dump without its keys is of no use: it comes last.
    for file in "${dump%.sql.zst}.keys.tar.zst" "$dump"; do
        cp --remove-destination "$file" "$copy_to/${file##*/}.partial"
        sync "$copy_to/${file##*/}.partial"
        mv "$copy_to/${file##*/}.partial" "$copy_to/${file##*/}"
    done
    keep_newest "$copy_to" -name '*-timed.sql.zst'
}

require_leader
exclusively 3600
# Another run may have taken that long.
require_leader
await_database
keep_dump
# A share may keep it waiting, and other runs with it.
exec 9>&-
[ -z "$copy_to" ] || copy_dump
log "$dump, $(stat -c %s "$dump") bytes${copy_to:+, and a copy in $copy_to}"
