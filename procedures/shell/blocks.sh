# This program's part of a file that others also write.
begin="# opennebula-ha begin" end="# opennebula-ha end"
# Without one of its marks, what follows the other is not known to be ours.
split_block() { # FILE, ours or theirs; exit status 3 without the end of our part
    awk -v begin="$begin" -v end="$end" -v ours="$([ "$2" != ours ] || echo yes)" '
        $0 == begin { if (inside) exit; inside = 1; next }
        $0 == end && inside { if (ours) printf "%s", part; part = ""; inside = 0; next }
        inside { part = part $0 "\n"; next }
        !ours
        END { if (inside) exit 3 }' "$1"
}
block_of() { split_block "$1" ours 2>/dev/null || true; }
without_block() { # FILE
    local status=0
    [ -e "$1" ] || return 0
    split_block "$1" theirs || status=$?
    [ "$status" != 3 ] || refuse "a line '$end' after each '$begin' in $1" "a part without its end" \
        "add it there, after the last line of this program's part; then run again" >&8
    return "$status"
}
put_block() { # FILE, what others have in it with the line break after it, our lines
    put "$1" "$2$begin"$'\n'"$3"$'\n'"$end"
}
remove_block() {
    without_block "$1" >/dev/null
    sed -i --follow-symlinks "/^$begin\$/,/^$end\$/d" "$1"
}
