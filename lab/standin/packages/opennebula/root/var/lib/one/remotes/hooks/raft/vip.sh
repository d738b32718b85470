#!/bin/bash
# vip.sh leader|follower INTERFACE ADDRESS/PREFIX [INTERFACE ADDRESS/PREFIX ...]
#
# The leader holds each address, tells its neighbours, and runs the services that need the leader.
# What fails is only reported: the exit status is 0 all the same, as with OpenNebula's own script.

role=$1
shift

# One hook at a time on a host; a later one waits for the one before.
exec 56>/var/lock/one/vip_sh
flock -w 60 56

pace=$(sed -n 's/.*"wait_scale"[^0-9]*\([0-9.]*\).*/\1/p' /etc/opennebula-standin.json 2>/dev/null)
pause=${pace:-1}
# A round takes two seconds of its own; a lab in a hurry has one.
rounds=5
case $pause in 0*|.*) rounds=1 ;; esac

announce() {
    for _ in $(seq $rounds); do
        sudo -n arping -c 1 -U -I "$1" "$2"
        sleep "$pause"
        sudo -n arping -c 1 -A -I "$1" "$2"
        sleep "$pause"
    done
}

hold() {
    sudo -n ip address add "$2" dev "$1"
    announce "$1" "${2%%/*}"
}

release() {
    if ip address show dev "$1" | grep -qF " ${2%%/*}/"; then
        sudo -n ip address del "$2" dev "$1"
    fi
}

services() {
    for unit in opennebula-flow opennebula-gate opennebula-form; do
        if systemctl is-enabled "$unit" >/dev/null 2>&1; then
            sudo -n systemctl "$1" "$unit"
        fi
    done
    # It may be started although it is not enabled, and opennebula.service wants it.
    if [ "$1" = start ] || systemctl is-enabled opennebula-hem >/dev/null 2>&1 ||
        systemctl is-active opennebula-hem >/dev/null 2>&1; then
        sudo -n systemctl "$1" opennebula-hem
    fi
}

case $role in
leader) change=hold action=start ;;
follower) change=release action=stop ;;
*)
    echo "Unknown action '$role'" >&2
    exit 1
    ;;
esac

while [ $# -gt 0 ]; do
    if [ -z "$1" ] || [ -z "$2" ]; then
        echo "expected INTERFACE ADDRESS/PREFIX, found '$1' '$2'" >&2
        exit 1
    fi
    $change "$1" "$2"
    shift 2
done

services $action
exit 0
