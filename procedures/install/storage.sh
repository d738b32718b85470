# Mount and link the shared folders of one front-end. Unmounts nothing that is in use, and hides no
# files.
#: use blocks shares
#: name: of this front-end
#: leaving: mount points off the list, inner ones first, one per line
#: fstab: our lines
#: mounts: lines PATH OWNER GROUP MODE, and yes to stamp it
#: unlinked: lines ID PATH
#: links: lines ID PATH
require_empty() {
    local hidden
    hidden=$(first_file_in "$1")
    [ -z "$hidden" ] || refuse "an empty folder to mount on" "$hidden" \
        "move what is in $1 to the share, or away; then run again"
}
step "read /etc/fstab"
kept=$(without_block /etc/fstab)
leaves() { grep -qxF "$1" <<<"$leaving"; }
while read -r path _; do
    other=$(lines_for "$path" <<<"$kept")
    [ -z "$path" ] || [ -z "$other" ] || refuse "no other line for $path" "$other" \
        "remove that line from /etc/fstab there, or the entry from opennebula-ha:fstab; then run again"
    if [ -n "$path" ] && [ -e "$path" ] && ! is_mounted "$path" && ! leaves "$path"; then
        step "check the mount point $path"
        require_empty "$path"
    fi
done <<<"$mounts"
while read -r id target; do
    link=$datastores/$id
    [ -n "$id" ] && [ -L "$link" ] || continue
    there=$(readlink "$link")
    [ "$there" = "$target" ] || grep -qxF "$id $there" <<<"$unlinked" ||
        refuse "no other link at $link" "it leads to $there" \
            "remove that link, or correct opennebula-ha:ds; then run again"
done <<<"$links"

# /etc/fstab and the record of our links are written last. If a step before that is refused, the
# former lines of /etc/fstab are used to revert what was done.
unmounted=() mounted=() made=()
undo() {
    local status=$? path
    trap - EXIT
    [ "$status" != 0 ] || exit 0
    for ((n = ${#mounted[@]} - 1; n >= 0; n--)); do umount "${mounted[n]}" 2>/dev/null || true; done
    for ((n = ${#made[@]} - 1; n >= 0; n--)); do rmdir "${made[n]}" 2>/dev/null || true; done
    for ((n = ${#unmounted[@]} - 1; n >= 0; n--)); do
        mount "${unmounted[n]}" </dev/null >/dev/null 2>&1 9>&- || true
    done
    exit "$status"
}
trap undo EXIT
make_folder() { # PATH: and those above it
    [ ! -d "$1" ] || return 0
    make_folder "$(dirname "$1")"
    mkdir "$1"
    made+=("$1")
}

# With the package's owner and mode: otherwise nothing can be created next to a share inside.
[ -e "$datastores" ] || install -d -o oneadmin -g oneadmin -m 0750 "$datastores"
for path in $leaving; do
    is_mounted "$path" || continue
    unmount "$path"
    # Not earlier: a share that is still mounted must not be mounted a second time.
    unmounted+=("$path")
done

own_it() {
    local said
    said=$(chown "$owner:$group" "$path" 2>&1 && chmod "$mode" "$path" 2>&1) ||
        refuse "$path to be made $owner:$group $mode" "$said" \
            "give the folder that owner and mode on its server, then run again"
}
while read -r path owner group mode stamped; do
    [ -n "$path" ] || continue
    step "mount $path"
    fresh=
    if ! is_mounted "$path"; then
        make_folder "$path"
        require_empty "$path"
        read -r src _ fstype opts _ < <(awk -v path="$path" '$2 == path' <<<"$fstab")
        # A process that stays, such as a daemon, must not keep our lock.
        said=$(timeout -s KILL 60 mount -t "$fstype" -o "$opts" "$src" "$path" </dev/null 2>&1 8>&- 9>&-) ||
            refuse "$path to be mounted" "${said:-not complete after 60 s}" \
                "correct that entry of opennebula-ha:fstab, or have its server let this host in; then run again"
        mounted+=("$path")
        fresh=yes
    fi
    read -r uid user gid group_name seen <<<"$(about "$path")"
    case " $uid:$gid $user:$gid $uid:$group_name $user:$group_name " in
        *" $owner:$group "*) [ "$((8#$seen))" -eq "$((8#$mode))" ] || own_it ;;
        *) own_it ;;
    esac
    if [ "$stamped" = yes ] && { [ -n "$fresh" ] || [[ " $(stamps_on "$path") " != *" $name="* ]]; }; then
        said=$(on_share "$path" "$owner" "$group" sh -c \
            'mkdir -p "$1" && cat /proc/sys/kernel/random/uuid >"$1/$2"' - \
            "$(basename "$path")/$stamps" "$name" 2>&1) ||
            refuse "$owner to be able to write on $path" "$said" \
                "give the folder that owner on its server, or mount it with ro; then run again"
    fi
done <<<"$mounts"

step "link the datastores"
while read -r id target; do
    link=$datastores/$id
    [ -n "$id" ] && [ ! -L "$link" ] || continue
    [ -d "$target" ] || refuse "a folder $target" "it does not exist" \
        "have it mounted with opennebula-ha:fstab, or make it; then run again"
    [ ! -e "$link" ] || [ -z "$(ls -A "$link")" ] ||
        refuse "$link to be empty" "$(ls -A "$link" | head -n 3 | paste -sd' ')" \
            "move what is in it to $target, then run again"
done <<<"$links"
while read -r id target; do
    [ -z "$id" ] || unlink_datastore "$id" "$target"
done <<<"$unlinked"
# First the record, then the links, so that each of our links has its line.
install -d -m 0755 "$(dirname "$record")"
if [ -n "$links" ]; then put "$record" "$links"; else rm -f "$record"; fi
while read -r id target; do
    link=$datastores/$id
    [ -n "$id" ] && [ "$(readlink "$link")" != "$target" ] || continue
    step "link datastore $id to $target"
    [ ! -e "$link" ] || rmdir "$link"
    ln -s "$target" "$link"
done <<<"$links"

step "write /etc/fstab"
if [ -n "$fstab" ]; then
    [ -e /etc/fstab ] || install -m 0644 /dev/null /etc/fstab
    put_block /etc/fstab "$kept${kept:+$'\n'}" "$fstab"
elif [ -e /etc/fstab ]; then
    remove_block /etc/fstab
fi
trap - EXIT
# Otherwise systemd uses the old lines.
systemctl daemon-reload
