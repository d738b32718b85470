# Report what on this host may give it addresses that are the leader's: files and programs that name
# them, and the services that manage addresses.
#: addresses
services="keepalived pacemaker corosync ucarp vrrpd systemd-networkd NetworkManager networking wicked \
dhcpcd dhclient cloud-init"
folders="/etc/keepalived /etc/corosync /etc/pacemaker /etc/ucarp /etc/vrrpd /etc/netplan /etc/network \
/etc/systemd /run/systemd/network /etc/NetworkManager /etc/sysconfig /etc/wicked /etc/dhcp \
/etc/cloud /etc/cron.d /etc/cron.daily /etc/cron.hourly /etc/crontab /var/spool/cron /etc/rc.local \
/usr/local/bin /usr/local/sbin /opt"
managers() {
    local address line pid found
    for address in $addresses; do
        ip -o address show to "$address" | awk '{
            for (i = 5; i <= NF; i++) if ($i == "dynamic" || $i == "proto") kind = kind " " $i
            print $4 " on " $2 (kind ? " (" kind " )" : "")
        }'
        found=$(timeout 20 grep -rslIF -- "$address" $folders 2>/dev/null | head -n 5 | paste -sd' ')
        [ -z "$found" ] || echo "$address is in $found"
        # Neither this script nor a hook of Raft's, which moves it as it has to.
        while read -r pid line; do
            [ -z "$pid" ] || [ "$pid" = $$ ] || [ "$pid" = "$PPID" ] ||
                grep -q /hooks/raft/ <<<"$line" || echo "process $pid: ${line:0:120}"
        done <<<"$(pgrep -af -- "(^|[ =])${address//./\\.}(/| |\$)" | head -n 5)"
    done
    for unit in $services; do
        ! systemctl -q is-active "$unit" 2>/dev/null || echo "$unit runs"
    done
}
tell managers "$(managers | awk '!seen[$0]++')"
