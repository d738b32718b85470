# Report what has to be right on a host before anything changes there; observe.sh follows, if it can
# run here at all. Changes nothing.
#: vips: addresses that must not be in use elsewhere
#: targets: lines ADDRESS PORT
#: paths: where there has to be room
#: sources: the other front-ends' addresses
now() { date +%s.%N; }
tell begun "$(now)"

# Whoever has an address answers for it on the link, whatever its firewall drops. What the kernel
# knew of it may be long past: that is forgotten, and makes it ask anew.
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
# Last of all: that took its time, while the rest went on.
trap 'tell neighbours "$(cat <&"$answers")"; tell ended "$(now)"' EXIT

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
tell reached "$(while read -r address port; do
    [ -z "$port" ] || knock "$address" "$port" &
done < <(printf '%s\n' "$targets"); wait)"

tell distribution "$ID"
tell release "$VERSION_ID"
tell systemd "$([ ! -d /run/systemd/system ] || echo yes)"
tell memory "$(awk '$1 == "MemTotal:" {print $2}' /proc/meminfo)"
tell room "$(for path in $paths; do
    there=$path
    until [ -e "$there" ]; do there=$(dirname "$there"); done
    timeout 10 df -Pk "$there" | awk -v path="$path" 'NR == 2 {print path, $4, $6}'
done)"
tell macs "$(ip -o link show)"
tell listening "$(ss -Hltnp 2>/dev/null || true)"
tell nsswitch "$(grep '^hosts:' /etc/nsswitch.conf 2>/dev/null || true)"
tell locales "$(locale -a 2>/dev/null || true)"
tell selinux "$(cat /sys/fs/selinux/enforce 2>/dev/null || true)"
tell apparmor "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null || true)"
tell login "$login"
tell groups "$(id -Gn "$login")"
known="authorizedkeysfile|pubkeyauthentication|permitrootlogin|forcecommand|(allow|deny)(users|groups)"
tell sshd "$(for address in $sources; do
    sshd_settings "$login" "$address" | sed -nE "s/^($known) /$address &/p"
done)"
own=$(cat /proc/sys/kernel/hostname)
tell own_name "$own $(getent ahosts "$own" | awk 'NR == 1 {print $1}')"
tell vip_files "$(for vip in $vips; do
    { grep -rlsIwF -- "$vip" /etc/netplan /etc/network /etc/systemd/network /etc/NetworkManager \
        /etc/sysconfig/network /etc/sysconfig/network-scripts /etc/keepalived || true; } |
        sort | sed "s,^,$vip ,"
done)"
[ -d /run/systemd/system ] && [ -n "$family" ] || exit 0
tell managers "$(for unit in keepalived systemd-networkd NetworkManager; do
    ! systemctl -q is-active $unit.service 2>/dev/null || echo $unit
done)"
tell environment "$({
    systemctl show-environment
    systemctl show -p Environment --value opennebula.service opennebula-{fireedge,flow,gate,form}.service
    cat /etc/systemd/system/{service,opennebula*.service}.d/*.conf
} 2>/dev/null | tr ' "'\' '\n\n\n' | sed 's/^Environment=//' |
    grep -iE '^(https?|all|no|grpc)_proxy=' | awk '!seen[$0]++' || true)"
tell password_policy "$(sql -e "
    SELECT CONCAT(plugin_name, ' ') FROM information_schema.plugins
        WHERE plugin_type = 'PASSWORD VALIDATION' AND plugin_status = 'ACTIVE'
    UNION ALL SELECT CONCAT(LOWER(variable_name), ' ', variable_value)
        FROM information_schema.global_variables
        WHERE variable_name LIKE 'simple_password_check_%'" 2>/dev/null || true)"
