# Remove an address from whatever interface has it. Variable: address.
step "remove $address"
drop_address "$address"
