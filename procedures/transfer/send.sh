# Dump the database and send it to the other front-ends at the same time, with .one, .ssh and the
# remotes. If the operator's agent may be used, OPERATOR_AGENT is in the environment.
#: use dumps gui ssh transfer
#: db_name
#: reason
#: keep: how many dumps
#: targets: lines NAME LOGIN ADDRESS PORT HOST-KEY
#: secret private_key: made for this transfer
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
declare -A places=()
while read -r name user address port host_key; do
    [ -n "$name" ] || continue
    places[$name]="$user $address $port"
    place=$address
    [ "$port" = 22 ] || place="[$address]:$port"
    known="$known$place $host_key"$'\n'
done <<<"$targets"
nameless "$known"
ssh="ssh -F none -o BatchMode=yes -o LogLevel=ERROR -o ConnectTimeout=15 -o ServerAliveInterval=15 -o StrictHostKeyChecking=yes \
    -o GlobalKnownHostsFile=none -o UserKnownHostsFile=$file"

# The ways to log in, as options of ssh.
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

as_root() { [ "$user" = root ] || echo "sudo -n "; }
# A login shell's output is not part of rsync's.
clean="bash -o pipefail -c '\"\$@\" | while IFS= read -r line; do
    [ \"\$line\" != $receives ] || exec cat; done' clean"
# rsync to the front-end that ``reach`` has logged in to.
through() { # WAY, place there, files
    rsync -a --timeout=60 \
        --rsync-path="echo && echo $receives && $(as_root)rsync --config=/run/opennebula-ha/receive.conf" \
        -e "$clean $ssh -l $user -p $port ${ways[$1]}" "${@:3}" "$address::$2" </dev/null
}
reach() { # NAME
    local user address port way files said database status=0
    read -r user address port <<<"${places[$1]}"
    for way in agent own made; do
        [ -n "${ways[$way]:-}" ] || continue
        # Without files, rsync reports what it would receive: this shows whether this way works.
        [ "$way" = made ] || through "$way" "" || continue
        step "send the database and the keys to $1, with ${words[$way]}" >&"$output"
        # At the same time as the database, not earlier.
        # A folder that is a link is sent as what it leads to.
        exec {files}< <(through "$way" incoming/ --relative --no-implied-dirs /var/lib/one/./.one/ \
            /var/lib/one/./.ssh/ /var/lib/one/./remotes/ 2>&1 && printf '\nsent\n')
        database=$($ssh -l "$user" -p "$port" ${ways[$way]} "$address" "$(as_root)$import" 2>&1) ||
            status=$?
        said=$(cat <&"$files")
        [ "${said##*$'\n'}" = sent ] || { echo "$said"; return 1; }
        [ "$status" = 0 ] || echo "$database"
        return "$status"
    done
}
give_to() { # NAME: the database on standard input, and the rest
    local said
    said=$(reach "$1" 2>&1) || echo "$1: $(tail -n 3 <<<"$said" | paste -sd' ')"
}

exec {output}>&1
keep_dump "${!places[@]}"
tell dump "$dump"
[ -n "$unsent" ] || exit 0
step "send the database and the keys"
names() { cut -d: -f1 | sort | paste -sd' '; }
said=$(sort <<<"$unsent" | paste -sd';' | sed 's/;/; /g')
stranger=$(grep "Host key verification failed" <<<"$unsent" | names || true)
[ -z "$stranger" ] || refuse "the host key of $stranger that this program has verified" "$said" \
    "from this front-end their addresses lead to other hosts, or a third party intercepts them: find out which before you run again"
failed=$(names <<<"$unsent")
refuse "the database and the keys on $failed" "$said" \
    "check that this front-end reaches the SSH port of $failed and that there is room on its disk; then run again"
