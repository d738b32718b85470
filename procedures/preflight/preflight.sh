# Report what has to be right on a host before anything changes there; observe.sh follows, if it can
# run here at all. Changes nothing.
#: use family mariadb ssh
#: vips: addresses that must not be in use elsewhere
#: targets: lines ADDRESS PORT
#: paths: where there has to be room
#: sources: the other front-ends' addresses
now() { date +%s.%N; }
tell begun "$(now)"

# The host that has an address answers for it on the link, whatever its firewall drops. What the kernel
# knew of it may be long past: that is forgotten, and makes it ask again.
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
# What sudo says to an account that has a rule in the place of OpenNebula's; nothing where it obeys, or
# cannot be asked. The rule is in a mount namespace of its own: the host has nothing of it.
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

# Last of all: that took its time while the rest was reported.
trap 'tell neighbours "$(cat <&"$answers")"; tell ended "$(now)"' EXIT
#: facts procedures.preflight.probe
[ -d /run/systemd/system ] && [ -n "$family" ] || exit 0
