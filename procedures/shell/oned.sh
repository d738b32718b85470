# Start and stop oned.
#: use configuration marks units vip
# What runs users' hooks. Its list of them is as old as its start, so it has to start on the new
# leader. OpenNebula's hook stops it on a follower if it is enabled or runs: at that time oned still
# starts, and without this, systemd starts hem next to each follower after it.
hem=opennebula-hem.service
enable_hem() { systemctl --no-reload enable $hem 2>/dev/null || true; }
# Stop oned and disable it. Does nothing if it was never installed.
stop_oned() {
    disable_oned
    halt_oned
}
# If oned is enabled, disable it and begin to stop it.
disable_oned() {
    step "stop oned"
    systemctl --no-reload disable $hem 2>/dev/null || true
    systemctl -q is-enabled opennebula.service 2>/dev/null || return 0
    systemctl --no-reload disable opennebula.service 2>/dev/null || true
    begin_stop
    # At the same time as it stops.
    systemctl daemon-reload
}
kill_oned() { systemctl kill --signal=KILL --kill-who=main opennebula.service || true; }
state_of_oned() { systemctl show -p ActiveState --value opennebula.service; }
# Wait until systemd has stopped oned. Sometimes oned ends all of its modules, but then waits for
# ever for a driver that systemd has stopped too early. systemd would kill it after 90 s; killing it
# earlier loses nothing. It does not happen after systemd has read our part of the unit (KillMode).
await_stopped() {
    local finished=0 look
    for look in $(seq 850); do
        [ "$(state_of_oned)" = deactivating ] || return 0
        if has_finished; then finished=$((finished + 1)); fi
        if [ "$finished" = 25 ]; then
            step "kill oned: it has ended all of its modules, and hangs in its exit"
            kill_oned
        fi
        [ "$look" != 50 ] || step "stop oned ($(limit_of_stop))"
        sleep 0.2
    done
}
limit_of_stop() {
    echo "it has not ended yet; systemd ends it after" \
        "$(systemctl show -p TimeoutStopUSec --value opennebula.service)"
}
# Its hooks may take longer: they are not killed.
has_finished() {
    [ "$(systemctl show -p SubState --value opennebula.service)" = stop-sigterm ] &&
        [ "$(systemctl show -p MainPID --value opennebula.service)" -gt 0 ] &&
        tail -n 4 /var/log/one/oned.log 2>/dev/null | grep -q 'All modules finalized, exiting\.'
}
# Begin to stop oned when its hooks have ended. The hook at the end of oned, which removes the VIP,
# waits for a hook that still announces it, and clients would reach this host until then.
begin_stop() {
    local look
    if [ "$(state_of_oned)" = active ]; then
        for look in $(seq 200); do
            [ -n "$(raft_hooks)" ] || break
            [ "$look" != 5 ] || step "wait for the end of Raft's hook"
            sleep 0.2
        done
    fi
    systemctl --no-block stop opennebula.service 2>/dev/null || true
    for _ in $(seq 25); do
        # Its job has begun by then.
        case $(state_of_oned) in
            active | activating | reloading) sleep 0.2 ;;
            *) break ;;
        esac
    done
}
# Stop oned in any state.
end_oned() {
    begin_stop
    await_stopped
}
# Stop it, but let it start at the next boot.
halt_oned() {
    end_oned
    local state
    state=$(state_of_oned)
    case $state in
        inactive | failed) ;;
        *) refuse "oned to stop" "it is $state" \
            "look at journalctl -u opennebula on the host, then run again" ;;
    esac
}
# Before its data or its SERVER_ID changes. An oned that is still starting is ended: it has no
# clients.
require_stopped() {
    [ "$(state_of_oned)" != active ] || refuse "oned stopped" "oned running" "run again"
    halt_oned
}
# Enable oned, which try_oned starts next. systemd reads its units again while oned starts, but
# before that if it does not know the whole unit: it may be masked, or its part of ours is missing.
# After a power cut, the boot starts oned: hem must be enabled by then.
enable_oned() {
    enable_hem
    enable_units opennebula.service
    [ -n "$unread" ] || return 0
    local shown
    shown=$(systemctl show -p LoadState -p NeedDaemonReload -p DropInPaths opennebula.service)
    [[ $shown == *LoadState=loaded* && $shown == *NeedDaemonReload=no* &&
        $shown == */opennebula-ha.conf* ]] || read_units
}
# Start or restart oned ($1). If it does not start, the reason is what it and systemd reported.
try_oned() {
    local log=/var/log/one/oned.log begun size
    begun=$(date +%s)
    size=$(stat -c %s "$log" 2>/dev/null || echo 0)
    systemctl reset-failed opennebula{,-flow,-gate,-form,-hem}.service 2>/dev/null || true
    enable_hem
    case $1-$(state_of_oned) in
        # A start in progress has already read its configuration: another start would only wait for
        # it.
        restart-* | start-activating) end_oned ;;
        *) await_stopped ;;
    esac
    if [ -n "$unread" ]; then
        # At the same time as it starts.
        systemctl --no-block start opennebula.service || true
        read_units
    fi
    if systemctl start opennebula.service; then
        # It has its database now.
        unclaim
        return 0
    fi
    journalctl --sync 2>/dev/null || true
    # Ignore sudo's messages about hooks.
    why=$(journalctl -u opennebula --since "@$begun" --no-pager -o cat |
        grep -vE "pam_unix|COMMAND=" | tail -n 6
        tail -c "+$((size + 1))" "$log" 2>/dev/null | grep -E '\[E\]' | tail -n 4)
    return 1
}
# Like try_oned; $2 and $3: what was expected, and what to do if it fails.
run_oned() {
    [ ! -e "$upgrading" ] || refuse "no upgrade of the database in progress" "$upgrading" \
        "run pulumi up: it resumes that; without it, no oned of this zone may start"
    try_oned "$1" || refuse "$2" "$why" "$3"
}
