#!/bin/bash
# vips.sh leader|follower [INTERFACE ADDRESS/PREFIX]...
# Raft's hook for several addresses, and for those of IPv6. Who leads gets each of them and tells
# the neighbours; who follows has none. What is so already is well. What is not so in the end is a
# failure: exit status 1, and the reason for oned.log. The services beside oned are left to
# OpenNebula's own vip.sh.
export LC_ALL=C
asked=$1 role=$1
shift
status=0
fail() {
    echo "vips.sh $role: $*" >&2
    status=1
}
# oned starts each hook beside the ones before, so that they come in any order. Its own word of this
# moment counts: after its last change of state one hook at least is still to come. Where it gives
# none it starts or has ended.
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
# One at a time on a host. Of no other file it is sure that it is there.
exec 9<"$0"
flock -w 60 9 || fail "another one has been at work for 60 s"
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
    # Without a question whether somebody has it: who led before may still answer. And no connection
    # of this host's own is to come from it.
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

# Services take longer, and no address waits for them.
folder=$(dirname "$0")
exec 8<"$folder"
flock -w 60 8 || fail "services have been at work for 60 s"
decide
"$folder/vip.sh" "$role" || fail "vip.sh $role: exit status $?"
exit $status
