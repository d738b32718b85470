# Virtual IPs.
# Raft's hooks that are at work on this host, with their arguments.
raft_hooks() { pgrep -af /hooks/raft/ || true; }
drop_address() {
    ip -o address show | awk -v address="$1" 'index($4, address "/") == 1 {print $2, $4}' |
        while read -r device found; do ip address del "$found" dev "$device"; done
}
