# Virtual IPs.
drop_address() {
    ip -o address show | awk -v address="$1" 'index($4, address "/") == 1 {print $2, $4}' |
        while read -r device found; do ip address del "$found" dev "$device"; done
}
