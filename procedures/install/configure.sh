# Write the database's account, the configuration files and the credentials of one front-end. A
# running service next to oned is restarted only if its own file changes.
#: use blocks configuration database_account dumps family gui hosts_files marks programs units
#: hosts_entries: lines of /etc/hosts
#: mariadb: yes or no
#: db_owner
#: features: units
#: stopped: units that must run, but do not
#: strays: units that run, but must not
#: open_keys: files with keys that others can read
#: files: lines N OWNER MODE PATH; an owner or a mode of - stays as it is
#: text_*: the complete text of the N-th file; if it is empty, the file is removed
#: secret text_*: the same for a file with secrets
#: restarts: units
#: hostname: or empty
#: keeps_hostname: yes, if cloud-init must not change the hostname
#: timezone: or empty
#: own_units: the units of this program that must run; each is a file in /etc/systemd/system
#: hooks: Raft's programs
#: blank: text of the mark for a host that was observed to be blank; or empty
#: keeps: yes, if the section DB or one_auth is about to change
#: secret db_password
#: secret account: SQL
#: secret identify: SQL that sets the account's password; empty if the account has it
#: secret one_auth: text of the file, if this host has no database yet; or empty
#: secret oned_conf: text of the complete file, or empty
#: secret next_conf: an oned.conf that waits for the rollout, or empty
# It is kept next to oned.conf: if oned crashes before the rollout, it must not start with a file that
# no oned has started with yet.
[ -z "$blank" ] || claim "$blank"
[ "$keeps" != yes ] || keep_settings configuration
if [ -n "$hostname" ]; then
    step "set the hostname"
    said=$(hostnamectl set-hostname "$hostname" 2>&1) || refuse "the hostname $hostname" "$said" \
        "set it there by hand, then run again"
fi
if [ "$keeps_hostname" = yes ] && [ -d "$(dirname "$cloud_config")" ]; then
    put "$cloud_config" "$keeping_hostname"
    chmod 0644 "$cloud_config"
fi
if [ -n "$timezone" ]; then
    step "set the time zone"
    said=$(timedatectl set-timezone "$timezone" 2>&1) || refuse "the time zone $timezone" "$said" \
        "correct the timezone of opennebula-ha:ntp, or install tzdata there; then run again"
fi
if [ -n "$hosts_entries" ]; then
    step "make the front-ends' names resolve"
    [ -e /etc/hosts ] || install -m 0644 /dev/null /etc/hosts
    for file in $(hosts_files); do
        kept=$(without_names "$file" "$hosts_entries" "$(cat /proc/sys/kernel/hostname)")
        put_block "$file" "$kept"$'\n' "$hosts_entries"
    done
fi

if [ "$mariadb" = yes ]; then
    step "create the database and its account"
    keep_enabled $database_service
    systemctl start $database_service
    make_account
fi

step "write the configuration"
[ -z "$oned_conf" ] || put_conf "$oned_conf"
if [ -n "$next_conf" ]; then
    put "$conf.next" "$next_conf"
    chown --reference="$conf" "$conf.next"
    chmod --reference="$conf" "$conf.next"
else
    rm -f "$conf.next"
    drop_former_conf
fi
own() { # path
    [ "$owner" = - ] || chown "$owner" "$1"
    [ "$mode" = - ] || chmod "$mode" "$1"
}
# Stop them while their files still exist.
stop_programs $own_units
while read -r n owner mode path; do
    [ -n "$path" ] || continue
    text=text_$n
    # systemd does not notice by itself that a unit has its first drop-in.
    case $(readlink -m "$path") in /etc/systemd/*) unread=yes ;; esac
    if [ -z "${!text}" ]; then
        rm -f "$path"
        continue
    fi
    path=$(place_of "$path")
    # Also before the text is written, since it may be a secret.
    [ ! -f "$path" ] || own "$path"
    mkdir -p "$(dirname "$path")"
    put "$path" "${!text}"
    own "$path"
done <<<"$files"
keep_enabled $features $own_units
for program in $hooks; do
    step "find the program $program"
    runuser -u oneadmin -- test -x "$program" || refuse "$program, which oneadmin can run" \
        "$(stat -c '%A %U:%G' "$program" 2>&1)" \
        "put it there, or correct leader_hook and follower_hook of opennebula-ha; then run again"
done
for unit in $restarts; do
    # A unit that fails and starts again and again is restarted, too: the new file may fix it.
    case $(systemctl show -p ActiveState --value "$unit.service") in
        inactive | failed | deactivating) continue ;;
    esac
    step "restart $unit"
    # The unit may limit the number of starts in an interval.
    systemctl reset-failed "$unit.service" 2>/dev/null || true
    systemctl restart "$unit.service" || refuse "$unit to start with its configuration" \
        "$(journalctl -u "$unit" --no-pager -o cat -n 6)" \
        "correct what opennebula-ha sets of it, then run again"
done
for unit in $own_units; do
    case $unit in
        *.socket)
            step "start the leader check for load balancers"
            systemctl restart "$unit" || refuse "$unit to listen" \
                "$(journalctl -u "$unit" --no-pager -o cat -n 3)" \
                "stop what has that port there, or correct opennebula-ha:leader_check; then run again"
            ;;
        *)
            step "start the timer of the dumps"
            systemctl restart "$unit" || refuse "$unit to start" \
                "$(journalctl -u "$unit" --no-pager -o cat -n 3)" \
                "correct the schedule of opennebula-ha:backup, then run again"
            ;;
    esac
done
if [ -n "$one_auth" ]; then
    install -d -o oneadmin -g oneadmin -m 0700 /var/lib/one/.one
    put /var/lib/one/.one/one_auth "$one_auth"
    chown oneadmin:oneadmin /var/lib/one/.one/one_auth
    chmod 0600 /var/lib/one/.one/one_auth
fi
while read -r path; do
    [ -n "$path" ] || continue
    chown -h oneadmin:oneadmin "$path"
    chmod 0600 "$path"
done <<<"$open_keys"

make_gui_key
if systemctl -q is-active opennebula.service; then
    # An oned that runs must start at boot, too.
    keep_enabled opennebula.service
fi
for unit in $strays; do
    step "stop $unit on a follower"
    # OpenNebula's hook stops opennebula-hem on a follower only if it is enabled.
    systemctl enable "$unit.service" 2>/dev/null || true
    systemctl stop "$unit.service"
done
for unit in $stopped; do
    # Raft's hook may have used up the unit's start limit.
    systemctl reset-failed "$unit.service" 2>/dev/null || true
    systemctl start --no-block "$unit.service"
done
