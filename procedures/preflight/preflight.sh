# Report what preflight checks on a host; observe.sh follows, if it can run here at all. Changes
# nothing.
#: use blocks certificate family mariadb shares ssh
#: vips: addresses that must not be in use elsewhere
#: targets: lines ADDRESS PORT
#: paths: whose free space is reported
#: sources: the other front-ends' addresses
#: accounts: that must exist
#: programs: paths
#: timezone: or nothing
#: mount_points
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
# What the host does not have: lines account, program or timezone, and its name.
missing() {
    local name
    for name in $accounts; do getent passwd "$name" >/dev/null || echo "account $name"; done
    for name in $programs; do [ -x "$name" ] || echo "program $name"; done
    [ -z "$timezone" ] || [ -e "/usr/share/zoneinfo/$timezone" ] || echo "timezone $timezone"
}
# What prevents the mounts and links of the config: lines MOUNT-POINT or LINK, a tab, and what is
# there.
obstacles() {
    local path id target kept
    kept=$([ ! -e /etc/fstab ] || split_block /etc/fstab theirs 2>/dev/null || true)
    for path in $mount_points; do
        awk -v path="$path" '$1 !~ /^#/ && $2 == path {print path "\tthe line " $0 " in /etc/fstab"}' <<<"$kept"
        is_mounted "$path" || printf '%s\t%s\n' "$path" "$(hidden_by "$path")"
    done
    while read -r id target; do
        [ -n "$id" ] || continue
        if [ -L "$datastores/$id" ]; then
            printf '%s\t%s\n' "$datastores/$id" "$(readlink "$datastores/$id" | grep -vxF -- "$target")"
        else
            printf '%s\t%s\n' "$datastores/$id" "$(hidden_by "$datastores/$id")"
        fi
    done <<<"$links"
}
# What is wrong with the web server's own certificate.
fault_of_own_pair() {
    local path
    if type -P openssl >/dev/null; then
        fault_of_pair "$key" "$certchain"
        return
    fi
    for path in "$key" "$certchain"; do
        [ -s "$path" ] || { echo "no file $path" && return; }
    done
}

# At the end: the neighbours have had time to answer.
trap 'tell neighbours "$(cat <&"$answers")"; tell ended "$(now)"' EXIT
#: facts procedures.preflight.probe
[ -d /run/systemd/system ] && [ -n "$family" ] || exit 0
