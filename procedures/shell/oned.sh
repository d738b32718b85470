# Start and stop oned.
#: use configuration marks vip
# Stop oned and keep it from starting by itself. Where it was never installed there is nothing to do.
stop_oned() {
    step "stop oned"
    if systemctl -q is-enabled opennebula.service 2>/dev/null; then
        systemctl --no-reload disable opennebula.service 2>/dev/null || true
        begin_stop
        # While it stops.
        systemctl daemon-reload
    fi
    halt_oned
}
state_of_oned() { systemctl show -p ActiveState --value opennebula.service; }
# Wait for the end of an oned that is being stopped. One that has ended all of its modules and runs on
# waits for a driver that never ends: systemd would kill it after 90 s, and nothing is lost by that. Our
# part of its unit (KillMode) keeps it from that, where systemd has read it.
await_stopped() {
    local finished=0 look
    for look in $(seq 850); do
        [ "$(state_of_oned)" = deactivating ] || return 0
        if has_finished; then finished=$((finished + 1)); fi
        if [ "$finished" = 25 ]; then
            step "kill oned: it has ended all of its modules, and hangs in its exit"
            systemctl kill --signal=KILL --kill-who=main opennebula.service || true
        fi
        [ "$look" != 50 ] || step "stop oned ($(limit_of_stop))"
        sleep 0.2
    done
}
limit_of_stop() {
    echo "it has not ended yet; systemd ends it after" \
        "$(systemctl show -p TimeoutStopUSec --value opennebula.service)"
}
# Its hooks may take longer than itself: those are left alone.
has_finished() {
    [ "$(systemctl show -p SubState --value opennebula.service)" = stop-sigterm ] &&
        [ "$(systemctl show -p MainPID --value opennebula.service)" -gt 0 ] &&
        tail -n 4 /var/log/one/oned.log 2>/dev/null | grep -q 'All modules finalized, exiting\.'
}
# Begin to stop oned, after its hooks: the one that removes the VIP at its end waits for a hook that
# still announces it, and clients would be sent here until then.
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
}
# Stop oned, whatever it does.
end_oned() {
    begin_stop
    for _ in $(seq 25); do
        # Its job has begun by then.
        case $(state_of_oned) in
            active | activating | reloading) sleep 0.2 ;;
            *) break ;;
        esac
    done
    await_stopped
}
# Stop it, but it starts again with the host.
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
# For what changes its data or its SERVER_ID. One that only tries to start is ended: it has no clients.
require_stopped() {
    [ "$(state_of_oned)" != active ] || refuse "oned stopped" "oned running" "run again"
    halt_oned
}
# Start or restart oned ($1). Where it does not start, why is what it and systemd reported.
# The unit allows 3 starts in 60 s, and so do those that its hook starts: systemd counts from here.
try_oned() {
    local log=/var/log/one/oned.log begun size
    begun=$(date +%s)
    size=$(stat -c %s "$log" 2>/dev/null || echo 0)
    systemctl reset-failed opennebula{,-flow,-gate,-form}.service 2>/dev/null || true
    case $1-$(state_of_oned) in
        # A start in progress has read its configuration already: another would only wait for its end.
        restart-* | start-activating) end_oned ;;
        *) await_stopped ;;
    esac
    if systemctl start opennebula.service; then
        # It has its database now.
        unclaim
        return 0
    fi
    journalctl --sync 2>/dev/null || true
    # What sudo says of the hooks is not it.
    why=$(journalctl -u opennebula --since "@$begun" --no-pager -o cat |
        grep -vE "pam_unix|COMMAND=" | tail -n 6
        tail -c "+$((size + 1))" "$log" 2>/dev/null | grep -E '\[E\]' | tail -n 4)
    return 1
}
# The same as try_oned; $2 and $3: what was expected, and what to do where it is not so.
run_oned() {
    [ ! -e "$upgrading" ] || refuse "no change of the database's version under way" "$upgrading" \
        "run pulumi up: it resumes that; without it, no oned of this zone may start"
    try_oned "$1" || refuse "$2" "$why" "$3"
}
