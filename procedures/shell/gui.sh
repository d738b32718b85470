# The web interface, which every front-end serves.
# Without a key, FireEdge creates its own, but all front-ends need the same one: each derives
# it from the zone's key, which they share.
make_gui_key() {
    local key=/var/lib/one/.one/fireedge_key zone=/var/lib/one/.one/one_key
    [ ! -s "$key" ] && [ -s "$zone" ] || return 0
    systemctl -q is-enabled opennebula-fireedge.service 2>/dev/null || return 0
    (umask 077 && { echo fireedge_key && cat "$zone"; } | sha256sum | head -c 32 | tr a-f A-F >"$key")
    chown oneadmin:oneadmin "$key"
}
# Every front-end serves the GUI, with the key and the credentials that have arrived by now. Flow,
# gate and form run only on the leader: the Raft hook starts them.
restart_gui() {
    systemctl -q is-enabled opennebula-fireedge.service 2>/dev/null || return 0
    # Its unit also permits only 3 starts in 60 s.
    systemctl reset-failed opennebula-fireedge.service 2>/dev/null || true
    systemctl restart --no-block opennebula-fireedge.service
}
