# One front-end out of service: no oned, no hook, no VIP, no trust. The data stays.
# Variable: vip (or nothing); secret: oned_conf (without hooks).
stop_oned
step "remove the hooks and the VIP"
if [ -n "$oned_conf" ] && [ -e /etc/one/oned.conf ]; then
    put_conf "$oned_conf"
    rm -f /var/lib/one/config
fi
[ -z "$vip" ] || drop_address "$vip"
end_trust
drop_incoming
