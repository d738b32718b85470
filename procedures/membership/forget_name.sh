# Take a front-end that has left the zone out of our part of /etc/hosts. Variable: name.
if block_of /etc/hosts | awk -v name="$name" '$2 == name {found = 1} END {exit !found}'; then
    step "remove $name from /etc/hosts"
    put /etc/hosts "$(awk -v begin="$begin" -v end="$end" -v name="$name" '
        $0 == begin {ours = 1}
        $0 == end {ours = 0}
        !(ours && $2 == name)' /etc/hosts)"
fi
