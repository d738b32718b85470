# What operators prepare on a front-end. Variables: accounts, programs, timezone, mount_points, sources,
# shares, links, key, certchain.
#: use blocks certificate shares
# Print what the host does not have: lines account, program, source or timezone, and its name. UTC
# needs no file, and a host without any zone gets them with its packages.
missing() {
    local name status zones=/usr/share/zoneinfo
    for name in $accounts; do getent passwd "$name" >/dev/null || echo "account $name"; done
    for name in $programs; do [ -x "$name" ] || echo "program $name"; done
    for name in $sources; do
        # On a share that hangs, nothing is known of it.
        status=0
        timeout -s KILL 10 test -e "$name" || status=$?
        [ "$status" != 1 ] || echo "source $name"
    done
    case $timezone in
        "" | UTC) ;;
        *) [ ! -d "$zones" ] || [ -e "$zones/$timezone" ] || echo "timezone $timezone" ;;
    esac
}
# Print what is in the way of a mount: lines of its path, a tab, and what is there.
blocked_mounts() {
    local path status others line
    others=$([ ! -e /etc/fstab ] || split_block /etc/fstab theirs 2>/dev/null || true)
    for path in $mount_points; do
        while read -r line; do
            printf '%s\tthe line %s in /etc/fstab\n' "$path" "$line"
        done < <(lines_for "$path" <<<"$others" | tr -s '[:blank:]' ' ')
        status=0
        is_mounted "$path" || status=$?
        # A share that hangs is mounted.
        [ "$status" = 0 ] || [ "$status" = 137 ] || printf '%s\t%s\n' "$path" "$(first_file_in "$path")"
    done
}
# The same of the links of datastores. A share of the stack in the place of a link is unmounted
# before.
blocked_links() {
    local id target link there own
    own=$'\n'$(block_of /etc/fstab | awk '{print $2}')$'\n'
    while read -r id target; do
        [ -n "$id" ] || continue
        link=$datastores/$id
        case $own in *$'\n'"$datastores"$'\n'* | *$'\n'"$link"$'\n'*) continue ;; esac
        if [ -L "$link" ]; then
            there=$(readlink "$link")
            [ "$there" = "$target" ] || grep -qsxF "$id $there" "$record" ||
                printf '%s\ta link to %s\n' "$link" "$there"
        elif [ -e "$link" ]; then
            printf '%s\t%s\n' "$link" "$(timeout -s KILL 10 ls -A "$link" | head -n 3 | paste -sd' ')"
        fi
    done <<<"$links"
}
# Print why shares cannot be mounted: lines of the source, a tab, and the reason. A trial is in a
# namespace that ends with it. Only where the program for such shares is installed already.
refused_shares() {
    local fstype opts src
    [ -n "$shares" ] && [ -d /mnt ] || return 0
    while read -r fstype opts src; do
        [ -n "$src" ] && type -P "mount.$fstype" >/dev/null || continue
        findmnt -S "$src" >/dev/null || refusal_of_share "$fstype" "$opts" "$src" &
    done <<<"$shares"
    wait
}
refusal_of_share() {
    local said
    said=$(LC_ALL=C timeout -s KILL 20 unshare -m --propagation private \
        mount -t "$1" -o "$2" "$3" /mnt 2>&1 </dev/null) && return
    case $said in
        unshare:*) ;;
        *) printf '%s\t%s\n' "$3" "$(paste -sd' ' <<<"${said:-not complete after 20 s}")" ;;
    esac
}
# Print what is wrong with the web server's own certificate. Debian's package ssl-cert, which comes
# with the web server, makes one.
fault_of_own_pair() {
    local path
    case $key in "" | */ssl-cert-snakeoil.key) return ;; esac
    if type -P openssl >/dev/null; then
        fault_of_pair "$key" "$certchain"
        return
    fi
    for path in "$key" "$certchain"; do
        [ -s "$path" ] || { echo "no file $path" && return; }
    done
}
