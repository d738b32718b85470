# Take one front-end out of service: stop oned, remove hooks, VIPs and keys of transfers. The data
# stays.
#: use configuration oned transfer vip
#: vips: or nothing
#: secret oned_conf: without hooks
stop_oned
step "remove the hooks and the VIPs"
if [ -n "$oned_conf" ] && [ -e /etc/one/oned.conf ]; then
    put_conf "$oned_conf"
    rm -f /var/lib/one/config
fi
for vip in $vips; do drop_address "$vip"; done
end_trust
drop_incoming
