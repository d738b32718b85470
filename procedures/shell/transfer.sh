# What another front-end sends, and the trust for that.
#: use mariadb ssh
# Where what a leader sends arrives: its files, and its database. Who runs the import while it does,
# one at a time.
incoming=/var/lib/opennebula-ha/incoming
importing=opennebula-ha-import.service
import="systemd-run --quiet --pipe --wait --collect --setenv=HOME=/root --unit=$importing \
bash /run/opennebula-ha/import"
# Says that from here on it is rsync that speaks.
receives=opennebula-ha-receives
# Ends the line of a transfer's key there.
marker=opennebula-ha-transfer
# What arrived goes, and the folder with it unless something waits in it for its turn.
drop_incoming() {
    [ -d "$incoming" ] || return 0
    systemctl stop "$importing" 2>/dev/null || true
    sql -e "DROP DATABASE IF EXISTS $scratch; DROP USER IF EXISTS $importer" 2>/dev/null || true
    rm -rf "$incoming"
    rmdir --ignore-fail-on-non-empty /var/lib/opennebula-ha 2>/dev/null || true
}
end_trust() {
    local keys
    keys=$(authorized_keys "$login")
    ! grep -qs " $marker\$" "$keys" || sed -i "/ $marker\$/d" "$keys"
    rm -rf /run/opennebula-ha "$granted" "$granted.new"
}
# The transfer's key cannot give sudo a password. Where sudo asks for one, the account may run these
# commands without, as long as the key is valid.
# The last entry that matches counts.
granted=/etc/sudoers.d/zz-opennebula-ha-transfer
grant_without_password() { # COMMAND...
    local command words allowed=
    ! runuser -u "$login" -- sudo -n true </dev/null 2>/dev/null || return 0
    for command in "$@"; do
        read -ra words <<<"$command"
        command="$(type -P "${words[0]}") ${words[*]:1}"
        allowed+="${allowed:+, }$(sed 's/[,:=\\]/\\&/g' <<<"$command")"
    done
    # sudo does not read names with a dot.
    rm -f "$granted.new"
    (umask 227 && printf '#%s ALL=(root) NOTAFTER=%s NOPASSWD: %s\n' "$(id -u "$login")" \
        "$(date -u -d "+$seconds seconds" +%Y%m%d%H%M%SZ)" "$allowed" >"$granted.new")
    visudo -cqf "$granted.new"
    mv "$granted.new" "$granted"
}
