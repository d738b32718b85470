# Transfers from another front-end, and the trust that they need.
#: use mariadb ssh
# Folder and database that receive what a leader sends. The import runs as a user of its own, one at
# a time.
incoming=/var/lib/opennebula-ha/incoming
importing=opennebula-ha-import.service
import="systemd-run --quiet --pipe --wait --collect --setenv=HOME=/root --unit=$importing \
bash /run/opennebula-ha/import"
# Marks the output from which on rsync speaks.
receives=opennebula-ha-receives
# The end of the line of a transfer's key.
marker=opennebula-ha-transfer
# Remove what has arrived, and the folder, unless staged packages are in it.
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
# The transfer's key cannot give sudo a password. If sudo asks for one, the account may run these
# commands without, while the key is valid.
granted=/etc/sudoers.d/zz-opennebula-ha-transfer
grant_without_password() { # COMMAND...
    local command words allowed=
    ! runuser -u "$login" -- sudo -n true </dev/null 2>/dev/null || return 0
    for command in "$@"; do
        read -ra words <<<"$command"
        command="$(type -P "${words[0]}") ${words[*]:1}"
        allowed+="${allowed:+, }$(sed 's/[,:=\\]/\\&/g' <<<"$command")"
    done
    # sudo ignores files whose names contain a dot.
    rm -f "$granted.new"
    (umask 227 && printf '#%s ALL=(root) NOTAFTER=%s NOPASSWD: %s\n' "$(id -u "$login")" \
        "$(date -u -d "+$seconds seconds" +%Y%m%d%H%M%SZ)" "$allowed" >"$granted.new")
    visudo -cqf "$granted.new"
    mv "$granted.new" "$granted"
}
