# Permit the start of oned again, and start it.
#: use gui marks oned staged transfer units
#: takes_staged: yes: with the staged packages; no: without
step "start oned"
# Left by a transfer that was interrupted when the database was already in place.
end_trust
drop_incoming
keep_enabled opennebula.service
[ "$takes_staged" != yes ] || end_stage
try_oned start || refuse "oned to start" "$why" \
    "read /var/log/one/oned.log and 'journalctl -u opennebula' on the host, correct what they name, then run again"
# Not earlier: as long as it exists, the next run repeats this.
rm -f "$upgrading"
restart_gui
