# Start and stop oned.
#: use configuration marks
# Stop oned and keep it from starting by itself. Where it was never installed there is nothing to do.
stop_oned() {
    step "stop oned"
    if systemctl -q is-enabled opennebula.service 2>/dev/null; then
        systemctl --no-reload disable opennebula.service 2>/dev/null || true
        await_stoppable
        systemctl --no-block stop opennebula.service 2>/dev/null || true
        # While it stops.
        systemctl daemon-reload
    fi
    halt_oned
}
state_of_oned() { systemctl show -p ActiveState --value opennebula.service; }
# A stop within seconds after the start may never end: a thread of oned's waits for one that has just
# begun. Systemd knows when it said that it was ready.
await_stoppable() {
    local ready pause
    ready=$(systemctl show -p ActiveEnterTimestampMonotonic --value opennebula.service)
    [ "$(state_of_oned)" = active ] && [ "${ready:-0}" -gt 0 ] || return 0
    # Of a process that has just begun, as in tell_units.
    pause=$(awk -v ready="$ready" '{pause = 4 + ready / 1e6 - $22 / 100; if (pause > 0) print pause}' \
        /proc/self/stat)
    [ -z "$pause" ] || sleep "$pause"
}
# Wait for the end of an oned that is being stopped. One that has ended all of its modules and runs on
# waits for a thread that never ends: systemd would kill it after 90 s, and nothing is lost by that.
await_stopped() {
    local finished=0
    for _ in $(seq 850); do
        [ "$(state_of_oned)" = deactivating ] || return 0
        if has_finished; then finished=$((finished + 1)); fi
        if [ "$finished" = 25 ]; then
            step "kill oned: it has ended all of its modules, and hangs in its exit"
            systemctl kill --signal=KILL --kill-who=main opennebula.service || true
        fi
        sleep 0.2
    done
}
# Its hooks may take longer than itself: those are left alone.
has_finished() {
    [ "$(systemctl show -p SubState --value opennebula.service)" = stop-sigterm ] &&
        [ "$(systemctl show -p MainPID --value opennebula.service)" -gt 0 ] &&
        tail -n 4 /var/log/one/oned.log 2>/dev/null | grep -q 'All modules finalized, exiting\.'
}
# Stop oned, whatever it does.
end_oned() {
    await_stoppable
    systemctl --no-block stop opennebula.service 2>/dev/null || true
    for _ in $(seq 25); do
        # Its job has begun by then.
        [ "$(state_of_oned)" = active ] || break
        sleep 0.2
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
# Start or restart oned ($1). Where it does not start, why is what it and systemd reported.
# The unit allows 3 starts in 60 s, and so do those that its hook starts: systemd counts from here.
try_oned() {
    local log=/var/log/one/oned.log begun size
    begun=$(date +%s)
    size=$(stat -c %s "$log" 2>/dev/null || echo 0)
    systemctl reset-failed opennebula{,-flow,-gate,-form}.service 2>/dev/null || true
    if [ "$1" = restart ]; then end_oned; else await_stopped; fi
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
