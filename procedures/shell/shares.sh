# Shares. If a share's server is down, each program that accesses its files hangs.
#: use processes
datastores=/var/lib/one/datastores
record=/var/lib/opennebula-ha/links
stamps=.opennebula-ha
is_mounted() { timeout -s KILL 10 mountpoint -q "$1" 2>/dev/null; }
# Print the lines of /etc/fstab for a path, of those on standard input.
lines_for() { awk -v path="$1" '$1 !~ /^#/ && $2 == path'; }
# Print a file in a folder, which a mount would hide.
first_file_in() {
    timeout -s KILL 10 find "$1" -xdev -mindepth 1 ! -type d -print -quit 2>/dev/null || true
}
about() { timeout -s KILL 10 stat -c '%u %U %g %G %a' "$1"; }
# Run a command as the owner of a share: many servers give root no rights.
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
unmount() {
    local said
    step "unmount $1"
    is_mounted "$1" || return 0
    said=$(umount "$1" 2>&1) || refuse "no process using $1" \
        "$said$(users_of "$1" | sed '1s/^/; used by /')" \
        "end what uses it there, or take the entry back into opennebula-ha:fstab; then run again"
}
unlink_datastore() {
    if [ "$(readlink "$datastores/$1")" = "$2" ]; then
        step "remove the link of datastore $1"
        rm "$datastores/$1"
    fi
}
