# Set which keys some accounts accept, and which hosts they know.
#: use blocks ssh
#: users
#: authorized_*: by the number of the user: our lines of authorized_keys, or nothing
#: known_*: the same of known_hosts
set_block() { # file, lines
    local kept
    [ -e "$1" ] || [ -n "$2" ] || return 0
    [ -e "$1" ] || install -o "$user" -g "$(id -gn "$user")" -m 0600 /dev/null "$1"
    kept=$(without_block "$1")
    if [ -n "$2" ]; then
        put_block "$1" "$kept${kept:+$'\n'}" "$2"
    else
        remove_block "$1"
    fi
}
n=0
for user in $users; do
    folder=$(ssh_folder "$user")
    authorized=authorized_$n known=known_$n
    if [ -n "$folder" ]; then
        step "allow the other front-ends' keys for $user"
        keys=$(authorized_keys "$user")
        [ -z "${!authorized}" ] || make_authorized_keys "$user" "$keys"
        set_block "$keys" "${!authorized}"
        set_block "$folder/known_hosts" "${!known}"
    fi
    n=$((n + 1))
done
