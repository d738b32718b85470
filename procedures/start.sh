# Start oned with the SERVER_ID that its configuration has.
#: use gui oned transfer
#: server_id: or nothing
step "start oned"
# Left by an interrupted transfer that the database did not need in the end.
end_trust
drop_incoming
if [ -n "$server_id" ]; then
    grep -qE "^[^#]*SERVER_ID[[:space:]]*=[[:space:]]*\"?$server_id\"?([^0-9]|\$)" /etc/one/oned.conf ||
        refuse "SERVER_ID $server_id in /etc/one/oned.conf before the start" \
            "$(grep -m1 SERVER_ID /etc/one/oned.conf)" "run again: it is set first"
fi
enable_oned
run_oned start "oned to start" "read /var/log/one/oned.log and 'journalctl -u opennebula' on the host, correct what they name, then run again"
restart_gui
