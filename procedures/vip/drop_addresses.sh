# Remove addresses from whatever interface has them.
#: use vip
#: addresses
step "remove $addresses"
for address in $addresses; do drop_address "$address"; done
