# What this program puts on a host in addition to OpenNebula's own files.
stop_programs() { # UNIT... that may stay
    local unit
    for unit in opennebula-ha-leader.socket opennebula-ha-backup.timer; do
        case " $* " in *" $unit "*) continue ;; esac
        [ -e "/etc/systemd/system/$unit" ] || continue
        systemctl disable --now "$unit" 2>/dev/null || true
        systemctl reset-failed "${unit%.*}.service" 2>/dev/null || true
    done
}
drop_programs() {
    stop_programs
    rm -f /etc/systemd/system/opennebula-ha-leader{.socket,@.service} \
        /etc/systemd/system/opennebula-ha-backup.{service,timer} \
        /etc/systemd/system/opennebula{,-gate,-flow,-form,-hem}.service.d/opennebula-ha.conf \
        /etc/sudoers.d/opennebula-ha /var/lib/one/remotes/hooks/raft/vips.sh
    rm -rf /usr/local/lib/opennebula-ha
    rmdir /etc/systemd/system/opennebula{,-gate,-flow,-form,-hem}.service.d 2>/dev/null || true
}
