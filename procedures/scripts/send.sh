# Send the dump, .one, .ssh and the remotes straight to the other front-ends, all at once.
# Variables: dump, targets (lines: name login address port host-key); secret: private_key, made for
# this transfer. Environment: OPERATOR_AGENT, where the operator's agent is lent to us.
umask 077
make_gui_key

nameless() { # TEXT: a file without a name in $file; whatever ends this script, nothing of it stays
    local name fd
    name=$(mktemp /run/opennebula-ha-send.XXXXXX)
    exec {fd}<>"$name"
    rm "$name"
    file=/proc/$BASHPID/fd/$fd
    printf %s "$1" >"$file"
}
known=
while read -r name _ address port host_key; do
    [ -n "$name" ] || continue
    place=$address
    [ "$port" = 22 ] || place="[$address]:$port"
    known="$known$place $host_key"$'\n'
done <<<"$targets"
nameless "$known"
ssh="ssh -F none -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=yes \
    -o GlobalKnownHostsFile=none -o UserKnownHostsFile=$file"

# The ways to log in, by what ssh is told.
declare -A ways=() words=(
    [agent]="the operator's agent" [own]="keys of $login here" [made]="a key for this alone"
)
[ -z "${OPERATOR_AGENT:-}" ] || ways[agent]="-o IdentityFile=none -o IdentityAgent=$OPERATOR_AGENT"
for kind in ed25519 ecdsa rsa; do
    own=$(ssh_folder "$login")/id_$kind
    [ ! -s "$own" ] || ways[own]="${ways[own]:--o IdentitiesOnly=yes -o IdentityAgent=none} -i $own"
done
nameless "$private_key"$'\n'
ways[made]="-o IdentitiesOnly=yes -o IdentityAgent=none -i $file"

# rsync to the front-end that ``send`` is at.
through() { # WAY, place there, files
    local receive="rsync --config=/run/opennebula-ha/receive.conf"
    [ "$user" = root ] || receive="sudo -n $receive"
    rsync -a --timeout=60 --rsync-path="$receive" -e "$ssh -l $user -p $port ${ways[$1]}" \
        "${@:3}" "$address::$2" >&2
}
send() {
    local name=$1 user=$2 address=$3 port=$4 way
    for way in agent own made; do
        [ -n "${ways[$way]:-}" ] || continue
        # Asked for nothing, it says what it would receive: so it is seen whether a way leads there.
        [ "$way" = made ] || through "$way" "" || continue
        step "send the database and the keys to $name, with ${words[$way]}"
        through "$way" incoming/ "$dump" /var/lib/one/.one /var/lib/one/.ssh /var/lib/one/remotes
        return
    done
}
declare -A jobs=() logs=()
while read -r name rest; do
    [ -n "$name" ] || continue
    nameless ""
    logs[$name]=$file
    send "$name" $rest 2>"$file" &
    jobs[$name]=$!
done <<<"$targets"
failed= said= stranger=
for name in "${!jobs[@]}"; do
    if ! wait "${jobs[$name]}"; then
        failed="$failed $name"
        said="$said$name: $(tail -n 3 "${logs[$name]}"); "
        ! grep -q "Host key verification failed" "${logs[$name]}" || stranger="$stranger $name"
    fi
done
[ -n "$failed" ] || exit 0
step "send the database and the keys"
[ -z "$stranger" ] || refuse "the host key that this program saw itself, of$stranger" "$said" \
    "from this front-end their addresses lead to other hosts, or somebody stands in between: find out which before you run again"
refuse "rsync to$failed" "$said" \
    "check that this front-end reaches the SSH port of$failed and that there is room on its disk; then run again"
