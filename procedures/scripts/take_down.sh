# One front-end out of service: no oned, no hook, no VIP, no trust. The data stays.
# Variables: vip and interface (or nothing), login, marker; secret: oned_conf (without hooks).
step "stop oned"
if systemctl cat opennebula.service >/dev/null 2>&1; then
    systemctl disable opennebula.service 2>/dev/null || true
    systemctl stop opennebula.service
fi
step "remove the hooks and the VIP"
if [ -n "$oned_conf" ] && [ -e /etc/one/oned.conf ]; then
    put /etc/one/oned.conf "$oned_conf"
    rm -f /var/lib/one/config
fi
if [ -n "$vip" ]; then
    ip -o address show | awk -v vip="$vip" 'index($4, vip "/") == 1 {print $2, $4}' |
        while read -r device address; do ip address del "$address" dev "$device"; done
fi
keys=$(getent passwd "$login" | cut -d: -f6)/.ssh/authorized_keys
[ ! -e "$keys" ] || sed -i "/ $marker\$/d" "$keys"
rm -rf /run/opennebula-ha /var/lib/opennebula-ha
