# Remove an address from whatever interface has it. Variable: address.
step "remove $address"
ip -o address show | awk -v address="$address" 'index($4, address "/") == 1 {print $2, $4}' |
    while read -r device found; do ip address del "$found" dev "$device"; done
