# What this program puts on a host in addition to OpenNebula's own files.
leader_socket=opennebula-ha-leader.socket
drop_programs() {
    systemctl disable --now "$leader_socket" 2>/dev/null || true
    rm -f "/etc/systemd/system/$leader_socket" /etc/systemd/system/opennebula-ha-leader@.service \
        /etc/systemd/system/opennebula-{gate,flow,form}.service.d/opennebula-ha.conf \
        /etc/sudoers.d/opennebula-ha /var/lib/one/remotes/hooks/raft/vips.sh
    rm -rf /usr/local/lib/opennebula-ha
    rmdir /etc/systemd/system/opennebula-{gate,flow,form}.service.d 2>/dev/null || true
}
