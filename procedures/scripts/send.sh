# Send the dump, .one, .ssh and the remotes straight to the other front-ends, all at once.
# Variables: dump, targets (lines: name login address port host-key); secret: private_key.
step "send the database and the keys"
umask 077
make_gui_key
work=$(mktemp -d /run/opennebula-ha-send.XXXXXX)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$private_key" >"$work/key"
send() { # name login address port key-type key
    local known="$3"
    [ "$4" = 22 ] || known="[$3]:$4"
    printf '%s %s %s\n' "$known" "$5" "$6" >"$work/known.$1"
    rsync -a --timeout=60 \
        -e "ssh -F none -i $work/key -l $2 -p $4 -o IdentitiesOnly=yes -o IdentityAgent=none \
            -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=none \
            -o UserKnownHostsFile=$work/known.$1" \
        "$dump" /var/lib/one/.one /var/lib/one/.ssh /var/lib/one/remotes "$2@$3::incoming/" >"$work/said.$1" 2>&1
}
declare -A jobs=()
while read -r name rest; do
    [ -n "$name" ] || continue
    send "$name" $rest &
    jobs[$name]=$!
done <<<"$targets"
failed= said=
for name in "${!jobs[@]}"; do
    if ! wait "${jobs[$name]}"; then
        failed="$failed $name"
        said="$said$name: $(tail -n 3 "$work/said.$name"); "
    fi
done
[ -z "$failed" ] || refuse "rsync to$failed" "$said" \
    "check that this front-end reaches port 22 of$failed and that there is room on its disk; then run again"
