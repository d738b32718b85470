# Report the SSH keys of some accounts, and our lines in their files.
#: use blocks ssh
#: users
#: name: of this front-end
#: make: yes: create missing keys
#: rsa_key_size: where the key must be an RSA key, or nothing
kinds="ed25519 ecdsa rsa" made=(-t ed25519)
[ -z "$rsa_key_size" ] || kinds=rsa made=(-t rsa -b "$rsa_key_size")
n=0
for user in $users; do
    folder=$(ssh_folder "$user")
    key=
    for kind in $kinds; do
        [ -n "$key" ] || [ ! -s "$folder/id_$kind" ] || key=$folder/id_$kind
    done
    if [ -z "$key" ] && [ "$make" = yes ]; then
        [ -n "$folder" ] || refuse "an account $user" "none" \
            "make it there, or remove it from opennebula-ha:ensure_keys_for; then run again"
        step "create a key for $user"
        key=$folder/id_${made[1]}
        install -d -o "$user" -g "$(id -gn "$user")" -m 0700 "$folder"
        runuser -u "$user" -- ssh-keygen -q "${made[@]}" -N '' -C "$user@$name" -f "$key"
    fi
    if [ -n "$key" ]; then
        tell "public_$n" "$({ cat "$key.pub" 2>/dev/null || ssh-keygen -y -P '' -f "$key"; } |
            cut -d' ' -f1,2)"
    fi
    tell "authorized_$n" "$([ -z "$folder" ] || block_of "$(authorized_keys "$user")")"
    tell "known_$n" "$(block_of "$folder/known_hosts")"
    n=$((n + 1))
done
