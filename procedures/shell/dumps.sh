# Dumps, and kept settings, in /var/backups/opennebula.
#: use mariadb marks
# Files with such names are ours: operators keep others in the same folders.
our_files() { # FOLDER, the end of the names as a regular expression, further conditions of find
    find "$1" -maxdepth 1 -regextype posix-extended \
        -regex ".*/[0-9]{8}T[0-9]{6}Z-[^/]*$2" "${@:3}"
}
# Write a tar file of these folders. Links to folders given here and to files in them are followed, as
# they are when we write to them. Other links inside are left out.
archive() { # FOLDER...
    { find -H "$@" \( -type d -o -xtype f \) -print0 2>/dev/null || true; } | sort -z |
        tar --no-recursion --dereference --hard-dereference --null --files-from=- -cf -
}
# Keep the present keys and settings before anything replaces them. The same content is not kept twice,
# and no file is ever removed.
keep_settings() { # REASON
    local kept paths keys
    keys=$(find -H /var/lib/one/.one -xtype f ! -name one_auth 2>/dev/null || true)
    # This program saw the host blank and installed the packages: all settings are theirs.
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
        our_files . '\.settings\.tar\.zst\.partial' -delete
        (cd / && TAR_OPTIONS=--mtime=@0 archive $paths) | zstd -q >"$kept.partial"
        for old in *.settings.tar.zst; do
            if cmp -s "$old" "$kept.partial"; then
                rm "$kept.partial"
                exit
            fi
        done
        mv "$kept.partial" "$kept"
    )
}
# Dump the complete database, compressed, without blocking writers, with the keys needed to restore it;
# keep only the newest dumps. give_to sends it to each of these names while it is written, and reports
# why one did not get it. Sets dump (its path) and unsent; variables: db_name, reason, keep.
keep_dump() { # NAME...
    local folder=/var/backups/opennebula keys
    step "dump the database"
    umask 077
    mkdir -p "$folder"
    our_files "$folder" '\.(sql|keys\.tar)\.zst\.partial' -delete
    dump=$folder/$(date -u +%Y%m%dT%H%M%SZ)-$reason.sql.zst
    keys=${dump%.sql.zst}.keys.tar.zst
    # Remove a partial dump: a full disk would stop the database itself.
    follower=
    trap '[ -z "$follower" ] || kill "$follower" || true; rm -f "${dump%.sql.zst}".*.partial' EXIT
    (cd /var/lib/one && archive .one .ssh) | zstd -q >"$keys.partial"
    : >"$dump.partial"
    follow_dump "$dump.partial" &
    follower=$!
    # The dump has a low priority: the zone's own work comes first.
    unsent=$(renice -n 10 "$BASHPID" >/dev/null
        client mariadb-dump mysqldump --single-transaction --quick --hex-blob "$db_name" | zstd -q |
        spread "$@" 3>&1 >"$dump.partial")
    kill "$follower"
    wait "$follower" 2>/dev/null || true
    follower=
    mv "$keys.partial" "$keys"
    mv "$dump.partial" "$dump"
    # Dumps from before a change of the database's version stay: a rollback needs them.
    case $reason in
        timed) keep_newest "$folder" -name '*-timed.sql.zst' ;;
        *) keep_newest "$folder" ! -name '*-timed.sql.zst' ! -name '*-of-*-before-*' ;;
    esac
}
# Remove all but the newest dumps of one kind from a folder. Variable: keep.
keep_newest() { # FOLDER, find's conditions for the kind
    local old
    our_files "$1" '\.sql\.zst' "${@:2}" | sort -r | tail -n "+$((keep + 1))" |
        while read -r old; do rm -f "$old" "${old%.sql.zst}.keys.tar.zst"; done
}
# Report the progress of a long dump. The size of the previous dump is an estimate of its size.
follow_dump() { # FILE
    local size=0 before whole seconds=5 idle
    # Wait without a child process: sleep would outlive this one and hold the host's lock.
    exec {idle}<> <(:)
    whole=$(find "${1%/*}" -name '*.sql.zst' -printf '%T@ %s\n' | sort -rn | awk 'NR == 1 {print $2}')
    while ! read -rt "$seconds" -u "$idle" _ && [ -e "$1" ]; do
        before=$size
        size=$(stat -c %s "$1" 2>/dev/null) || break
        step "dump the database ($(awk -v size="$size" -v before="$before" -v whole="${whole:-0}" \
            -v seconds="$seconds" 'BEGIN {
                mib = 1048576
                printf "%.0f MiB, %.1f MiB/s", size / mib, (size - before) / mib / seconds
                if (whole > size) printf ", about %d %%", 100 * size / whole
            }'))"
    done
}
spread() { # NAME...
    if [ $# = 0 ]; then
        cat
    else
        # If one stops reading, the others still get all of it.
        tee -p >(give_to "$1" >&3) | spread "${@:2}"
    fi
}
