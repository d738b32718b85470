# Mounts and links of one front-end. What somebody uses is not unmounted, nothing is hidden.
# Variables, a line each: leaving (mount points off the list, inner ones first), fstab (our lines),
# mounts (PATH OWNER GROUP MODE, yes where it is to be stamped), unlinked and links (ID PATH); name.
step "read /etc/fstab"
[ -e /etc/fstab ] || : >/etc/fstab
kept=$(sed "/^$begin\$/,/^$end\$/d" /etc/fstab)
while read -r path _; do
    other=$(awk -v path="$path" '$1 !~ /^#/ && $2 == path' <<<"$kept")
    [ -z "$path" ] || [ -z "$other" ] || refuse "no line of anybody else for $path" "$other" \
        "take that line out of /etc/fstab there, or the entry out of opennebula-ha:fstab; then run again"
done <<<"$mounts"

for path in $leaving; do unmount "$path"; done
while read -r id target; do
    [ -z "$id" ] || unlink_datastore "$id" "$target"
done <<<"$unlinked"

step "write /etc/fstab"
if [ -n "$fstab" ]; then
    [ -e /etc/fstab ] || install -m 0644 /dev/null /etc/fstab
    put /etc/fstab "$kept${kept:+$'\n'}$begin"$'\n'"$fstab"$'\n'"$end"
else
    remove_block /etc/fstab
fi
# Otherwise it goes by the old lines.
systemctl daemon-reload
# As the package has it, or nothing could be made beside a share inside.
[ -e "$datastores" ] || install -d -o oneadmin -g oneadmin -m 0750 "$datastores"

mount_it() {
    local hidden said
    mkdir -p "$path"
    hidden=$(find "$path" -xdev -mindepth 1 ! -type d -print -quit)
    [ -z "$hidden" ] || refuse "an empty folder to mount on" "$hidden" \
        "move what is in $path to the share, or away; then run again"
    # What stays behind, as a daemon does, must not hold our lock.
    said=$(timeout -s KILL 60 mount "$path" </dev/null 2>&1 9>&-) || refuse "$path to be mounted" \
        "${said:-no end of it within 60 s}" \
        "correct that entry of opennebula-ha:fstab, or have its server let this host in; then run again"
}
own_it() {
    local said
    said=$(chown "$owner:$group" "$path" 2>&1 && chmod "$mode" "$path" 2>&1) ||
        refuse "$path to be made $owner:$group $mode" "$said" \
            "give the folder that owner and mode on its server, then run again"
}
stamp_it() {
    local said
    said=$(on_share "$path" "$owner" "$group" sh -c \
        'mkdir -p "$1" && cat /proc/sys/kernel/random/uuid >"$1/$2"' - \
        "$(basename "$path")/$stamps" "$name" 2>&1) ||
        refuse "$owner to be able to write on $path" "$said" \
            "give the folder that owner on its server, or mount it with ro; then run again"
}
while read -r path owner group mode stamped; do
    [ -n "$path" ] || continue
    step "mount $path"
    fresh=
    if ! is_mounted "$path"; then
        mount_it
        fresh=yes
    fi
    read -r uid user gid group_name seen <<<"$(about "$path")"
    case " $uid:$gid $user:$gid $uid:$group_name $user:$group_name " in
        *" $owner:$group "*) [ "$((8#$seen))" -eq "$((8#$mode))" ] || own_it ;;
        *) own_it ;;
    esac
    if [ "$stamped" = yes ] && { [ -n "$fresh" ] || [[ " $(stamps_on "$path") " != *" $name="* ]]; }; then
        stamp_it
    fi
done <<<"$mounts"

# First what is to be ours, so that nothing of ours is ever without its line.
install -d -m 0755 "$(dirname "$record")"
if [ -n "$links" ]; then put "$record" "$links"; else rm -f "$record"; fi
while read -r id target; do
    [ -n "$id" ] || continue
    step "link datastore $id to $target"
    link=$datastores/$id
    [ "$(readlink "$link")" != "$target" ] || continue
    [ ! -L "$link" ] || refuse "no link of anybody else at $link" "it leads to $(readlink "$link")" \
        "remove that link, or correct opennebula-ha:ds; then run again"
    [ -d "$target" ] || refuse "a folder $target" "there is none" \
        "have it mounted with opennebula-ha:fstab, or make it; then run again"
    [ ! -e "$link" ] || said=$(rmdir "$link" 2>&1) || refuse "$link to be empty" "$said" \
        "move what is in it to $target, then run again"
    ln -s "$target" "$link"
done <<<"$links"
