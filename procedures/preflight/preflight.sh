# Report what preflight checks on a host; observe.sh follows, if it can run here at all. Changes
# nothing.
#: use family mariadb prepared ssh
#: vips: addresses that must not be in use elsewhere
#: targets: lines ADDRESS PORT
#: paths: whose free space is reported
#: senders: the other front-ends' addresses
#: accounts: that must exist
#: programs: paths
#: timezone: or nothing
#: mount_points
#: sources: paths of what is mounted there, or linked to
#: shares: lines FSTYPE OPTIONS SOURCE
#: links: lines ID PATH
#: key: path, or nothing
#: certchain: path
now() { date +%s.%N; }
tell begun "$(now)"

# A host answers for its addresses on the link even if its firewall drops everything. The kernel's
# entries may be out of date: flush them, so that it asks again.
neighbours() {
    local vip
    [ -n "$vips" ] || return 0
    for vip in $vips; do
        for _ in 1 2 3; do
            ip neigh flush to "$vip" 2>/dev/null || true
            (echo >"/dev/udp/$vip/9") 2>/dev/null || true
            sleep 0.2
            ! ip neigh show to "$vip" | grep -q lladdr || break
        done &
    done
    wait
    ip neigh show
}
exec {answers}< <(neighbours)

knock() { # address port
    local said status=0
    said=$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1) || status=$?
    case $status in
        0) said=open ;;
        124) said="no answer" ;;
        *) said=${said##*: } ;;
    esac
    echo "$1 $2 $said"
}
# Why sudo refuses an account that has a rule like OpenNebula's; empty if it does not, or cannot be
# asked. The rule exists only in a mount namespace: the host's files do not change.
sudo_refusal() {
    ! getent passwd oneadmin >/dev/null && type -P sudo >/dev/null || return 0
    LC_ALL=C unshare -m --propagation private bash -euc '
        mount -t tmpfs -o mode=0750 tmpfs /mnt
        cp -a /etc/sudoers.d/. /mnt
        printf "%s\n" "Defaults:daemon !requiretty" "daemon ALL=(ALL) NOPASSWD: $0" >/mnt/opennebula
        chmod 0440 /mnt/opennebula
        mount --bind /mnt /etc/sudoers.d
        said=$(runuser -u daemon -- sudo -n "$0" 2>&1 </dev/null) || printf "%s\n" "$said" | tail -n 1
    ' "$(type -P true)" 2>/dev/null || true
}

# At the end: the neighbours have had time to answer.
trap 'tell neighbours "$(cat <&"$answers")"; tell ended "$(now)"' EXIT
#: facts procedures.preflight.probe
[ -d /run/systemd/system ] && [ -n "$family" ] || exit 0
