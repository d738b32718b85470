# Log in to the other front-ends as some accounts, with the accounts' own keys. Changes nothing.
#: use ssh
#: users
#: targets: lines NAME ADDRESS PORT
tell failed "$(while read -r name address port; do
    for user in $users; do
        key=$(find "$(ssh_folder "$user")" -maxdepth 1 -name 'id_*' -not -name '*.pub' | head -n 1)
        # A key with a passphrase is for people.
        ssh-keygen -y -P '' -f "$key" >/dev/null 2>&1 || continue
        said=$(runuser -u "$user" -- ssh -o BatchMode=yes -o ConnectTimeout=10 -p "$port" \
            "$user@$address" true 2>&1 </dev/null) ||
            echo "$user $name $(tail -n 1 <<<"$said")"
    done
done <<<"$targets")"
