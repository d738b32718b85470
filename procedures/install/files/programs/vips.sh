#!/bin/bash
# vips.sh leader|follower [INTERFACE ADDRESS/PREFIX]...
# Raft's hook for several addresses, and for IPv6. The leader adds each address and announces it to its
# neighbours; a follower removes each. Addresses that are already right stay as they are. If one is
# wrong in the end, the exit status is 1, and oned.log has the reason. OpenNebula's own vip.sh starts
# and stops the services next to oned.
export LC_ALL=C
asked=$1 role=$1
shift
status=0
fail() {
    echo "vips.sh $role: $*" >&2
    status=1
}
# oned does not wait for its hooks, so they run in any order. What counts is the state that oned reports
# now: after its last change of state, at least one hook has yet to run. If oned does not answer, it is
# starting or has ended, and the argument counts.
decide() {
    case $(timeout 3 /usr/local/lib/opennebula-ha/leads --ask 2>/dev/null) in
        3) role=leader ;;
        1 | 2) role=follower ;;
        *) role=$asked ;;
    esac
}

case $asked in
    leader | follower) ;;
    *)
        fail "expected leader or follower"
        exit $status
        ;;
esac
# One hook at a time on a host. The lock is on this file, the only one that certainly exists.
exec 9<"$0"
flock -w 60 9 || fail "another hook has held the lock for 60 s"
decide

places() { ip -o address show to "$1" | awk '{print $2, $4, / dadfailed /}'; }
drop() { # interface address/prefix
    local said
    said=$(sudo -n ip address del "$2" dev "$1" 2>&1) || fail "cannot take $2 off $1: $said"
}
hold() { # interface address/prefix
    local device there failed said held="" options=()
    while read -r device there failed; do
        if [ "$device $there $failed" = "$1 $2 0" ]; then held=yes; else drop "$device" "$there"; fi
    done < <(places "${2%/*}")
    [ -z "$held" ] || return 0
    # Without duplicate address detection: the former leader may still answer. Without a preferred
    # lifetime, so that this host's own connections do not come from this address.
    [[ $2 != *:* ]] || options=(nodad preferred_lft 0)
    said=$(sudo -n ip address add "$2" dev "$1" "${options[@]}" 2>&1) ||
        fail "cannot add $2 to $1: $said"
}
release() { # interface address/prefix
    local device there
    while read -r device there _; do drop "$device" "$there"; done < <(places "${2%/*}")
}

held=()
case $role in
    leader) change=hold ;;
    follower) change=release ;;
esac
while [ $# -gt 0 ]; do
    if [ -z "${2:-}" ]; then
        fail "expected INTERFACE ADDRESS/PREFIX, not $*"
        break
    fi
    $change "$1" "$2"
    [ -z "$(ip -o address show dev "$1" to "${2%/*}" 2>/dev/null)" ] || held+=("$1" "${2%/*}")
    shift 2
done
if [ "$role" = leader ] && [ ${#held[@]} -gt 0 ]; then
    said=$(sudo -n /usr/local/lib/opennebula-ha/announce "${held[@]}" 2>&1) ||
        fail "cannot announce ${held[*]}: $said"
fi
exec 9<&-

# Services take longer. Another lock, so that addresses do not wait for them.
folder=$(dirname "$0")
exec 8<"$folder"
flock -w 60 8 || fail "another hook has changed services for 60 s"
decide
"$folder/vip.sh" "$role" || fail "vip.sh $role: exit status $?"
exit $status
