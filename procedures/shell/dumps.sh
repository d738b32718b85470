# Dumps, and kept settings, in /var/backups/opennebula.
#: use mariadb marks
# A tar file of these folders, also where one of them or a file in it is a link: what we write comes to
# what the link leads to. A link inside to a folder, a device or nothing is left out.
archive() { # FOLDER...
    { find -H "$@" \( -type d -o -xtype f \) -print0 2>/dev/null || true; } | sort -z |
        tar --no-recursion --dereference --hard-dereference --null --files-from=- -cf -
}
# Keys and settings as they are, before anything replaces them. What is kept already is not kept
# twice, and nothing of it is ever thrown away.
keep_settings() { # REASON
    local kept paths keys
    keys=$(find -H /var/lib/one/.one -xtype f ! -name one_auth 2>/dev/null || true)
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
# A dump of the whole database, compressed, without blocking a writer, and the keys without which it
# is of no use; the newest few are kept. Each of those named gets it as it comes, by give_to, which
# says why one did not. Sets dump (its path) and unsent; variables: db_name, reason, keep.
keep_dump() { # NAME...
    local folder=/var/backups/opennebula dumper keys
    step "dump the database"
    umask 077
    mkdir -p "$folder"
    find "$folder" -name '*.partial' -delete
    dump=$folder/$(date -u +%Y%m%dT%H%M%SZ)-$reason.sql.zst
    dumper=$(command -v mariadb-dump || command -v mysqldump)
    keys=${dump%.sql.zst}.keys.tar.zst
    # A disk that is full of half a dump would stop the database itself.
    follower=
    trap '[ -z "$follower" ] || kill "$follower" || true; rm -f "${dump%.sql.zst}".*.partial' EXIT
    (cd /var/lib/one && archive .one .ssh) | zstd -q >"$keys.partial"
    : >"$dump.partial"
    follow_dump "$dump.partial" &
    follower=$!
    # The zone's own work comes first.
    unsent=$(renice -n 10 "$BASHPID" >/dev/null
        "$dumper" "${here[@]}" --single-transaction --quick --hex-blob "$db_name" | zstd -q |
        spread "$@" 3>&1 >"$dump.partial")
    kill "$follower"
    wait "$follower" 2>/dev/null || true
    follower=
    mv "$keys.partial" "$keys"
    mv "$dump.partial" "$dump"
    # Those of another version of the database stay: they are the only way back.
    case $reason in
        timed) keep_newest "$folder" -name '*-timed.sql.zst' ;;
        *) keep_newest "$folder" ! -name '*-timed.sql.zst' ! -name '*-of-*-before-*' ;;
    esac
}
# Of the dumps of a kind the newest few stay in a folder. Variable: keep.
keep_newest() { # FOLDER, what find takes for the kind
    local old
    find "$1" -maxdepth 1 -name '*.sql.zst' "${@:2}" | sort -r | tail -n "+$((keep + 1))" |
        while read -r old; do rm -f "$old" "${old%.sql.zst}.keys.tar.zst"; done
}
# Say how far a dump is that takes long. The one before tells how large it will be.
follow_dump() { # FILE
    local size=0 before whole seconds=5 idle
    # A child that sleeps would outlive this, with the host's lock.
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
        # One that takes no more of it does not keep it from the others.
        tee -p >(give_to "$1" >&3) | spread "${@:2}"
    fi
}
