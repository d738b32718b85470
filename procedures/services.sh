# Report the services next to oned, after some of them were stopped or started.
#: use configuration units vip
#: units: to report
#: stop: units
#: start: units
#: addresses: VIPs: without any of them this host no longer leads, and nothing is started; or nothing
# A restart may have been interrupted after its success.
drop_former_conf
for unit in $stop; do
    step "stop $unit on a follower"
    systemctl stop "$unit.service"
done
for address in $addresses; do
    [ -n "$(ip -o address show to "$address")" ] || start=
done
for unit in $start; do
    step "start $unit"
    # The unit may permit only a few starts in a period.
    systemctl reset-failed "$unit.service" 2>/dev/null || true
    systemctl start --no-block "$unit.service"
done
tell started "$start"
tell hook "$(raft_hooks)"
show_units $units
tell_units
sockets=$(ss -Hltnp 2>/dev/null || true)
tell listening "$(for unit in $units; do
    pid=$(systemctl show -p MainPID --value "$unit")
    ! grep -q "pid=$pid," <<<"$sockets" || echo "$unit"
done)"
